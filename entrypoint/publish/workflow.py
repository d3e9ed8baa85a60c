"""The runner's protocol: outputs, step summary, annotations, groups, masks. Knows nothing of what it is told to say.

The rules are those of GitHub's runner (actions/runner, ActionCommand.cs and FileCommandManager.cs): it reads our output
line by line, a carriage return ends a line too, `::command::` counts at a line's start, `##[command]` anywhere in it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from entrypoint.publish.fitting import Size, fit
from entrypoint.settings.runner import Runner

# The runner keeps 10 of each kind for a whole composite action, and its own "Process completed" is one of the errors.
_AT_MOST = {"error": 9, "warning": 10, "notice": 10}
_MESSAGE_CHARACTERS = 4_000  # the runner cuts at 4,096
_TITLE_CHARACTERS = 250
_SUMMARY_BYTES = 1_000_000  # above 1024 * 1024 the runner drops the whole summary
_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_COMMAND_AT_START = re.compile(r"(\A|[\r\n])(\s*)::")
# .NET compares text by culture, for which these do not exist: `\u200b::error::` begins with `::`.
_IGNORABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_CUT = " … (cut)"


def escape_data(text: str) -> str:
    """A command's message, as the runner will unescape it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """A value among a command's properties."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def without_legacy_commands(text: str) -> str:
    """The text without `##[`, which the runner obeys at any place of a line."""
    return text.replace("##[", "## [")


def inert(text: str) -> str:
    """The text with a space in everything that the runner would obey."""
    return _COMMAND_AT_START.sub(r"\1\2: :", without_legacy_commands(_IGNORABLE.sub("", text)))


class Workflow:
    """One step's voice. Outside Actions it prints plainly and uses no command.

    Args:
        runner: where the step's files are, and whether there is a runner at all.
        stream: what the runner reads, the step's standard output.
        unique: makes words that nobody can guess.
        conceal: takes out of what is said what nobody is to read.
    """

    def __init__(
        self,
        runner: Runner,
        stream: TextIO,
        *,
        unique: Callable[[], str] = lambda: uuid4().hex,
        conceal: Callable[[str], str] = str,
    ) -> None:
        self._runner = runner
        self._stream = stream
        self._unique = unique
        self._conceal = conceal
        self._said = dict.fromkeys(_AT_MOST, 0)
        self._grouped = False

    def output(self, name: str, value: str) -> None:
        """Set an output of the step; nothing where there is no runner.

        Raises:
            ValueError: the name is not one, or the value holds the random delimiter.
        """
        if not _OUTPUT_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not an output's name")
        delimiter = f"ghadelimiter_{self._unique()}"
        if delimiter in value or delimiter in name:
            raise ValueError(f"output {name} holds its own delimiter")
        if self._runner.output:
            _append(self._runner.output, f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def summary(self, markdown: str) -> None:
        """Add to the step summary, cut where the runner would otherwise drop all of it."""
        path = self._runner.summary
        if not path:
            return
        taken = path.stat().st_size if path.exists() else 0
        room = _SUMMARY_BYTES - taken - 1
        whole = "The whole report is in the results folder and its artifact."
        text = fit(self._conceal(markdown), Size(room, room), whole=whole) if room > len(whole) + 100 else ""
        _append(path, text if not text or text.endswith("\n") else f"{text}\n")

    def error(self, message: str, *, title: str = "") -> None:
        """An annotation for what fails the build."""
        self._annotate("error", message, title)

    def warning(self, message: str, *, title: str = "") -> None:
        """An annotation for what somebody should look at."""
        self._annotate("warning", message, title)

    def notice(self, message: str, *, title: str = "") -> None:
        """An annotation for what is good to know."""
        self._annotate("notice", message, title)

    def say(self, text: str) -> None:
        """A line of our own, which never becomes a command whatever names it holds."""
        text = self._conceal(text)
        self._write(inert(text) if self._runner.on_actions else text)

    def add_mask(self, value: str) -> None:
        """Have the runner show `***` for a value from now on."""
        if self._runner.on_actions and value.strip():
            self._command("add-mask", value)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the lines within. GitHub has no groups in groups: an inner one is only a line."""
        if not self._runner.on_actions or self._grouped:
            self.say(title)
            yield
            return
        self._command("group", _shortened(title, _TITLE_CHARACTERS))
        self._grouped = True
        try:
            yield
        finally:
            self._grouped = False
            self._command("endgroup", "")

    @contextmanager
    def untrusted(self, title: str) -> Iterator[Callable[[str], None]]:
        """Fold text from user code and services; within, the runner obeys nothing. Gives what prints its lines."""
        with self.group(title):
            if not self._runner.on_actions:
                yield lambda text: self._write(self._conceal(text))
                return
            token = self._unique()
            self._command("stop-commands", token)
            try:
                yield lambda text: self._write(without_legacy_commands(self._conceal(text)))
            finally:
                self._command(token, "")

    def _annotate(self, kind: str, message: str, title: str) -> None:
        message, title = self._conceal(message), self._conceal(title).strip()  # the runner would strip it
        self._said[kind] += 1
        if not self._runner.on_actions or self._said[kind] > _AT_MOST[kind]:
            self.say(": ".join(part for part in (kind, title, message) if part))
            return
        properties = f" title={escape_property(_shortened(title, _TITLE_CHARACTERS))}" if title else ""
        self._command(kind + properties, _shortened(message, _MESSAGE_CHARACTERS))

    def _command(self, head: str, data: str) -> None:
        self._write(f"::{head}::{escape_data(data)}")

    def _write(self, text: str) -> None:
        """Whole lines only, in characters that the stream can carry."""
        encoding = self._stream.encoding or "utf-8"
        line = text if text.endswith("\n") else f"{text}\n"
        self._stream.write(line.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


def _shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - len(_CUT)] + _CUT


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)

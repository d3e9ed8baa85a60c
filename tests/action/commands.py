"""What a step may tell the runner: through its files, and through lines of its output.

The rules are those of actions/runner: FileCommandManager.cs, ActionCommand.cs, ActionCommandManager.cs.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_ANNOTATIONS = ("error", "warning", "notice")
_OTHERS = (
    "add-mask", "set-output", "save-state", "set-env", "add-path", "stop-commands", "echo", "group", "endgroup", "debug",
    "add-matcher", "remove-matcher",
)  # fmt: skip
_REFUSED = ("set-env", "add-path")
_SUMMARY_BYTES = 1024 * 1024
# .NET compares by culture, for which these do not exist: a line may hide its `::` behind them.
_IGNORABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


class FileCommandError(ValueError):
    """A file that the runner cannot process, which fails the step."""


@dataclass(frozen=True)
class Annotation:
    """What is shown on the run's page and beside the code."""

    kind: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.properties.get("title", "")


def read_pairs(text: str) -> dict[str, str]:
    """`NAME=value` lines and `NAME<<DELIMITER` blocks, as in GITHUB_OUTPUT, GITHUB_ENV and GITHUB_STATE.

    Raises:
        FileCommandError: a line is neither, or a block does not end.
    """
    pairs = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        elif heredoc >= 0:
            name, delimiter = line.split("<<", 1)
            value = _block(lines, delimiter)
        else:
            raise FileCommandError(f"Invalid format '{line}'")
        if not name:
            raise FileCommandError(f"Invalid format '{line}'. Name must not be empty")
        pairs[name] = value
    return pairs


def _block(lines: Iterator[str], delimiter: str) -> str:
    if not delimiter:
        raise FileCommandError("Invalid format. Delimiter must not be empty")
    block = []
    for line in lines:
        if line == delimiter:
            return "\n".join(block)
        block.append(line)
    raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")


def read_summary(text: bytes, masks: "Masks") -> tuple[str, list[Annotation]]:
    """What is shown of a step's summary: all of it, or nothing and an error where it is too long."""
    if len(text) > _SUMMARY_BYTES:
        too_long = (
            f"$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got {len(text) // 1024}k."
        )
        return "", [Annotation("error", too_long)]
    return masks.hide(text.decode("utf-8", "replace")), []


class Masks:
    """Values that the job shows as `***`."""

    def __init__(self) -> None:
        self.values: set[str] = set()

    def add(self, value: str) -> None:
        for line in value.splitlines():
            if line.strip():
                self.values |= {line, base64.b64encode(line.encode()).decode()}

    def hide(self, text: str) -> str:
        for value in sorted(self.values, key=len, reverse=True):
            text = text.replace(value, "***")
        return text


@dataclass
class Voice:
    """One step's output, line by line: what of it is a command is obeyed, the rest is logged."""

    masks: Masks
    log: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    failed: bool = False
    _stop: str = ""

    def hear(self, line: str) -> None:
        name, properties, message = _command(line)
        if self._stop:
            if name == self._stop:
                self._stop = ""
                return
        elif name.lower() in (*_ANNOTATIONS, *_OTHERS):
            self._obey(name.lower(), properties, message)
        self.log.append(self.masks.hide(line))

    def _obey(self, name: str, properties: dict[str, str], message: str) -> None:
        if name in _ANNOTATIONS:
            self.annotations.append(Annotation(name, self.masks.hide(message)[:4096], properties))
        obeyed: dict[str, Callable[[], object]] = {
            "add-mask": lambda: self.masks.add(message),
            "stop-commands": lambda: self._stop_until(message),
            "set-output": lambda: self._deprecated(properties.get("name", ""), message),
        }
        obeyed.get(name, lambda: None)()
        if name in _REFUSED:
            self.annotations.append(
                Annotation("error", f"Unable to process command '{name}' successfully. It is disabled.")
            )
            self.failed = True

    def _stop_until(self, token: str) -> None:
        if not token or token in (*_ANNOTATIONS, *_OTHERS, "pause-logging"):
            self.annotations.append(Annotation("error", f"Invalid stop token {token!r}"))
            self.failed = True
            return
        self._stop = token

    def _deprecated(self, name: str, value: str) -> None:
        self.annotations.append(Annotation("warning", "The `set-output` command is deprecated"))
        self.outputs[name] = value


def _command(line: str) -> tuple[str, dict[str, str], str]:
    """Name, properties and message of the command in a line; three times nothing if there is none."""
    shown = _IGNORABLE.sub("", line)
    if new := re.match(r"\s*::([^\s:]+)(?:\s(.*?))?::(.*)", shown, re.DOTALL):
        return new[1], _properties(new[2] or "", ","), _unescape(new[3])
    if old := re.search(r"##\[([^\s\]]+)(?:\s([^\]]*))?\](.*)", shown, re.DOTALL):
        return old[1], _properties(old[2] or "", ";"), _unescape(old[3])
    return "", {}, ""


def _properties(text: str, separator: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in text.split(separator) if "=" in part)
    return {name.strip(): _unescape(value).replace("%3A", ":").replace("%2C", ",") for name, value in pairs}


def _unescape(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")

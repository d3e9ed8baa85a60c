"""What a person sees while it works: a live line in a terminal, a line every ten seconds in a log."""

import time
from collections.abc import Callable
from typing import IO

from rich.console import Console as Terminal
from rich.status import Status
from rich.text import Text

from entrypoint.judgement.wording import figure
from locustfiles.ml_loadtest.contract import Progress

_EVERY_S = 10.0


class Console:
    """Prints to one stream, a terminal or a log.

    Args:
        stream: where to.
        say: prints a line that may hold names from user code; the runner must not obey it.
    """

    def __init__(self, stream: IO[str], say: Callable[[str], None]) -> None:
        self._terminal = Terminal(file=stream)
        self._say = say
        self._last = float("-inf")
        self._seen: set[str] = set()
        self._live: Status | None = None

    def say(self, text: str) -> None:
        """One line."""
        if self._live:
            self._live.stop()
            self._live = None
        self._say(text)

    def progress(self, progress: Progress) -> None:
        """Show how the load is going."""
        line = describe(progress)
        if self._terminal.is_terminal:
            self._show_live(line)
        # The first line of each phase is shown at once; later ones not, for turns on several targets alternate.
        elif (phase := progress.phase.split()[0]) not in self._seen or time.monotonic() - self._last >= _EVERY_S:
            self._say(line)
            self._last = time.monotonic()
            self._seen.add(phase)

    def _show_live(self, line: str) -> None:
        if self._live is None:
            self._live = self._terminal.status(Text(line))
            self._live.start()
        self._live.update(Text(line))


def describe(progress: Progress) -> str:
    """A second of the load in one line."""
    times = f"p50 {figure(progress.p50_ms, 'ms')}, p95 {figure(progress.p95_ms, 'ms')}"
    failed = f", {progress.failures} failed in the last 5 s" if progress.failures else ""
    users = f"{progress.users} user{'s' * (progress.users != 1)}"
    return (
        f"  {progress.phase:<9} {progress.left_s:3.0f} s left, {users}, {progress.rate:.0f} requests/s, {times}{failed}"
    )

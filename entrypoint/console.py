"""What a person sees while it works: a live line in a terminal, a line every ten seconds in a log."""

import time
from collections.abc import Callable
from typing import IO

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
        self._stream = stream
        self._say = say
        self._is_terminal = stream.isatty()
        self._last = float("-inf")
        self._phase = ""
        self._live = False

    def say(self, text: str) -> None:
        """One line."""
        self._clear()
        self._say(text)

    def progress(self, progress: Progress) -> None:
        """Show how the load is going."""
        line = describe(progress)
        if self._is_terminal:
            self._clear()
            self._stream.write(line)
            self._live = True
        elif progress.phase != self._phase or time.monotonic() - self._last >= _EVERY_S:
            self._stream.write(line + "\n")
            self._last = time.monotonic()
        self._phase = progress.phase
        self._stream.flush()

    def _clear(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
            self._live = False


def describe(progress: Progress) -> str:
    """A second of the load in one line."""
    times = f"p50 {figure(progress.p50_ms, 'ms')}, p95 {figure(progress.p95_ms, 'ms')}"
    left = f"{progress.left_s:.0f} s left" if progress.left_s < 3600 else ""
    failed = f", {progress.failures} failed in the last 5 s" if progress.failures else ""
    return f"  {progress.phase:<9} {left:>10}, {progress.users} users, {progress.rate:.0f} requests/s, {times}{failed}"

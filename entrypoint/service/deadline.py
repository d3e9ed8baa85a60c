"""Time that passes: how much of it is left, and how much a step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Deadline:
    """A moment, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds until then, never negative."""
        return max(0.0, self._end - time.monotonic())


@contextmanager
def timed(timing: dict[str, float], step: str) -> Iterator[None]:
    """Write down the seconds of a step, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        timing[step] = time.monotonic() - began

"""How long GitHub's troubles are borne: a whole piece of work is tried again, never a single request of it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from entrypoint.publish.client import trouble_of
from entrypoint.publish.refusals import Trouble

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long GitHub's troubles, and other jobs that write at the same time, are borne.

    Attributes:
        total_s: after this no new try begins.
        answer_s: what one answer may take.
        tries: at most so many, where GitHub has trouble.
        pause_s: before the second try; doubled before each further one. GitHub's own Retry-After goes before it.
        rounds: how often the comment is written at most, where other jobs overwrite it.
        settle_s: from writing to reading back: longer than others take from reading to writing. Up to half as much again
            is added at random, so that jobs that end together come apart.
    """

    total_s: float = 60
    answer_s: int = 10
    tries: int = 4
    pause_s: float = 1
    rounds: int = 5
    settle_s: float = 2
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def settle(self) -> None:
        """Wait until another job that read before we wrote must have written."""
        self.sleep(self.settle_s * (1 + random.random() / 2))  # noqa: S311 (nobody need be kept from guessing it)


class Deadline:
    """The end of a patience that has begun."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._at_s = patience.clock() + patience.total_s

    def left_s(self) -> float:
        """Seconds until no new try may begin."""
        return self._at_s - self._patience.clock()

    @property
    def answer_s(self) -> int:
        """What one answer may take now."""
        return max(1, min(self._patience.answer_s, int(self.left_s())))


def persist(work: Callable[[Deadline], Done], patience: Patience) -> Done | Trouble:
    """Do the work, again after trouble that may pass; the trouble if it stays, is hopeless, or takes too long.

    Args:
        work: may be repeated after any failure.
        patience: for how long.
    """
    deadline = Deadline(patience)
    pause_s = patience.pause_s
    for more in reversed(range(patience.tries)):
        try:
            return work(deadline)
        except Exception as error:  # whatever the client raises, the verdict stands
            trouble = trouble_of(error)
        wait_s = _wait_s(trouble, pause_s)
        if not more or wait_s is None or wait_s >= deadline.left_s():
            break
        patience.sleep(wait_s)
        pause_s *= 2
    return trouble


def _wait_s(trouble: Trouble, pause_s: float) -> float | None:
    """Seconds until the next try, or None if it would be in vain."""
    if not trouble.passing:
        return None
    if trouble.rate_limited:
        return trouble.retry_after_s  # without it, GitHub asks for a minute or more
    return max(pause_s, trouble.retry_after_s or 0)

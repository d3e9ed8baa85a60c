"""A process that uses all the CPU it gets, and comes and goes: the neighbour that a shared runner has."""

import random
import subprocess
import sys
import threading
from contextlib import AbstractContextManager

from benchmarks.beside import beside

# It ends by itself, should nobody be left to end it.
_SPIN = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"
# Seconds that it stays, and that it is away: present for about a fifth of the time.
_STAYS_S, _AWAY_S = (1.0, 8.0), (5.0, 30.0)


def coming_and_going(seed: int) -> AbstractContextManager[None]:
    """The neighbour, for as long as the block takes; the same visits for the same seed."""
    return beside(_visit, random.Random(seed))


def _visit(chance: random.Random, over: threading.Event) -> None:
    while not over.wait(chance.uniform(*_AWAY_S)):
        stays_s = chance.uniform(*_STAYS_S)
        with subprocess.Popen([sys.executable, "-c", _SPIN, f"{stays_s}"]) as hog:
            over.wait(stays_s)
            hog.kill()

"""What is wrong with this copy of a service, from its environment; nothing by default.

WORK        every request needs so many times the usual work
TAIL        one request in ten needs so many times the usual work, the same ones on every copy
FAILURES    so many requests in a thousand are answered with 500, the same ones on every copy
STALL       after so many requests, the whole service stands still for a second, once and again
LEAK        every request leaves so many bytes behind
START       the service is ready so many seconds later
"""

import itertools
import os
import time

_work = float(os.environ.get("WORK", "1"))
_tail = float(os.environ.get("TAIL", "1"))
_failures = int(os.environ.get("FAILURES", "0"))
_stall = int(os.environ.get("STALL", "0"))
_leak = int(os.environ.get("LEAK", "0"))
_asked = itertools.count(1)
_left_behind: list[bytes] = []
time.sleep(float(os.environ.get("START", "0")))


def factor(number: int) -> float:
    """How many times the usual work the request needs."""
    return _work * (_tail if number % 10 == 0 else 1.0)


def fails(number: int) -> bool:
    """Whether the request is one of those that fail."""
    return number % 1000 < _failures


def leak() -> None:
    """Keep what nobody needs any more."""
    if _leak:
        _left_behind.append(os.urandom(_leak))


def stall() -> None:
    """Stand still, if it is time to. Called on the event loop, so that nobody else is answered either."""
    if _stall and next(_asked) % _stall == 0:
        time.sleep(1.0)

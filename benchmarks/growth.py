"""How often growth is said of what does not grow, and missed of what does: python -m benchmarks.growth

Made noise of standard deviation 1, each value of which resembles the one before by a correlation; no service and no machine.
"""

import math

import numpy as np
from numpy.typing import NDArray

from entrypoint.judgement.slopes import slope_of

_TRIALS = 4000
_CASES = [(count, alike) for count in (40, 60) for alike in (0.0, 0.3, 0.6, 0.8)]


def noise(draw: np.random.Generator, count: int, alike: float) -> NDArray[np.float64]:
    """Values of a stationary process of first order, shape (count,)."""
    values = draw.standard_normal(count)
    for number in range(1, count):
        values[number] = alike * values[number - 1] + math.sqrt(1 - alike**2) * values[number]
    return values


def said(draw: np.random.Generator, count: int, alike: float, grown: float, confidence: float = 0.95) -> float:
    """The share of trials in which the whole interval was above zero, of something that grows by so much until the end."""
    line = np.linspace(0, grown, count)
    found = (slope_of(list(enumerate(noise(draw, count, alike) + line)), confidence) for _ in range(_TRIALS))
    return sum(slope is not None and slope.low > 0 for slope in found) / _TRIALS


def main() -> None:
    draw = np.random.default_rng(1)
    head = ("Stretches", "Neighbours' correlation", "no growth", "no growth, 99 %", "by 3", "by 8")
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for count, alike in _CASES:
        shares = (said(draw, count, alike, *case) for case in ((0.0,), (0.0, 0.99), (3.0,), (8.0,)))
        print(f"| {count} | {alike:g} | {' | '.join(f'{share * 100:.1f} %' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()

"""Make fish: 49 to learn from and as many as one likes to ask about, bream and smelt of the sizes that they have at the market.

The same seed gives the same fish. Only the standard library is used: the load's generator makes its questions with this file too.
"""

import random
from typing import NamedTuple


class Fish(NamedTuple):
    length: float  # cm
    weight: float  # g
    name: str


class Kind(NamedTuple):
    """One kind of fish: how many of the 49 are of it, its ranges, and grams per cubed centimetre."""

    name: str
    count: int
    lengths: tuple[float, float]
    weights: tuple[float, float]
    density: float


BREAM = Kind("도미", 35, lengths=(25.4, 41.0), weights=(242.0, 1000.0), density=0.0145)
SMELT = Kind("빙어", 14, lengths=(9.8, 15.0), weights=(6.7, 19.9), density=0.0065)
KINDS = (BREAM, SMELT)
NAMES = tuple(kind.name for kind in KINDS)

TRAINING_SEED, UNSEEN_SEED = 49, 100_000


def training() -> list[Fish]:
    """The 49. The smallest and the largest of each kind are as in the original, the others are drawn between them."""
    rng = random.Random(TRAINING_SEED)
    table = []
    for kind in KINDS:
        table += [Fish(*pair, kind.name) for pair in zip(kind.lengths, kind.weights, strict=True)]
        table += [_draw(rng, kind) for _ in range(kind.count - 2)]
    return table


def unseen(rows: int = 100_000) -> list[Fish]:
    """Fish to ask about, bream and smelt as often as among the 49. A shorter table is the beginning of a longer one."""
    rng = random.Random(UNSEEN_SEED)
    kinds = [kind for kind in KINDS for _ in range(kind.count)]
    return [_draw(rng, rng.choice(kinds)) for _ in range(rows)]


def _draw(rng: random.Random, kind: Kind) -> Fish:
    """Most are of middling length. Weight grows with its cube; a fat or a lean fish is up to 15 % off."""
    length = round(rng.triangular(*kind.lengths), 1)
    lightest, heaviest = kind.weights
    weight = kind.density * length**3 * rng.uniform(0.85, 1.15)
    return Fish(length, round(min(max(weight, lightest), heaviest), 1), kind.name)

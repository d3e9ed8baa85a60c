"""Make synthetic rows with the columns of Criteo's display advertising data: a label, 13 integers and 26 hashed categories.

    python data.py

writes `records.csv`, the fifth that no model is trained on: the load draws its requests from it. The same seed gives the same
file, to the byte. Criteo's own rows may not be passed on. These have their shape, and a signal: what is in a row moves the
chance of a click, so that scores differ and a label can be missed.
"""

import csv
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("records.csv")
SEED = 42

INTEGERS = [f"int{number:02}" for number in range(13)]
CATEGORIES = [f"cat{number:02}" for number in range(26)]

ROWS = 5000
HELD_OUT = ROWS // 5
# How many values the categories have; the original's have from three to millions. The first few tell most about a click.
SIZES = [
    4,
    6,
    8,
    10,
    12,
    16,
    20,
    24,
    30,
    40,
    50,
    60,
    80,
    100,
    120,
    150,
    200,
    250,
    300,
    400,
    500,
    600,
    700,
    800,
    900,
    1000,
]
TELLING = 10
MISSING = 0.08
CLICKS = 0.26  # share of rows with a click, near the original's


def make(seed: int = SEED) -> list[dict]:
    """All rows, each a label and what a request would say. Empty fields are None."""
    rng = np.random.default_rng(seed)
    leanings = np.zeros(ROWS)
    columns = {}
    for name in INTEGERS:
        columns[name], effect = _integers(rng)
        leanings += effect
    for name, size in zip(CATEGORIES, SIZES, strict=True):
        columns[name], effect = _categories(rng, size)
        leanings += effect
    clicks = rng.random(ROWS) < 1 / (1 + np.exp(_threshold(leanings) - leanings))
    cells = zip(*columns.values(), strict=True)
    return [
        {"label": int(click), **dict(zip(columns, row, strict=True))} for click, row in zip(clicks, cells, strict=True)
    ]


def _integers(rng: np.random.Generator) -> tuple[list[int | None], np.ndarray]:
    """Counts with a long tail, and what each does to the chance of a click."""
    values = np.floor(rng.lognormal(rng.uniform(0.5, 4), 1.2, ROWS)).astype(int)
    effect = rng.normal(0, 0.3) * np.log1p(values)
    return _with_gaps(rng, values.tolist(), effect - effect.mean())


def _categories(rng: np.random.Generator, size: int) -> tuple[list[str | None], np.ndarray]:
    """Eight hexadecimal digits for each value, the first ones by far the most frequent, as in any log of clicks."""
    codes = [f"{code:08x}" for code in rng.integers(0, 2**32, size)]
    frequency = 1 / np.arange(1, size + 1)
    picks = rng.choice(size, ROWS, p=frequency / frequency.sum())
    effect = rng.normal(0, 3.0 if size <= TELLING else 0.1, size)[picks]
    return _with_gaps(rng, [codes[pick] for pick in picks], effect)


def _with_gaps(rng: np.random.Generator, values: list, effect: np.ndarray) -> tuple[list, np.ndarray]:
    """The same column with some fields empty. Where nothing is said, nothing moves the chance."""
    missing = rng.random(ROWS) < MISSING
    return [None if gap else value for gap, value in zip(missing, values, strict=True)], np.where(missing, 0.0, effect)


def _threshold(leanings: np.ndarray) -> float:
    """The constant that makes the mean chance of a click `CLICKS`, by halving."""
    low, high = leanings.min() - 10, leanings.max() + 10
    for _ in range(60):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(middle - leanings))).mean() > CLICKS:
            low = middle
        else:
            high = middle
    return high


def split(rows: list[dict], seed: int = SEED) -> tuple[list[dict], list[dict]]:
    """Four fifths to train on, and the fifth that is held out."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return [rows[place] for place in order[HELD_OUT:]], [rows[place] for place in order[:HELD_OUT]]


def write(rows: list[dict], file: Path = FILE) -> None:
    with file.open("w", newline="") as lines:
        table = csv.DictWriter(lines, ["label", *INTEGERS, *CATEGORIES], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    write(split(make())[1])

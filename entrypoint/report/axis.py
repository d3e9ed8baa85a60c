"""What drawings share: labelled ticks, round steps, coordinates as text."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled position on an axis."""

    at: str
    label: str


def round_steps(highest: float) -> list[float]:
    """From zero to at least the highest value in three to six round steps."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(power * part for part in (0.2, 0.25, 0.5, 1.0, 2.0) if power * part * 5 >= highest)
    return [round(step * number, 10) for number in range(math.ceil(round(highest / step, 9)) + 1)]


def px(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")

"""Cells of the HTML report's tables: a figure for people, and the same figure for sorting and drawing."""

import math
from dataclasses import dataclass

from entrypoint.judgement.wording import figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure in a table.

    Attributes:
        text: with its unit, "" where there is none.
        value: as a plain number, `inf` where it is not met, "" where there is none.
    """

    text: str
    value: str


def make_cell(value: float | None, unit: str) -> Cell:
    """A figure, or an empty cell without one."""
    return Cell(text="" if value is None or math.isnan(value) else figure(value, unit), value=sortable(value))


def sortable(value: float | None) -> str:
    """A number for programs, to six digits."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.6g}"

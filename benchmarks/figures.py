"""A figure of a benchmark, and the table of them."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        benchmark: the module that found it.
        what: in words, with its unit.
        value: formatted.
        spread: lowest to highest of the repetitions, or what else tells how far to trust the value; "" without any.
        aim: what issue 3 asks for; "" where the figure only stands beside another.
        met: whether the aim was reached; None without an aim.
    """

    benchmark: str
    what: str
    value: str
    spread: str = ""
    aim: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The line's cells."""
        met = "" if self.met is None else "yes" if self.met else "**no**"
        return self.benchmark, self.what, self.value, self.spread, self.aim, met


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    header = ("Benchmark", "Figure", "Value", "Spread", "Aim", "Met")
    rows = [header, ("---",) * len(header), *(figure.cells for figure in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def middle(values: list[float], digits: int = 3) -> tuple[str, str]:
    """The median of repetitions, and lowest to highest."""
    return f"{median(values):.{digits}f}", f"{min(values):.{digits}f} to {max(values):.{digits}f}"

"""Which rows the reader of the HTML report may choose to see."""

from collections.abc import Iterable
from dataclasses import dataclass

from entrypoint.judgement.model import Status
from entrypoint.report.rows import Row

_GROUPS = (
    ("worse", "Worse", {Status.OVER_LIMIT, Status.REGRESSED}),
    ("unresolved", "Unresolved", {Status.UNRESOLVED, Status.MISSING}),
    ("better", "Better", {Status.IMPROVED}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A group of rows.

    Attributes:
        key: the word by which rows say that they belong to it.
        count: how many they are.
        first: whether the page begins with it.
    """

    key: str
    label: str
    count: int
    first: bool


def make_choices(rows: Iterable[Row], *, compared: bool) -> tuple[Choice, ...]:
    """The groups that have rows; the page begins with what is judged, or with all where there is nothing to compare with."""
    groups = [groups_of(row) for row in rows]
    labels = {"judged": "Judged", **{key: label for key, label, _ in _GROUPS}, "all": "All"}
    counts = {key: sum(key in found for found in groups) for key in labels}
    first = "judged" if compared and counts["judged"] else "all"
    return tuple(
        Choice(key=key, label=label, count=counts[key], first=key == first)
        for key, label in labels.items()
        if counts[key]
    )


def groups_of(row: Row) -> list[str]:
    """The groups that a row belongs to."""
    named = [key for key, _, statuses in _GROUPS if row.status in statuses and row.gated]
    return [*named, *(["judged"] if row.gated else []), "all"]

"""Whether CPU time for each success sees more work before the response time does: one table of a campaign of its own."""

import math
from collections.abc import Sequence
from statistics import median

from benchmarks.trust.conditions import JUDGED_OF_WORK, OF_WORK, Condition
from benchmarks.trust.lines import ACCUSED
from benchmarks.trust.trials import Trial, compared
from entrypoint.judgement.model import Change
from entrypoint.judgement.significance import exact_interval

_HEADS = (
    "Planted",
    "Row",
    "Looks",
    "Runs",
    "Change",
    "Interval ±",
    "Above no change",
    "Below it",
    "Accused",
    "Could see",
)


def table_of_work(trials: Sequence[Trial]) -> str:
    """A line for each condition, row and number of looks; "" without such a campaign.

    A row is above no change where its whole interval is, at the error that the product gives to one of its rows. It is accused
    at a threshold of half of what is planted, which is the same for unchanged code.
    """
    lines = [
        _line(condition, row, looks, [trial for trial in trials if trial.condition is condition and _fit(trial, looks)])
        for condition in OF_WORK
        for row in JUDGED_OF_WORK
        for looks in (1, 2)
    ]
    if not any(lines):
        return ""
    return "\n".join([_joined(_HEADS), _joined(["---"] * len(_HEADS)), *filter(None, lines)])


def _fit(trial: Trial, looks: int) -> bool:
    return trial.usable and len(trial.looks) >= looks and all(look.valid for look in trial.looks[:looks])


def _line(condition: Condition, row: str, looks: int, trials: Sequence[Trial]) -> str:
    found = [change for trial in trials if (change := _change(trial, row, looks)) and change.interval]
    if not found:
        return ""
    changes = sorted(change.change or 0.0 for change in found)
    above, below = (sum(_side(change) == side for change in found) for side in (1, -1))
    accused = sum(change.status in ACCUSED for change in found)
    return _joined([
        condition.label, f"`{row}`", f"{looks}", f"{len(found)}",
        f"{_signed(median(changes))} ({_signed(changes[0])} to {_signed(changes[-1])})",
        _percent(median(map(_half, found))), _of(above, len(found)), f"{below}", _of(accused, len(found)),
        _percent(median(change.resolution or 0.0 for change in found)),
    ])  # fmt: skip


def _change(trial: Trial, row: str, looks: int) -> Change | None:
    comparison = compared(trial.looks[:looks], trial.condition.threshold, JUDGED_OF_WORK)
    return next((change for change in comparison.changes if change.metric == row), None)


def _side(change: Change) -> int:
    low, high = change.interval or (0.0, 0.0)
    return 1 if low > 0 else -1 if high < 0 else 0


def _half(change: Change) -> float:
    """Half the interval's width, as a factor less one."""
    low, high = change.interval or (0.0, 0.0)
    return math.expm1((math.log1p(high) - math.log1p(low)) / 2)


def _of(count: int, runs: int) -> str:
    low, high = exact_interval(count, runs)
    return f"{count} ({low * 100:.0f} to {high * 100:.0f} %)"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _signed(share: float) -> str:
    return f"{share * 100:+.1f} %"


def _joined(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

"""The rules that are compared, each a line of the table: this product's, side by side and committed, and those of other tools."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from benchmarks.trust.conditions import THRESHOLDS
from benchmarks.trust.rivals import OF_A_HISTORY, RULES, Seen
from benchmarks.trust.trials import Trial
from entrypoint.judgement.model import Change, Comparison, Status
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.pairs import BASE, CANDIDATE

OCCASIONS = 10
ACCUSED = {Status.REGRESSED, Status.OVER_LIMIT}
_ROWS = ("", "p50", "p95")


class Said(Enum):
    """What a rule says of a comparison."""

    ACCUSED = "accused"
    QUIET = "quiet"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Line:
    """One rule.

    Attributes:
        name: in words.
        says: of a trial; None where the rule cannot be asked, or the run was invalid.
        load_s: seconds of measured load that its verdict took.
        independent: whether no two verdicts share a sample: only then do so many of them prove a bound.
    """

    name: str
    says: Callable[[Trial], Said | None]
    load_s: Callable[[Trial], float]
    independent: bool = True


def all_lines(trials: Sequence[Trial]) -> list[Line]:
    """Every rule, for the trials of one service in the order in which they were made."""
    beside = [_side_by_side(threshold, row) for threshold in (None, *THRESHOLDS) for row in _ROWS]
    committed = [_committed(trials, threshold, row) for threshold in THRESHOLDS for row in _ROWS]
    return [*beside, *committed, *_rivals(trials)]


def _side_by_side(threshold: float | None, row: str) -> Line:
    """None: at the threshold of the trial's own condition."""

    def at(trial: Trial) -> float:
        return trial.condition.threshold if threshold is None else threshold

    def says(trial: Trial) -> Said | None:
        return said_of(trial.replayed(at(trial)).comparison, row)

    def load_s(trial: Trial) -> float:
        looks = trial.looks[: trial.replayed(at(trial)).looks]
        return sum(look.candidate.window_s + look.base.window_s for look in looks)

    where = "its own threshold" if threshold is None else f"{threshold * 100:g} %"
    return Line(f"side by side, {where}: {row or 'any row'}", says, load_s)


def said_of(comparison: Comparison | None, row: str) -> Said | None:
    """What a comparison says of one metric, or of all rows together; None without one."""
    if comparison is None:
        return None
    changes = [change for change in comparison.changes if row in ("", change.metric)]
    if any(change.status in ACCUSED for change in changes):
        return Said.ACCUSED
    return Said.UNDECIDED if any(_in_doubt(change) for change in changes) else Said.QUIET


def _in_doubt(change: Change) -> bool:
    """A row without enough pairs or requests, which nobody can judge, is in doubt as one is that was not resolved."""
    too_few = change.status is Status.TOO_FEW and METRICS[change.metric].gate
    return too_few or (change.gated and change.status in (Status.UNRESOLVED, Status.MISSING))


def _committed(trials: Sequence[Trial], threshold: float, row: str) -> Line:
    """The baseline: the bases of the ten trials before, each as an occasion of its own."""

    def says(trial: Trial) -> Said | None:
        before = _before(trials, trial)
        if len(before) < OCCASIONS:
            return None
        return said_of(trial.judged_by([one.as_occasion() for one in before[-OCCASIONS:]], threshold), row)

    name = f"committed, {OCCASIONS} occasions, {threshold * 100:g} %: {row or 'any row'}"
    return Line(name, says, _candidate_s, independent=False)


def _before(trials: Sequence[Trial], trial: Trial) -> list[Trial]:
    return [one for one in trials if one.began < trial.began and one.looks[0].valid]


def _rivals(trials: Sequence[Trial]) -> list[Line]:
    lines = []
    for name in RULES:
        if name in OF_A_HISTORY:
            lines.append(_rival(name, name, trials, beside=False))
        else:
            lines.append(_rival(name, f"{name}, base of the run before", trials, beside=False))
            lines.append(_rival(name, f"{name}, base beside it", trials, beside=True))
    return lines


def _rival(rule: str, name: str, trials: Sequence[Trial], *, beside: bool) -> Line:
    def says(trial: Trial) -> Said | None:
        before = _before(trials, trial)
        if not trial.looks[0].valid or not (before or beside):
            return None
        base = trial if beside else before[-1]
        seen = Seen(trial.times(CANDIDATE), base.times(BASE), [one.times(BASE) for one in before])
        accuses = RULES[rule](seen)
        return None if accuses is None else Said.ACCUSED if accuses else Said.QUIET

    return Line(name, says, _both_s if beside else _candidate_s, independent=beside)


def _candidate_s(trial: Trial) -> float:
    return trial.looks[0].candidate.window_s


def _both_s(trial: Trial) -> float:
    return trial.looks[0].candidate.window_s + trial.looks[0].base.window_s

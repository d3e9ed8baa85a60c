"""Counts how often each rule was right and wrong, and says what so many runs prove."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import expm1, log
from statistics import mean, stdev

from scipy.stats import chi2

from benchmarks.trust.conditions import CONDITIONS, SERVICES, THRESHOLDS, UNCHANGED
from benchmarks.trust.rivals import OF_A_HISTORY, RULES, Seen
from benchmarks.trust.trials import ENDPOINT, Trial
from entrypoint.judgement.model import Comparison, Status
from entrypoint.judgement.significance import exact_interval
from entrypoint.measurement.pairs import BASE, CANDIDATE

_OCCASIONS = 10
# Runs without which a spread says nothing.
_FEWEST = 5
_ACCUSED = {Status.REGRESSED, Status.OVER_LIMIT}
# One side of the exact interval, so that 0 of 299 proves at most 1 %.
_CONFIDENCE = 0.90
Rule = Callable[[Trial], bool | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One rule, in words, with what it says of a trial; None where it cannot judge it."""

    name: str
    rule: Rule


def tables(trials: list[Trial]) -> str:
    """Everything in Markdown: what was run, and a table for each service."""
    usable = [trial for trial in trials if not trial.problem]
    parts = [_overview(trials)]
    for service in SERVICES:
        own = [trial for trial in usable if trial.service == service]
        if own:
            parts += [f"### `{service}`", _truth(own), _of_service(own), _worth(own)]
    return "\n\n".join(parts)


def _overview(trials: list[Trial]) -> str:
    looks = sum(len(trial.looks) for trial in trials)
    load_h = sum(trial.load_s for trial in trials) / 3600
    hours = (trials[-1].began - trials[0].began) / 3600
    invalid = sum(trial.verdict == "invalid" for trial in trials)
    broken = sum(bool(trial.problem) for trial in trials)
    differ = sum(_differs(trial) for trial in trials if not trial.problem)
    return (
        f"{len(trials)} comparisons in {looks} looks over {hours:.1f} hours, {load_h:.2f} hours of measured load; "
        f"{invalid} ended as invalid, {broken} could not be made. Judged again from the samples, {differ} had a row with "
        "another status than at the time."
    )


def _differs(trial: Trial) -> bool:
    """Whether the raw samples do not give what the product said; an invalid run is not compared."""
    again = trial.judged(trial.condition.threshold)
    if again is None:
        return False
    return {(change.endpoint, change.metric, change.status.value) for change in again.changes} != trial.live


def _truth(trials: list[Trial]) -> str:
    """What was really planted: all pairs of all runs of a condition together, against no threshold."""
    lines = ["| Planted | Runs | p50 | p95 |", "| --- | --- | --- | --- |"]
    for condition in CONDITIONS:
        some = [trial for trial in trials if trial.condition is condition]
        if some:
            lines.append(
                f"| {condition.label} | {len(some)} | {_mean_change(some, 'p50')} | {_mean_change(some, 'p95')} |"
            )
    return "\n".join(lines)


def _mean_change(trials: list[Trial], metric: str) -> str:
    """The mean of the logarithms of candidate over base, each look by itself; a figure that failures reach has none."""
    pairs = [
        (look.candidate.endpoints[ENDPOINT].metrics[metric], look.base.endpoints[ENDPOINT].metrics[metric])
        for trial in trials
        for look in trial.looks
    ]
    logs = [log(ours / theirs) for ours, theirs in pairs if ours and theirs and ours < float("inf")]
    return f"{expm1(mean(logs)) * 100:+.1f} %" if logs else ""


def _worth(trials: list[Trial]) -> str:
    """How much less an unchanged figure varies between runs once the machine is taken out of it, by the best reference there is.

    The same service in turns with it. Standard deviations of logarithms over first looks, in percent, with 95 % of confidence.
    """
    unchanged = [trial.looks[0] for trial in trials if trial.condition is UNCHANGED and trial.looks[0].valid]
    if len(unchanged) < _FEWEST:
        return ""
    lines = [
        "| Spread between runs of | the figure alone | over the base's own | over the base's p50 |",
        "| --- | --- | --- | --- |",
    ]
    for metric in ("p50", "p95", "mean"):
        ours, theirs, p50 = (
            [log(side.endpoints[ENDPOINT].metrics[name] or 1.0) for side in sides]
            for sides, name in (
                ([look.candidate for look in unchanged], metric),
                ([look.base for look in unchanged], metric),
                ([look.base for look in unchanged], "p50"),
            )
        )
        spreads = (
            ours,
            [a - b for a, b in zip(ours, theirs, strict=True)],
            [a - b for a, b in zip(ours, p50, strict=True)],
        )
        lines.append(_row(metric, *map(_spread, spreads)))
    return "\n".join(lines)


def _spread(logs: list[float]) -> str:
    """Standard deviation, and the interval of the true one (chi-squared)."""
    df = len(logs) - 1
    low, high = (stdev(logs) * (df / chi2.ppf(p, df)) ** 0.5 for p in (0.975, 0.025))
    return f"{stdev(logs) * 100:.1f} % ({low * 100:.1f} to {high * 100:.1f})"


def _of_service(trials: list[Trial]) -> str:
    present = [condition for condition in CONDITIONS if any(trial.condition is condition for trial in trials)]
    heads = [f"{condition.label}{' accused' if condition is UNCHANGED else ' found'}" for condition in present]
    lines = [_row("Rule", *heads, "load a run"), _row(*("---",) * (len(heads) + 2))]
    for line in (*_own(), *_committed(trials), *_rivals(trials)):
        verdicts = [[line.rule(trial) for trial in trials if trial.condition is condition] for condition in present]
        cells = [
            _cell(found, accusing=condition is UNCHANGED) for condition, found in zip(present, verdicts, strict=True)
        ]
        lines.append(_row(line.name, *cells, _load(line, trials)))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(verdicts: Iterable[bool | None], *, accusing: bool) -> str:
    """k of n, and what it proves with 95 % confidence: at most so many false alarms, at least so many detections."""
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        return ""
    low, high = exact_interval(sum(known), len(known), _CONFIDENCE)
    bound = f"≤ {_percent(high)}" if accusing else f"≥ {_percent(low)}"
    return f"{sum(known)} of {len(known)} ({bound})"


def _percent(share: float) -> str:
    return f"{share * 100:.{0 if share >= 0.1 else 1}f} %"


def _load(line: Line, trials: list[Trial]) -> str:
    if line.name.startswith("side by side"):
        return f"{mean(trial.load_s for trial in trials):.0f} s"
    return f"{mean(trial.looks[0].candidate.window_s for trial in trials):.0f} s"


def _own() -> list[Line]:
    """Side by side. A condition is judged at its own threshold; no change at every one."""
    lines = [Line("side by side, half of what is planted: any row", _side_by_side(None, ""))]
    lines += [Line(f"side by side, half of what is planted: {row}", _side_by_side(None, row)) for row in ("p50", "p95")]
    lines += [
        Line(f"side by side, {threshold * 100:g} %: any row", _side_by_side(threshold, "")) for threshold in THRESHOLDS
    ]
    return lines


def _side_by_side(threshold: float | None, row: str) -> Rule:
    def rule(trial: Trial) -> bool | None:
        at = trial.condition.threshold if threshold is None else threshold
        if at < trial.condition.threshold:
            return None
        return _accuses(trial.judged(at), row)

    return rule


def _accuses(comparison: Comparison | None, row: str) -> bool:
    """Whether a row is accused; an invalid run accuses nobody."""
    changes = comparison.changes if comparison else ()
    return any(change.status in _ACCUSED and row in ("", change.metric) for change in changes)


def _committed(trials: list[Trial]) -> list[Line]:
    """The baseline: the bases of the ten other trials that are nearest in time, each an occasion of its own."""

    def rule_at(threshold: float, row: str) -> Rule:
        def rule(trial: Trial) -> bool | None:
            others = sorted((one for one in trials if one is not trial), key=lambda one: abs(one.began - trial.began))
            runs = [one.as_occasion() for one in others if one.looks[0].valid][:_OCCASIONS]
            if len(runs) < _OCCASIONS:
                return None
            return _accuses(trial.judged_by(runs, threshold), row)

        return rule

    rows = (("any row", ""), ("p50", "p50"), ("p95", "p95"))
    return [
        Line(f"committed, {_OCCASIONS} occasions, {threshold * 100:g} %: {label}", rule_at(threshold, row))
        for threshold in THRESHOLDS
        for label, row in rows
    ]


def _rivals(trials: list[Trial]) -> list[Line]:
    lines = []
    for name in RULES:
        if name in OF_A_HISTORY:
            lines.append(Line(name, _rival(name, trials, beside=False)))
        else:
            lines.append(Line(f"{name}, base of the run before", _rival(name, trials, beside=False)))
            lines.append(Line(f"{name}, base beside it", _rival(name, trials, beside=True)))
    return lines


def _rival(name: str, trials: list[Trial], *, beside: bool) -> Rule:
    def rule(trial: Trial) -> bool | None:
        before = [one for one in trials if one.began < trial.began]
        if not before and not beside:
            return None
        base = trial if beside else before[-1]
        return RULES[name](Seen(trial.times(CANDIDATE), base.times(BASE), [one.times(BASE) for one in before]))

    return rule

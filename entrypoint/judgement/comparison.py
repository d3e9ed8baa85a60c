"""Candidate against baseline, row by row. Pure."""

import math
from dataclasses import dataclass

from entrypoint.baseline.model import MOST_RUNS, Group
from entrypoint.judgement.model import Change, Comparison, Status
from entrypoint.judgement.significance import (
    ENOUGH_OCCASIONS,
    lower_rank,
    missing_variance,
    more_than_baseline,
    more_than_limit,
    noise_between_occasions,
    occasions_to_tell,
    predict,
    time_to_tell,
)
from entrypoint.judgement.thresholds import Rule, rule_for, rules_for, unmatched
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import EndpointMeasurement, Measurement
from entrypoint.settings.model import Threshold

ALL_ENDPOINTS = "(all endpoints)"
_FELL = 0.75


@dataclass(frozen=True, slots=True)
class _Row:
    """One row before it is judged."""

    endpoint: str
    rule: Rule
    found: EndpointMeasurement
    group: Group | None

    @property
    def value(self) -> float | None:
        return self.found.metrics.get(self.rule.metric.key)

    @property
    def occasions(self) -> list[list[float]]:
        return self.group.occasions(self.endpoint, self.rule.metric.key) if self.group else []

    @property
    def is_ratio(self) -> bool:
        """Whether it counts failures, which are judged by exact tests of counts."""
        return self.rule.metric.unit == "%"

    @property
    def gated(self) -> bool:
        """Whether it is one of the R rows that share the error rate."""
        if not self.rule.gate:
            return False
        if self.value is None:
            return self.raises_doubt
        limited = self.rule.limit_above is not None or self.rule.limit_below is not None
        return limited or bool(self.occasions) or (self.is_ratio and self.group is not None)

    @property
    def raises_doubt(self) -> bool:
        """Whether too few requests are themselves suspicious: a slow service answers fewer of a closed load's.

        An endpoint that is always near the minimum falls below it by chance; one that lost a quarter of its requests does not.
        """
        if self.rule.limit_asked:
            return True
        return (
            bool(self.occasions)
            and self.group is not None
            and (self.found.requests < _FELL * self.group.requests_a_run(self.endpoint))
        )


def compare(
    measurement: Measurement,
    group: Group | None,
    thresholds: list[Threshold],
    false_alarm_rate: float,
    against: str = "",
) -> Comparison:
    """Judge every endpoint and metric.

    Args:
        measurement: the candidate's.
        group: the baseline's runs for this machine, launcher and plan; None judges limits alone.
        thresholds: the user's, in the order of the file.
        false_alarm_rate: of the whole run; each of the R gated rows gets an R-th of it (Bonferroni).
        against: what the group is, in a sentence.
    """
    rows = [
        _Row(endpoint, rule, found, group)
        for endpoint, found in measurement.endpoints.items()
        for rule in rules_for(endpoint, thresholds)
    ] + _pooled(measurement, thresholds)
    count = sum(row.gated for row in rows)
    alpha = false_alarm_rate / max(1, count)
    changes = [_judge(row, alpha) for row in rows] + _missing(measurement, group, thresholds)
    return Comparison(
        changes=tuple(changes),
        rows=count,
        alpha=alpha,
        against=against,
        caveats=_caveats(group),
        quantiles={endpoint: group.quantiles(endpoint) for endpoint in measurement.endpoints} if group else {},
        unmatched=tuple(unmatched(thresholds, measurement.endpoints)),
    )


def _pooled(measurement: Measurement, thresholds: list[Threshold]) -> list[_Row]:
    """A row for the failures of all endpoints that share the general limit.

    Failures spread over many rare endpoints are too few in each of them to be told from chance, and are not in all together.
    """
    failures = METRICS["failures"]
    general = rule_for(ALL_ENDPOINTS, failures, [threshold for threshold in thresholds if threshold.endpoint == "*"])
    found = [
        part for endpoint, part in measurement.endpoints.items() if rule_for(endpoint, failures, thresholds) == general
    ]
    requests, failed = sum(part.requests for part in found), sum(part.failures for part in found)
    if len(found) < 2 or not requests:
        return []
    whole = EndpointMeasurement(
        requests=requests, failures=failed, outcomes={}, metrics={failures.key: failed / requests}, quantiles={}
    )
    return [_Row(ALL_ENDPOINTS, general, whole, None)]


def _caveats(group: Group | None) -> tuple[str, ...]:
    occasions = len({run.occasion for run in group.runs}) if group else ENOUGH_OCCASIONS
    if occasions >= ENOUGH_OCCASIONS:
        return ()
    plural = "occasion" if occasions == 1 else "occasions"
    return (
        f"The baseline was measured on {occasions} {plural}; below {ENOUGH_OCCASIONS} the noise between occasions is partly "
        "assumed, and wide, so that only a change far outside it is accused.",
    )


def _judge(row: _Row, alpha: float) -> Change:
    if row.value is None:
        return _judge_few(row, alpha)
    if row.is_ratio:
        return _judge_failures(row, alpha)
    if row.rule.gate and _beyond_limit(row.rule, row.value):
        return _against_baseline(row, alpha, forced=Status.OVER_LIMIT)
    return _against_baseline(row, alpha)


def _beyond_limit(rule: Rule, value: float) -> bool:
    above = rule.limit_above is not None and value > rule.limit_above
    return above or (rule.limit_below is not None and value < rule.limit_below)


def _judge_few(row: _Row, alpha: float) -> Change:
    """Too few requests for a percentile still bound it from below: what even the bound accuses is accused."""
    note = _too_few(row)
    if not row.rule.gate:
        return _change(row, Status.REPORTED, note=note)
    few, p = row.found.few, row.rule.metric.quantile
    rank = lower_rank(len(few), p, alpha) if few and p and row.raises_doubt else 0
    if rank:
        bound = few[rank - 1]
        judged = _against_baseline(
            _bounded(row, bound), alpha, Status.OVER_LIMIT if _beyond_limit(row.rule, bound) else None
        )
        if judged.status in (Status.OVER_LIMIT, Status.REGRESSED):
            return judged.model_copy(update={"note": f"at least; {note}"})
    requests, minimum = row.found.requests, row.rule.metric.minimum
    longer = minimum / requests if 0 < requests < minimum else None
    found = _change(row, Status.UNRESOLVED if row.raises_doubt else Status.TOO_FEW, note=note)
    return found.model_copy(update={"time_to_tell": longer})


def _bounded(row: _Row, bound: float) -> _Row:
    metrics = {**row.found.metrics, row.rule.metric.key: bound}
    return _Row(row.endpoint, row.rule, row.found.model_copy(update={"metrics": metrics}), row.group)


def _judge_failures(row: _Row, alpha: float) -> Change:
    """Failures are counts: an exact test against the limit first, then one against the baseline's."""
    failures, requests = row.found.failures, row.found.requests
    base_failures, base_requests = row.group.counts(row.endpoint) if row.group else (0, 0)
    baseline = base_failures / base_requests if base_requests else None
    limit = row.rule.limit_above
    note = f"{failures} of {requests} requests"
    if not row.rule.gate:
        return _change(row, Status.REPORTED, baseline=baseline, note=note)
    over = limit is not None and failures / requests > limit
    if over and limit is not None and more_than_limit(failures, requests, limit) <= alpha:
        return _change(row, Status.OVER_LIMIT, baseline=baseline, note=note)
    if baseline is not None and more_than_baseline(failures, requests, base_failures, base_requests) <= alpha:
        return _change(
            row, Status.REGRESSED, baseline=baseline, note=f"{note}, {base_failures} of {base_requests} before"
        )
    if over:
        longer = time_to_tell(failures, requests, limit, alpha) if limit is not None else None
        note += ": too few to tell whether that is over the limit"
        return _change(row, Status.UNRESOLVED, baseline=baseline, note=note).model_copy(update={"time_to_tell": longer})
    return _change(row, Status.WITHIN_LIMIT, baseline=baseline, note=note)


def _against_baseline(row: _Row, alpha: float, forced: Status | None = None) -> Change:
    """Log ratio to the mean of the baseline's occasions, held against the noise between them."""
    occasions, value = row.occasions, row.value
    logs = [sum(runs) / len(runs) for runs in occasions]
    assert value is not None
    if not logs or value <= 0 or row.rule.metric.prior_sd is None:
        return _change(row, forced or _without_baseline(row))
    noise = noise_between_occasions(logs, row.rule.metric.prior_sd)
    missing = missing_variance(occasions)
    prediction = predict(logs, noise, alpha, missing)
    estimate = math.log(value) - prediction.mean
    status = forced or (
        _status(row.rule, estimate, prediction.half, math.exp(prediction.mean)) if row.rule.gate else Status.REPORTED
    )
    more = None
    if status is Status.UNRESOLVED:
        worse = estimate * row.rule.metric.direction
        counts = range(max(ENOUGH_OCCASIONS, len(logs) + 1), MOST_RUNS + 1)
        more = occasions_to_tell(worse, row.rule.log_threshold, noise.sd, missing, alpha, counts)
    found = _change(
        row,
        status,
        baseline=math.exp(prediction.mean),
        change=_ratio(estimate),
        interval=(_ratio(estimate - prediction.half), _ratio(estimate + prediction.half)),
        resolution=_ratio(prediction.resolution),
    )
    return found.model_copy(update={"occasions_to_tell": more})


def _without_baseline(row: _Row) -> Status:
    if row.group is not None and row.rule.gate and row.rule.max_change is not None:
        return Status.NEW
    limited = row.rule.limit_above is not None or row.rule.limit_below is not None
    return Status.WITHIN_LIMIT if row.rule.gate and limited else Status.REPORTED


def _status(rule: Rule, estimate: float, half: float, baseline: float) -> Status:
    """design.md section 5, with everything turned so that positive is worse."""
    worse = estimate * rule.metric.direction
    threshold = rule.log_threshold
    if math.isinf(threshold):
        return Status.WITHIN_LIMIT
    beyond_floor = abs(baseline * math.exp(min(estimate, 700.0)) - baseline) > rule.floor
    if worse > threshold and beyond_floor and worse - half > 0:
        return Status.REGRESSED
    if -worse > threshold and beyond_floor and -worse - half > 0:
        return Status.IMPROVED
    worst = estimate + half * rule.metric.direction
    if worse + half < threshold or abs(baseline * math.exp(min(worst, 700.0)) - baseline) <= rule.floor:
        return Status.UNCHANGED
    return Status.UNRESOLVED


def _ratio(log: float) -> float:
    return math.expm1(min(log, 700.0)) if not math.isinf(log) else math.copysign(math.inf, log)


def _missing(measurement: Measurement, group: Group | None, thresholds: list[Threshold]) -> list[Change]:
    """Endpoints that the baseline knows and the candidate was never asked for: named, never passed silently.

    One that was too rare in the baseline to be judged may be absent by chance, so it raises no doubt.
    """
    if group is None:
        return []
    gone = [endpoint for endpoint in group.endpoints() if endpoint not in measurement.endpoints]
    return [
        _absent(endpoint, rule, judged=bool(group.occasions(endpoint, rule.metric.key)))
        for endpoint in gone
        for rule in rules_for(endpoint, thresholds)
        if rule.gate and rule.max_change is not None
    ]


def _absent(endpoint: str, rule: Rule, *, judged: bool) -> Change:
    return Change(
        endpoint=endpoint,
        metric=rule.metric.key,
        unit=rule.metric.unit,
        status=Status.MISSING if judged else Status.REPORTED,
        gated=judged,
        note="in the baseline, but never asked for",
    )


def _too_few(row: _Row) -> str:
    if row.found.requests < row.rule.metric.minimum:
        had = row.group.requests_a_run(row.endpoint) if row.group and row.raises_doubt else 0
        before = f"; the baseline had {had:.0f}" if had else ""
        return f"{row.found.requests} of the {row.rule.metric.minimum} requests it needs{before}"
    return "no request succeeded"


def _change(
    row: _Row,
    status: Status,
    *,
    baseline: float | None = None,
    change: float | None = None,
    interval: tuple[float, float] | None = None,
    resolution: float | None = None,
    note: str = "",
) -> Change:
    rule, metric = row.rule, row.rule.metric
    runs = row.group.runs if row.group else ()
    history = tuple(
        value
        for run in runs
        if row.endpoint in run.endpoints and (value := run.endpoints[row.endpoint].values.get(metric.key)) is not None
    )
    return Change(
        endpoint=row.endpoint,
        metric=metric.key,
        unit=metric.unit,
        baseline=baseline,
        candidate=row.value,
        change=change,
        interval=interval,
        threshold=rule.max_change,
        floor=rule.floor,
        limit=rule.limit_above if rule.limit_above is not None else rule.limit_below,
        resolution=resolution,
        status=status,
        gated=row.gated,
        history=history,
        note=note,
    )

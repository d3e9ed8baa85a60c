"""Candidate against baseline, row by row. Pure."""

import math
from dataclasses import dataclass, replace

from entrypoint.judgement.bounds import at_least
from entrypoint.judgement.model import Change, Comparison, Status
from entrypoint.judgement.reference import Against, Reference
from entrypoint.judgement.significance import lower_rank, more_than_baseline, more_than_limit, time_to_tell
from entrypoint.judgement.slopes import Slope
from entrypoint.judgement.soak import growth_of
from entrypoint.judgement.thresholds import Rule, rule_for, rules_for, unmatched
from entrypoint.judgement.wording import figure
from entrypoint.measurement.metrics import METRICS, SERVICE, Direction, Metric
from entrypoint.measurement.model import EndpointMeasurement, Measurement, Soak
from entrypoint.settings.model import Threshold

ALL_ENDPOINTS = "(all endpoints)"
_FELL = 0.75
# Beyond so many standard errors, who has the first turn matters more than chance explains.
_ORDER_Z = 3.0
# Being worse than fewer than ten says nothing worth a reader's time.
_FEWEST_TO_EXCEED = 10
# A share of fewer could have doubled without being seen.
_FEWEST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class _Row:
    """One row before it is judged."""

    endpoint: str
    rule: Rule
    found: EndpointMeasurement
    reference: Reference | None
    soak: Soak | None = None

    @property
    def value(self) -> float | None:
        return self.found.metrics.get(self.rule.metric.key)


def compare(
    measurement: Measurement,
    reference: Reference | None,
    thresholds: list[Threshold],
    false_alarm_rate: float,
    against: str = "",
) -> Comparison:
    """Judge every endpoint and metric.

    Args:
        measurement: the candidate's.
        reference: what it is held against; None judges limits alone.
        thresholds: the user's, in the order of the file.
        false_alarm_rate: of the whole run; each of the R gated rows gets an R-th of it (Bonferroni).
        against: what the reference is, in a sentence.
    """
    paired = reference is not None and reference.paired
    # After a search, endpoints were measured at a level that it chose: only what it found can be compared.
    of_endpoints = None if measurement.capacity else reference
    every = [
        _Row(endpoint, rule, found, reference if endpoint == SERVICE else of_endpoints, measurement.soak)
        for endpoint, found in {**measurement.endpoints, SERVICE: _of_service(measurement)}.items()
        for rule in rules_for(endpoint, thresholds, measurement.metrics, paired=paired)
    ]
    rows = [row for row in every if _exists(row)] + _pooled(measurement, thresholds)
    # What the load itself asked is counted, not estimated, and takes no part of the error rate.
    count = sum(_is_gated(row) and row.rule.metric.compared for row in rows)
    alpha = false_alarm_rate / max(1, count)
    changes = [_judge(row, alpha) for row in rows] + _missing(measurement, of_endpoints, thresholds)
    return Comparison(
        changes=at_least(changes, measurement.capacity),
        rows=count,
        alpha=alpha,
        against=against,
        caveats=reference.caveats if reference else (),
        quantiles={name: of_endpoints.quantiles(name) for name in measurement.endpoints} if of_endpoints else {},
        unmatched=tuple(unmatched(thresholds, [*measurement.endpoints, SERVICE])),
    )


def _judge_of(row: _Row) -> Reference | None:
    """The reference, if it can judge the row."""
    able = row.reference is not None and row.reference.judges(row.endpoint, row.rule.metric)
    return row.reference if able else None


def _has_base_share(row: _Row) -> bool:
    """Whether it is a share that the reference has too."""
    metric = row.rule.metric
    return row.reference is not None and metric.compared and row.reference.share(row.endpoint, metric)[1] > 0


def _exists(row: _Row) -> bool:
    """Whether there is anything to say: an optional figure that nobody measured has a row only if a threshold asks for it, or
    the settings chose it."""
    asked = row.rule.limit_asked or _has_base_share(row) or _is_asked_of_service(row)
    return row.rule.metric.chosen or not row.rule.metric.optional or row.value is not None or asked


def _is_asked_of_service(row: _Row) -> bool:
    """Whether a threshold has a figure of the service judged that is not judged by itself."""
    return row.endpoint == SERVICE and row.rule.gate and not row.rule.metric.gate


def _is_gated(row: _Row) -> bool:
    """Whether it is one of the R rows that share the error rate."""
    if not row.rule.gate:
        return False
    if row.value is None:
        return _raises_doubt(row)
    held = _is_limited(row.rule) or _judge_of(row) is not None or _has_base_share(row)
    return held or _without_baseline(row)[0] is Status.UNRESOLVED


def _is_limited(rule: Rule) -> bool:
    return rule.limit_above is not None or rule.limit_below is not None


def _is_limited_where_worse(rule: Rule) -> bool:
    lower = rule.metric.direction is Direction.LOWER_IS_BETTER
    return (rule.limit_above if lower else rule.limit_below) is not None


def _raises_doubt(row: _Row) -> bool:
    """Whether too few requests are themselves suspicious: a slow service answers fewer of a closed load's.

    An endpoint that is always near the minimum falls below it by chance; one that lost a quarter of its requests does not.
    """
    if row.rule.limit_asked or _has_base_share(row) or _is_asked_of_service(row):
        return True
    reference = _judge_of(row)
    return reference is not None and row.found.requests < _FELL * reference.requests_a_run(row.endpoint)


def _of_service(measurement: Measurement) -> EndpointMeasurement:
    """The service's own figures, in the form that every row is made of; it has no requests of its own."""
    return EndpointMeasurement(requests=0, failures=0, outcomes={}, metrics=dict(measurement.service), quantiles={})


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


def _judge(row: _Row, alpha: float) -> Change:
    if row.value is None:
        return _judge_few(row, alpha)
    if row.rule.metric.share is not None:
        return _judge_share(row, alpha)
    if growth := _growth(row, row.value, alpha):
        return _judge_growth(row, growth)
    if row.rule.gate and (_above_limit(row.rule, row.value) or _below_limit(row.rule, row.value)):
        return _against_baseline(row, alpha, forced=Status.OVER_LIMIT)
    return _against_baseline(row, alpha)


def _growth(row: _Row, value: float, alpha: float) -> Slope | None:
    """Of a figure of growth with a limit, where the true growth lies; each bound of it is wrong as often as alpha."""
    rule = row.rule
    if row.soak is None or not rule.gate or rule.limit_above is None or _below_limit(rule, value):
        return None
    return growth_of(row.soak, rule.metric.key, 1 - 2 * alpha)


def _judge_growth(row: _Row, growth: Slope) -> Change:
    """Growth is an estimate: it is over the limit if its whole interval is, within it if none of the interval is above."""
    limit, unit = row.rule.limit_above, row.rule.metric.unit
    low, high = figure(growth.low, unit), figure(growth.high, unit)
    assert limit is not None  # or there would be nothing to judge
    if growth.low > limit:
        return _change(row, Status.OVER_LIMIT, note=f"at least {low}")
    if growth.high <= limit:
        return _change(row, Status.WITHIN_LIMIT, note=f"at most {high}")
    between = f"{figure(growth.value, unit)}, between {low} and {high}"
    note = f"{between}; the limit of {figure(limit, unit)} lies in that, and a longer soak would tell"
    return _change(row, Status.UNRESOLVED, note=note)


def _above_limit(rule: Rule, value: float) -> bool:
    return rule.limit_above is not None and value > rule.limit_above


def _below_limit(rule: Rule, value: float) -> bool:
    return rule.limit_below is not None and value < rule.limit_below


def _limit_shown(row: _Row) -> float | None:
    """The limit that applies; of two the one that was left, else the upper one."""
    rule = row.rule
    under = row.value is not None and _below_limit(rule, row.value)
    return rule.limit_below if under or rule.limit_above is None else rule.limit_above


def _judge_few(row: _Row, alpha: float) -> Change:
    """Too few requests for a percentile still bound it from below: what even the bound accuses is accused."""
    note = _too_few(row)
    if not row.rule.gate:
        return _change(row, Status.REPORTED, note=note)
    few, p = row.found.few, row.rule.metric.quantile
    rank = lower_rank(len(few), p, alpha) if few and p and _raises_doubt(row) else 0
    if rank:
        bound = few[rank - 1]
        judged = _against_baseline(
            _bounded(row, bound), alpha, Status.OVER_LIMIT if _above_limit(row.rule, bound) else None
        )
        if judged.status in (Status.OVER_LIMIT, Status.REGRESSED):
            return judged.model_copy(update={"note": f"at least; {note}"})
    requests, minimum = row.found.requests, row.rule.metric.minimum
    longer = minimum / requests if 0 < requests < minimum else None
    found = _change(row, Status.UNRESOLVED if _raises_doubt(row) else Status.TOO_FEW, note=note)
    return found.model_copy(update={"time_to_tell": longer})


def _bounded(row: _Row, bound: float) -> _Row:
    metrics = {**row.found.metrics, row.rule.metric.key: bound}
    return _Row(row.endpoint, row.rule, row.found.model_copy(update={"metrics": metrics}), row.reference)


def _judge_share(row: _Row, alpha: float) -> Change:  # noqa: PLR0911 (one return for each status)
    """Shares are counts: an exact test against the limit first, then one against the baseline's."""
    metric = row.rule.metric
    worse, count = row.found.share(metric.key)
    before = row.reference.share(row.endpoint, metric) if row.reference and metric.compared else (0, 0)
    baseline = metric.ratio(*before) if before[1] else None
    allowed = _allowed_share(row.rule)
    note = f"{worse} of {count} {metric.counted}"
    if not row.rule.gate:
        return _change(row, Status.REPORTED, baseline=baseline, note=note)
    over = worse / count > allowed
    # What the load itself asked is no matter of chance.
    certain = not metric.compared and count >= _FEWEST_COUNTED
    if over and (certain or more_than_limit(worse, count, allowed) <= alpha):
        return _change(row, Status.OVER_LIMIT, baseline=baseline, note=note)
    if baseline is not None and more_than_baseline(worse, count, *before) <= alpha:
        return _change(row, Status.REGRESSED, baseline=baseline, note=f"{note}, {before[0]} of {before[1]} before")
    if over:
        longer = time_to_tell(worse, count, allowed, alpha)
        side = "over" if metric.direction is Direction.LOWER_IS_BETTER else "under"
        note += f": too few to tell whether that is {side} the limit"
        return _change(row, Status.UNRESOLVED, baseline=baseline, note=note).model_copy(update={"time_to_tell": longer})
    if _is_limited(row.rule) or baseline is None:
        status = Status.WITHIN_LIMIT if _is_limited(row.rule) else Status.REPORTED
        return _change(row, status, baseline=baseline, note=note)
    if min(count, before[1]) < _FEWEST_COUNTED:
        note += f": fewer than the {_FEWEST_COUNTED} on each side that tell anything"
        return _change(row, Status.TOO_FEW, baseline=baseline, note=note)
    return _change(row, Status.UNCHANGED, baseline=baseline, note=note)


def _allowed_share(rule: Rule) -> float:
    """How large the worse side of a ratio may be, 0 to 1; infinite without a limit."""
    if rule.metric.direction is Direction.LOWER_IS_BETTER:
        allowed = rule.limit_above
    else:
        allowed = None if rule.limit_below is None else round(1.0 - rule.limit_below, 12)
    return math.inf if allowed is None else allowed


def _against_baseline(row: _Row, alpha: float, forced: Status | None = None) -> Change:
    """The log ratio to the reference, held against the reference's noise."""
    metric, value = row.rule.metric, row.value
    assert value is not None
    found = row.reference.hold(row.endpoint, metric, value, alpha) if row.reference else None
    if row.reference is None or found is None:
        status, note = _without_baseline(row)
        return _change(row, forced or status, note=note)
    status = forced or (_status(row.rule, found) if row.rule.gate else Status.REPORTED)
    by_order = forced is None and row.rule.gate and _order_decides(row.rule, found)
    if by_order:
        status = Status.UNRESOLVED
    note = "who has the first turn matters more than chance explains" if by_order else _extreme(found, status)
    change = _change(row, status, found=found, note=note)
    if status is not Status.UNRESOLVED or by_order:
        return change
    worse = metric.direction * found.estimate
    return change.model_copy(
        update=row.reference.to_tell(row.endpoint, metric, worse, row.rule.log_threshold, alpha),
    )


def _extreme(found: Against, status: Status) -> str:
    """That a row which nobody accuses is worse than everything before: it needs no model of the noise, and decides nothing.

    One more of K + 1 runs that differ by luck alone is the highest with a probability of 1 / (K + 1), in each row by itself.
    """
    if status not in (Status.UNCHANGED, Status.UNRESOLVED) or found.beyond < _FEWEST_TO_EXCEED:
        return ""
    return f"worse than in all {found.beyond} runs before; of one row, chance does that 1 time in {found.beyond + 1}"


def _order_decides(rule: Rule, found: Against) -> bool:
    """Whether who has the first turn matters beyond chance, and so much that the row would be judged otherwise without it."""
    if found.order is None or abs(found.order_z) <= _ORDER_Z:
        return False
    either_first = (found.estimate + found.order, found.estimate - found.order)
    seen = _status(rule, found)
    return any(_status(rule, replace(found, estimate=estimate)) is not seen for estimate in either_first)


def _wanted(row: _Row) -> Reference | None:
    """What a row should have been held against."""
    return row.reference if row.rule.gate and row.rule.max_change is not None else None


def _no_ratio(row: _Row) -> tuple[Status, str] | None:
    """What becomes of a figure that the baseline has and that cannot be held against it, with a note; None of others.

    The candidate's or one of the baseline's is zero or less, so there is no ratio to tell by. The row is in doubt where the
    figure is worse than in every run by more than the floor, and no limit decides.
    """
    reference, rule, value = _wanted(row), row.rule, row.value
    before = reference.history(row.endpoint, rule.metric) if reference else ()
    if not before or value is None:
        return None
    unit, direction = rule.metric.unit, rule.metric.direction
    note = f"{figure(value, unit)} has no ratio to {figure(min(before), unit)} in the baseline"
    if _is_limited_where_worse(rule):
        return Status.WITHIN_LIMIT, note
    if min(direction * (value - one) for one in before) > rule.floor:
        return Status.UNRESOLVED, f"{note}; a limit would tell"
    return Status.REPORTED, note


def _interval(found: Against) -> tuple[float, float]:
    """As fractions. Where the estimate has no bound, what is not known of it has none either."""
    if math.isinf(found.estimate) and math.isinf(found.half):
        return (-1.0, math.inf)
    return _ratio(found.estimate - found.half), _ratio(found.estimate + found.half)


def _without_baseline(row: _Row) -> tuple[Status, str]:
    """What becomes of a figure that was held against nothing, with a note."""
    if found := _no_ratio(row):
        return found
    if reference := _wanted(row):
        lack = reference.lacks(row.endpoint, row.rule.metric)
        return Status.TOO_FEW if lack else Status.NEW, lack
    return Status.WITHIN_LIMIT if row.rule.gate and _is_limited(row.rule) else Status.REPORTED, ""


def _status(rule: Rule, found: Against) -> Status:
    """design.md section 5, with everything turned so that positive is worse."""
    estimate, half, baseline = found.estimate, found.half, found.baseline
    worse = rule.metric.direction * estimate
    threshold = rule.log_threshold
    if math.isinf(threshold):
        return Status.WITHIN_LIMIT
    if math.isinf(baseline):  # more requests failed than the percentile leaves out
        return Status.IMPROVED if -worse > threshold and -worse - half > 0 else Status.UNRESOLVED
    beyond_floor = abs(baseline * math.exp(min(estimate, 700.0)) - baseline) > rule.floor
    if worse > threshold and beyond_floor and worse - half > 0:
        return Status.REGRESSED
    if -worse > threshold and beyond_floor and -worse - half > 0:
        return Status.IMPROVED
    worst = estimate + rule.metric.direction * half
    if worse + half < threshold or abs(baseline * math.exp(min(worst, 700.0)) - baseline) <= rule.floor:
        return Status.UNCHANGED
    return Status.UNRESOLVED


def _ratio(log: float) -> float:
    return math.inf if log == math.inf else math.expm1(min(log, 700.0))


def _seen(log: float, metric: Metric) -> float:
    """A change towards worse with its sign; infinite where none would have been seen."""
    return math.inf if log == math.inf else _ratio(metric.direction * log)


def _missing(measurement: Measurement, reference: Reference | None, thresholds: list[Threshold]) -> list[Change]:
    """Endpoints that the baseline knows and the candidate was never asked for: named, never passed silently.

    One that was too rare in the baseline to be judged may be absent by chance, so it raises no doubt.
    """
    if reference is None:
        return []
    gone = [endpoint for endpoint in reference.endpoints() if endpoint not in measurement.endpoints]
    return [
        _absent(endpoint, rule, judged=reference.judges(endpoint, rule.metric))
        for endpoint in gone
        for rule in rules_for(endpoint, thresholds, paired=reference.paired)
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
    if row.rule.metric.optional:
        return row.rule.metric.optional
    if row.found.requests < row.rule.metric.minimum:
        had = row.reference.requests_a_run(row.endpoint) if row.reference and _raises_doubt(row) else 0
        before = f"; the baseline had {had:.0f}" if had else ""
        return f"{row.found.requests} of the {row.rule.metric.minimum} requests it needs{before}"
    return "no request succeeded"


def _change(
    row: _Row,
    status: Status,
    *,
    found: Against | None = None,
    baseline: float | None = None,
    note: str,
) -> Change:
    rule, metric = row.rule, row.rule.metric
    history = row.reference.history(row.endpoint, metric) if row.reference else ()
    return Change(
        endpoint=row.endpoint,
        metric=metric.key,
        unit=metric.unit,
        baseline=found.baseline if found else baseline,
        candidate=row.value,
        change=_ratio(found.estimate) if found else None,
        interval=_interval(found) if found else None,
        threshold=rule.max_change,
        floor=rule.floor,
        limit=_limit_shown(row),
        resolution=_seen(found.resolution, metric) if found else None,
        order_effect=_ratio(found.order) if found and found.order is not None else None,
        status=status,
        gated=_is_gated(row),
        history=history,
        note=note,
        higher_is_better=metric.direction is Direction.HIGHER_IS_BETTER,
    )

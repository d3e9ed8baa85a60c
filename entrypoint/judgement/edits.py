"""What a pull request did to the baseline that it is judged by, in words. Pure."""

import math
from collections.abc import Mapping

from entrypoint.baseline.model import Baseline, Fingerprint
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.thresholds import Rule, rules_for
from entrypoint.judgement.wording import figure, percent
from entrypoint.measurement.metrics import METRICS, SERVICE, Metric
from entrypoint.settings.model import Threshold

_SHOWN = 4
_LEAST = 0.001


def describe_edits(
    before: Baseline,
    after: Baseline,
    fingerprint: Fingerprint,
    thresholds: list[Threshold],
    known: Mapping[str, Metric] = METRICS,
) -> str:
    """A sentence with old and new figures, "" if nothing was changed that this run is judged by.

    Args:
        before, after: the base's file and the pull request's; empty where there is none.
        fingerprint: of this run.
        thresholds: the user's, which say what is judged.
        known: every metric that the run can have.
    """
    old, new = before.group(fingerprint), after.group(fingerprint)
    if old == new:
        return ""
    if new is None:
        return "This pull request removes the baseline for this machine and load, which the base branch has."
    if old is None:
        return "The baseline for this machine and load is new in this pull request; the base branch has none."
    changes = sorted(_changes(Committed(old), Committed(new), thresholds, known), key=lambda change: -abs(change[0]))
    if not changes:
        return (
            "This pull request changes the runs of the baseline that it is judged by, but the mean of no judged figure."
        )
    shown = "; ".join(text for _, text in changes[:_SHOWN])
    more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return f"This pull request changes the baseline that it is judged by: {shown}{more}."


def _changes(
    old: Committed, new: Committed, thresholds: list[Threshold], known: Mapping[str, Metric]
) -> list[tuple[float, str]]:
    """The log ratio of every judged figure that is another now, with what to say of it."""
    found = []
    for endpoint in [*sorted({*old.endpoints(), *new.endpoints()}), SERVICE]:
        for rule in rules_for(endpoint, thresholds, known):
            was, now = _value(old, endpoint, rule), _value(new, endpoint, rule)
            if was == now or (was and now and abs(math.log(now / was)) < _LEAST):
                continue
            size, how = (math.log(now / was), f" ({percent(now / was - 1)})") if was and now else (math.inf, "")
            words = " to ".join("none" if value is None else figure(value, rule.metric.unit) for value in (was, now))
            found.append((size, f"{rule.metric.label} of {endpoint} from {words}{how}"))
    return found


def _value(committed: Committed, endpoint: str, rule: Rule) -> float | None:
    """What a candidate is held against; None if it is not judged, or the baseline has none."""
    if not rule.gate:
        return None
    if rule.metric.share is not None:
        counts = committed.share(endpoint, rule.metric)
        return rule.metric.ratio(*counts) if counts[1] and rule.metric.compared else None
    return committed.value(endpoint, rule.metric) if rule.max_change is not None else None

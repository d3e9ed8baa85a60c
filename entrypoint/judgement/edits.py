"""What a pull request did to the baseline that it is judged by, in words. Pure."""

import math

from entrypoint.baseline.model import Baseline, Fingerprint
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.wording import figure, percent
from entrypoint.measurement.metrics import METRICS

_SHOWN = 4
_LEAST = 0.001


def describe_edits(before: Baseline | None, after: Baseline, fingerprint: Fingerprint) -> str:
    """A sentence with old and new figures, "" if nothing was changed that this run is judged by.

    Args:
        before: the base's file; None if it has none.
        after: the pull request's, by which it is judged.
        fingerprint: of this run.
    """
    new = after.group(fingerprint)
    old = before.group(fingerprint) if before else None
    if new is None or new == old:
        return ""
    if old is None:
        return "The baseline for this machine and load is new in this pull request; the base branch has none."
    changes = sorted(_changes(Committed(old), Committed(new)), key=lambda change: -abs(change[0]))
    shown = "; ".join(text for _, text in changes[:_SHOWN])
    more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    what = f": {shown}{more}" if shown else ", but no figure of it"
    return f"This pull request changes the baseline that it is judged by{what}."


def _changes(old: Committed, new: Committed) -> list[tuple[float, str]]:
    """The log ratio of every judged figure that is another now, with what to say of it."""
    found = []
    for endpoint in sorted({*old.endpoints(), *new.endpoints()}):
        for metric in (metric for metric in METRICS.values() if metric.gate and metric.unit != "%"):
            was, now = old.value(endpoint, metric), new.value(endpoint, metric)
            if was == now or (was and now and abs(math.log(now / was)) < _LEAST):
                continue
            size, how = (math.log(now / was), f" ({percent(now / was - 1)})") if was and now else (math.inf, "")
            words = " to ".join("none" if value is None else figure(value, metric.unit) for value in (was, now))
            found.append((size, f"{metric.label} of {endpoint} from {words}{how}"))
    return found

"""Figures and changes in words; the same words in verdict, report and console."""

import math
from collections.abc import Callable

from entrypoint.judgement.model import Change, Status
from entrypoint.measurement.metrics import SERVICE

# Units whose figures are not written by significant digits.
_WRITTEN: dict[str, Callable[[float], str]] = {
    "%": lambda ratio: f"{ratio * 100:.2f} %",
    "users": lambda count: f"{count:,.0f} user{'' if count == 1 else 's'}",
}


def figure(value: float | None, unit: str) -> str:
    """A value with its unit, three significant digits or more; never rounded to two."""
    if value is None or math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "not met" if value == math.inf else "-∞"
    if unit in _WRITTEN:
        return _WRITTEN[unit](value)
    if unit == "ms" and abs(value) >= 10_000:
        return f"{value / 1000:.1f} s"
    if abs(value) >= 1000:
        return _with_unit(f"{value:,.0f}", unit)
    # A plain number may be small: what it is of chose its unit, and not we.
    digits = min(3 if unit else 6, max(0, 2 - math.floor(math.log10(abs(value))))) if value else 3
    return _with_unit(f"{value:.{digits}f}", unit)


def _with_unit(number: str, unit: str) -> str:
    return f"{number}{unit.removeprefix('1')}" if unit.startswith("1/") else f"{number} {unit}".strip()


def percent(ratio: float | None) -> str:
    """A change with its sign: +12 %, ×25 where percent would be hard to read."""
    if ratio is None or math.isnan(ratio):
        return "n/a"
    if math.isinf(ratio):
        return "without bound"
    if ratio >= 9:
        return f"×{ratio + 1:,.0f}"
    return f"{ratio * 100:+.1f} %" if abs(ratio) < 0.1 else f"{ratio * 100:+.0f} %"


def interval(change: Change) -> str:
    """The interval that decided: `-2.1 to +8.0 %`."""
    if not change.interval:
        return ""
    low, high = map(percent, change.interval)
    return f"{low.removesuffix(' %') if high.endswith(' %') else low} to {high}"


def spread(change: Change) -> str:
    """The same around the change: `± 6 %` where both sides are that wide to a percent, the wider one named."""
    low, high = change.interval or (math.nan, math.nan)
    middle = change.change if change.change is not None else math.nan
    sides = (100 * (middle - low), 100 * (high - middle))
    if not all(map(math.isfinite, sides)) or middle >= 9 or abs(round(sides[0]) - round(sides[1])) > 1:
        return interval(change)
    wider = max(sides)
    return f"± {wider:.1f} %" if wider < 2 else f"± {wider:.0f} %"


def after(seconds: float) -> str:
    """A moment of a long run: `after 48 s`, `after 23 min`, `after 3 h 12 min`, `from the beginning on`."""
    return "from the beginning on" if seconds < 1 else f"after {lasting(seconds)}"


def lasting(seconds: float) -> str:
    """How long something took that may take long: `48 s`, `23 min`, `3 h 12 min`."""
    minutes = int(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def silent(after_s: float) -> str:
    """That no request succeeded from a moment on; without a full stop."""
    return (
        f"No request succeeded any more {after(after_s)}, until the end"
        if after_s >= 1
        else "No request succeeded at all"
    )


def sentence(change: Change) -> str:  # noqa: PLR0911 (one for each kind of row)
    """A row as a tired person wants to read it."""
    what = f"{change.label} of {'the service' if change.endpoint == SERVICE else change.endpoint}"
    was, now = figure(change.baseline, change.unit), figure(change.candidate, change.unit)
    match change.status:
        case Status.OVER_LIMIT:
            side = "under" if (change.candidate or 0.0) < (change.limit or 0.0) else "over"
            return f"{what} is {now}, {side} the limit of {figure(change.limit, change.unit)}{_because(change)}."
        case Status.REGRESSED if change.unit == "%":
            return f"{what} {_moved(change)} from {was} to {now}{_because(change)}."
        case Status.REGRESSED if change.candidate == math.inf:
            return f"{what} was {was} and is now not met: more requests failed than it leaves out."
        case Status.REGRESSED | Status.IMPROVED:
            return f"{what} {_moved(change)} from {was} to {now} ({percent(change.change)}, {spread(change)})."
        case Status.UNRESOLVED if change.interval:
            seen = f"this run could only have seen a change of {percent(change.resolution)}"
            return f"{what} went from {was} to {now} ({percent(change.change)}, {interval(change)}); {seen}{_because(change)}."
        case Status.MISSING | Status.UNRESOLVED | Status.TOO_FEW | Status.NEW:
            return f"{what}: {change.note or change.status.value}."
    return f"{what} is {now}."


def _moved(change: Change) -> str:
    return "rose" if (change.candidate or 0.0) > (change.baseline or 0.0) else "fell"


def _because(change: Change) -> str:
    return f" ({change.note})" if change.note else ""

"""Intervals of changes as geometry, all on one axis. Knows nothing of HTML."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from entrypoint.judgement.model import Change
from entrypoint.judgement.wording import percent
from entrypoint.report.axis import Tick, px

_WIDTH = 220.0
_WIDEST = math.log(4)  # a change beyond -75 % or +300 % ends in an arrow
_NARROWEST = math.log(1.2)
_TICKS = (-0.75, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
_TICK_GAP = 36.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The axis that all drawn intervals share, in logarithms of candidate over baseline."""

    low: float
    high: float

    def x(self, ratio: float) -> float:
        """Where a relative change lies; beyond the ends, at the end."""
        log = math.log1p(max(ratio, -0.999999)) if math.isfinite(ratio) else math.copysign(math.inf, ratio)
        inside = min(max(log, self.low), self.high)
        return 6 + (inside - self.low) / (self.high - self.low) * (_WIDTH - 12)

    def holds(self, ratio: float) -> bool:
        """Whether a change lies on the axis."""
        return math.isfinite(ratio) and self.low <= math.log1p(max(ratio, -0.999999)) <= self.high

    def ticks(self) -> tuple[Tick, ...]:
        """Round changes on the axis, zero always, none too close to the one before."""
        kept = [0.0]
        for ratio in sorted(_TICKS, key=abs):
            if self.holds(ratio) and all(abs(self.x(ratio) - self.x(other)) >= _TICK_GAP for other in kept):
                kept.append(ratio)
        return tuple(
            Tick(at=px(self.x(ratio)), label=f"{ratio * 100:+.0f} %" if ratio else "0") for ratio in sorted(kept)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A drawn interval: a line from `left` to `right`, a dot, and the zone beyond the threshold.

    Attributes:
        zone_x, zone_width: where a change is worse than allowed; "" without a threshold.
        less, more: whether the line goes on beyond the axis.
        words: the drawing for those who do not see it.
    """

    zero: str
    left: str
    right: str
    dot: str
    zone_x: str
    zone_width: str
    less: bool
    more: bool
    words: str


def make_scale(changes: Iterable[Change]) -> Scale:
    """An axis on which all these changes and thresholds can be seen, as far as that is sensible."""
    low, high = -_NARROWEST, _NARROWEST
    for change in changes:
        if change.interval is None or change.change is None:
            continue
        for ratio in (*change.interval, change.change, *_thresholds(change)):
            if math.isfinite(ratio):
                log = math.log1p(max(ratio, -0.999999)) * 1.08
                low, high = min(low, log), max(high, log)
    return Scale(low=max(low, -_WIDEST), high=min(high, _WIDEST))


def draw_interval(change: Change, scale: Scale) -> Interval | None:
    """The row's interval on the common axis; None where the row has none."""
    if change.interval is None or change.change is None:
        return None
    low, high = change.interval
    found = (
        f"{percent(change.change)}, between {percent(low)} and {percent(high)}"
        if math.isfinite(change.change)
        else "not met"
    )
    threshold = next(iter(_thresholds(change)), None)
    zone = _zone(threshold, scale) if threshold is not None else ("", "")
    allowed = f"; allowed {percent(threshold)}" if threshold is not None else ""
    return Interval(
        zero=px(scale.x(0.0)),
        left=px(scale.x(low)),
        right=px(scale.x(high)),
        dot=px(scale.x(change.change)),
        zone_x=zone[0],
        zone_width=zone[1],
        less=not scale.holds(low) and low < 0,
        more=not scale.holds(high) and high > 0,
        words=f"{found}{allowed}",
    )


def _thresholds(change: Change) -> tuple[float, ...]:
    if change.threshold is None or not change.gated:
        return ()
    return (change.threshold * change.direction,)


def _zone(threshold: float, scale: Scale) -> tuple[str, str]:
    edge = scale.x(threshold)
    return (px(edge), px(_WIDTH - edge)) if threshold > 0 else ("0", px(edge))

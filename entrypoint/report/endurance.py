"""What a report says of a soak: growth as a table, broken limits and silence in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from entrypoint.judgement.wording import after, figure, lasting, percent, silent
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import MOST_STRETCHES, Broken, Growth, Measurement, Silence, Soak
from entrypoint.report.neutral import Neutral, glue

# Limits that are told of; the rest are counted.
_MOST_LIMITS = 3
_HOUR_S = 3600.0
# From fewer stretches than that share of them, growth is told with their number.
_MOST_OF = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One line of the table of growth.

    Attributes:
        what: response time or memory of the service as a whole.
        level: in the median stretch; "" where the line has none.
        change, interval: in an hour, or in 1,000 requests.
        result: in words.
    """

    what: str
    level: str
    change: str
    interval: str
    result: str


def growth(measurement: Measurement | None, neutral: Neutral) -> list[Grown]:
    """How fast response times and memory grew; nothing where nobody asked."""
    soak = measurement.soak if measurement else None
    if measurement is None or soak is None:
        return []
    # Of a result from elsewhere, where a stretch may be next to nothing long.
    stretches = round(min(MOST_STRETCHES, measurement.window_s / soak.stretch_s)) if soak.stretch_s else 0
    lines = [line for one in soak.growth for line in _lines(one, soak, stretches)]
    return [
        Grown(
            what=neutral.cell_prose(line.what),
            level=neutral.cell_prose(line.level),
            change=neutral.cell_prose(line.change),
            interval=neutral.cell_prose(line.interval),
            result=neutral.cell_prose(line.result),
        )
        for line in lines
    ]


def _lines(growth: Growth, soak: Soak, stretches: int) -> Iterator[Grown]:
    # An hour is the unit and no forecast: a short soak may have fallen at a pace that no response time keeps up for so long.
    ratio = growth.per_hour / growth.level if growth.unit == "ms" and growth.level else -1.0
    yield Grown(
        what=f"{growth.of}, in an hour",
        level=figure(growth.level, growth.unit),
        change=f"{_signed(growth.per_hour, growth.unit)}{f' ({percent(ratio)})' if ratio > -1 else ''}",
        interval=_between(growth.low, growth.high, growth.unit),
        result=_result(growth, stretches),
    )
    if growth.of == "memory" and soak.rate:
        each = 1000 / (_HOUR_S * soak.rate)
        yield Grown(
            what="memory, in 1,000 requests",
            level="",
            change=_signed(growth.per_hour * each, growth.unit),
            interval=_between(growth.low * each, growth.high * each, growth.unit),
            result="",
        )


def _result(growth: Growth, stretches: int) -> str:
    """Where nothing is certain, how much may be hidden; and what part of the soak it is said of."""
    if growth.word != "steady":
        said = growth.word + (", more slowly in the second half" if growth.slowed and growth.word == "grew" else "")
    elif growth.high <= 0:
        said = "no growth"
    else:
        # A trifle may be certain.
        none = "no growth to speak of" if growth.low > 0 else "no certain growth"
        said = f"{none}; at most {_signed(growth.high, growth.unit)}"
    known = len(growth.points)
    return said if known >= _MOST_OF * stretches else f"{said} (in {known} of {stretches} stretches)"


def _signed(value: float, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{figure(value, unit)}"


def _between(low: float, high: float, unit: str) -> str:
    return f"{_signed(low, unit).removesuffix(f' {unit}')} to {_signed(high, unit)}"


def course(soak: Soak, neutral: Neutral) -> str:
    """When which limit was first broken, and whether the service stopped answering."""
    said = [_broken(one, soak, neutral) for one in soak.broken[:_MOST_LIMITS]]
    more = len(soak.broken) - len(said)
    if more > 0:
        said.append(neutral.prose(f"{more} more limit{'s were' if more > 1 else ' was'} broken later."))
    if said:
        said.append(neutral.prose("Limits are judged by the whole window."))
    said += [neutral.prose(text) for text in (*_unbroken(soak), *_unknown(soak), _silence(soak.silence))]
    return neutral.prose(" ").join(said)


def _unbroken(soak: Soak) -> Iterator[str]:
    """That no limit was broken, as far as a stretch can tell."""
    if not soak.limits:
        yield "No percentile and no share of failures has a limit, which a stretch could break."
        return
    if not soak.broken and soak.unseen < soak.limits:
        yield f"No stretch of {_stretch(soak)} broke a limit by more than chance explains."
    if soak.unseen:
        which = f"{soak.unseen} of the {soak.limits} limits" if soak.limits > 1 else "the limit"
        yield f"For {which}, stretches of {_stretch(soak)} have too few requests to tell."


def _unknown(soak: Soak) -> Iterator[str]:
    """Of what growth is not known, and why."""
    known = {one.of for one in soak.growth}
    times = [name for name in ("p50", "p95") if name not in known]
    if times:
        yield f"Growth of {' and '.join(times)} is not known: too few stretches have enough successes."
    if "memory" not in known:
        yield "Growth of memory is not known: it was not read often enough."


def _broken(broken: Broken, soak: Soak, neutral: Neutral) -> str:
    known = METRICS.get(broken.metric)
    label, unit = (known.label, known.unit) if known else (broken.metric, "")
    label = label if label.startswith("p") else label[:1].upper() + label[1:]
    rest = (
        f" was first over its limit of {figure(broken.limit, unit)} {after(broken.after_s)}, and in {broken.times} of the "
        f"{broken.stretches} stretches of {_stretch(soak)} from there on."
    )
    return glue(neutral.prose(f"{label} of ") + neutral.name(broken.endpoint), neutral.prose(rest))


def _stretch(soak: Soak) -> str:
    return f"{soak.stretch_s:.3g} s"


def _silence(silence: Silence | None) -> str:
    """Of successes and not of answers: a service that answers each request with an error is no better."""
    if silence is None:
        return "The service never stopped answering."
    if silence.seconds is not None:
        return f"It stopped answering {after(silence.after_s)}: no request succeeded for {lasting(silence.seconds)}."
    return f"{silent(silence.after_s)}."

"""The last word of a run, put together from what every process did. Pure."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from ml_loadtest.contract import Closing, Failure, Span, Step
from ml_loadtest.station import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the one who led the run knows of it; see `Closing`."""

    steps: tuple[Step, ...]
    spans: tuple[Span, ...]
    warm: bool
    origin_unix_s: float
    users_planned: int
    locust_count: int
    locust_sum_ms: float
    shape: str
    versions: dict[str, str]


def closing(done: Done, parts: list[Part], problem: str, fault: str) -> Closing:
    """The closing record.

    Args:
        done: the leader's part.
        parts: every process's own.
        problem: why the plan was not carried out to its end; "" if it was.
        fault: what the service did that kept it from being carried out; "" if it did not.
    """
    return Closing(
        complete=not problem and not fault,
        problem=problem or _mistakes(parts),
        fault=fault,
        started=sum(part.started for part in parts),
        recorded=sum(part.recorded for part in parts),
        unfinished=sum(part.unfinished for part in parts),
        unreported=sum(part.unreported for part in parts),
        response_sum_ms=sum(part.response_sum_ms for part in parts),
        locust_count=done.locust_count,
        locust_sum_ms=done.locust_sum_ms,
        steps=done.steps,
        spans=_with_tickets(done.spans, parts),
        origin_unix_s=done.origin_unix_s,
        warm=done.warm,
        users_planned=done.users_planned,
        users_started=sum(part.users_started for part in parts),
        users_left=sum(part.users_left for part in parts),
        shape=done.shape,
        failures=_merged(parts),
        versions=done.versions,
    )


def _mistakes(parts: list[Part]) -> str:
    """What the locustfile did wrong by itself, "" if nothing."""
    count = sum(part.mistakes for part in parts)
    if not count:
        return ""
    first = next(part.error for part in parts if part.mistakes)
    times = "once" if count == 1 else f"{count} times"
    return (
        f"the locustfile raised {times} where no request was to blame, first with {first}; mend it, for what it raises "
        "there says nothing about the service"
    )


def _with_tickets(spans: tuple[Span, ...], parts: list[Part]) -> tuple[Span, ...]:
    issued: Counter[tuple[int, int]] = Counter()
    fell_due: Counter[tuple[int, int]] = Counter()
    thought_s: dict[tuple[int, int], float] = defaultdict(float)
    for segment, target, count, due, seconds in (entry for part in parts for entry in part.tickets):
        issued[segment, target] += count
        fell_due[segment, target] += due
        thought_s[segment, target] += seconds
    return tuple(
        replace(span, tickets=issued[key], due=fell_due[key], thought_s=thought_s.get(key, 0.0))
        for span in spans
        for key in [(span.segment, span.target)]
    )


def _merged(parts: list[Part]) -> tuple[Failure, ...]:
    """The kinds of failure of all processes, the most frequent first."""
    kinds: dict[tuple[str, str, int, str], Failure] = {}
    for failure in (Failure(**values) for part in parts for values in part.failures):
        key = (failure.method, failure.name, failure.outcome, failure.exception)
        seen = kinds.get(key)
        kinds[key] = replace(seen, count=seen.count + failure.count) if seen else failure
    return tuple(sorted(kinds.values(), key=lambda failure: -failure.count))

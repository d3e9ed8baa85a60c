"""Results for the HTML page's own tests: consistent from the figures to the last percentile, with all that it can draw."""

import math

from entrypoint.report.result import Result, Stretch, Usage
from tests.report.results import ENDPOINTS, endpoint, failing_service, many_endpoints, measurement, regression, rows


def slower() -> Result:
    """A regression whose percentiles and seconds show it too."""
    found = {name: endpoint(p50) for name, p50 in ENDPOINTS.items()}
    ladder = {
        p: ms * 58.0 / 41.2 * (1.12 if float(p) > 0.9 else 1.0) for p, ms in found["GET /predict"].quantiles.items()
    }
    found["GET /predict"] = found["GET /predict"].model_copy(update={"quantiles": ladder})
    return regression().model_copy(update={"measurement": measurement(found)})


def side_by_side(segment_s: float = 3.0, seconds: int = 60) -> Result:
    """The same with two targets that take turns, the base's own percentiles, and what the services used."""
    result = slower()
    turns = ("candidate", "base", "base", "candidate")
    stretches = [Stretch(begin_s=-10.0, end_s=0.0, target="", kind="warm-up")]
    for number in range(int(seconds / segment_s)):
        begin = number * segment_s
        target = turns[number % 4]
        stretches += [
            Stretch(begin_s=begin, end_s=begin + 0.5, target=target, kind="lead-in"),
            Stretch(begin_s=begin + 0.5, end_s=begin + segment_s, target=target, kind="measured"),
        ]
    usage = tuple(
        Usage(
            target=target,
            service="api",
            samples=tuple(
                (float(s), 0.9 * size + 0.1 * math.sin(s), 310 * size + s / 4 if s != 7 else None)
                for s in range(-10, seconds)
            ),
        )
        for target, size in (("candidate", 1.4), ("base", 1.0))
    )
    before = {name: endpoint(p50).quantiles for name, p50 in ENDPOINTS.items()}
    return result.model_copy(update={"stretches": tuple(stretches), "usage": usage, "baseline_quantiles": before})


def failing() -> Result:
    """A service that fails for a while, with what it wrote."""
    result = failing_service()
    assert result.measurement is not None
    lines = []
    for second, requests, _, p50, p95 in result.measurement.timeline:
        failed = 11.0 if 30 <= (second or 0) < 41 else 0.0
        quiet = second in (33, 34)
        lines.append((second, 0.0 if quiet else requests, 0.0 if quiet else failed, None if quiet else p50,
                      None if quiet else math.inf if failed else p95))  # fmt: skip
    log = "\n".join(
        [
            'api-1  | INFO:     127.0.0.1:51234 - "POST /recommend HTTP/1.1" 200 OK',
            "api-1  | ERROR:    Exception in ASGI application",
            "api-1  | IndexError: index 10 is out of bounds for axis 0 with size 10",
            "api-1  | Killed",
            "api-1 exited with code 137",
        ]
    )
    course = result.measurement.model_copy(update={"timeline": tuple(lines)})
    return result.model_copy(update={"measurement": course, "log": log})


def ten_minutes(endpoints: int = 50) -> Result:
    """Ten minutes on many endpoints, two targets and three services: about as large as a page gets."""
    result = many_endpoints(endpoints)
    long = side_by_side(1.5, 600)
    assert result.measurement is not None
    names = [f"GET /v1/models/{number:03}/predict" for number in range(endpoints)]
    before = {name: endpoint(20.0 + number).quantiles for number, name in enumerate(names)}
    course = measurement(result.measurement.endpoints, seconds=600)
    usage = tuple(one.model_copy(update={"service": name}) for one in long.usage for name in ("api", "worker", "redis"))
    return result.model_copy(
        update={
            "measurement": course.model_copy(update={"window_s": 600.0}),
            "stretches": long.stretches,
            "usage": usage,
            "baseline_quantiles": before,
        }
    )


def quiet_endpoint() -> Result:
    """An endpoint with so few requests that only its slowest says anything beyond the median."""
    rare = endpoint(20.0, 12)
    result = slower()
    assert result.measurement is not None
    found = {**result.measurement.endpoints, "GET /rare": rare}
    changes = (*result.changes, *rows("GET /rare", 20.0, requests=12))
    return result.model_copy(update={"measurement": measurement(found), "changes": changes})


PAGES = {
    "slower": slower,
    "side-by-side": side_by_side,
    "failing": failing,
    "ten-minutes": ten_minutes,
    "quiet-endpoint": quiet_endpoint,
}

"""Realistic results, one for each thing that a report must say well."""

import math
from collections.abc import Iterable, Sequence

from entrypoint.judgement.model import Change, Outcome, Reason, Status
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import (
    Broken,
    Capacity,
    Check,
    EndpointMeasurement,
    FailureKind,
    Growth,
    Measurement,
    Silence,
    Soak,
    Stage,
)
from entrypoint.report.result import Compared, Environment, Look, Result, ServiceLog, Usage

AGAINST = "8 runs on 6 occasions, the newest of commit 1f0c2aa of 2026-11-18 (3 days ago)"
MACHINE = "AMD EPYC 7763 64-Core Processor, 4 cores, 512 KB [3fa9c1]"
ENDPOINTS = {"GET /health": 2.1, "GET /predict": 41.2, "POST /recommend": 63.7}
# Percentiles over the median, as a small model service shows them.
_SHAPE = {"p90": 1.32, "p95": 1.47, "p99": 2.05, "mean": 1.08, "p50-ok": 1.0, "p95-ok": 1.47}


def change(endpoint: str, metric: str, status: Status, now: float | None, **more: object) -> Change:
    """A row with the metric's own thresholds; `before` and `half` (of the interval's logarithm) make the comparison."""
    known = METRICS[metric]
    before, half = more.pop("before", None), more.pop("half", 0.12)
    values: dict[str, object] = {
        "unit": known.unit,
        "threshold": known.max_change,
        "floor": known.floor,
        "limit": known.limit,
        "gated": known.gate and status not in (Status.REPORTED, Status.TOO_FEW),
    }
    if isinstance(before, float):
        values["baseline"] = before
        values["history"] = tuple(
            before * (1 + wobble) for wobble in (0.01, -0.02, 0.03, 0.0, -0.01, 0.02, 0.04, -0.01)
        )
    if isinstance(before, float) and now is not None and known.unit != "%":
        log = math.log(now / before) if math.isfinite(now) else math.inf
        values["change"] = math.expm1(log) if math.isfinite(log) else math.inf
        values["interval"] = (_ratio(log - half), _ratio(log + half))
        values["resolution"] = math.expm1(known.direction * half * 1.6)
    return Change(endpoint=endpoint, metric=metric, candidate=now, status=status, **(values | more))


def _ratio(log: float) -> float:
    return math.expm1(log) if math.isfinite(log) else math.inf


def rows(endpoint: str, p50: float, *, requests: int = 1204, compared: bool = True) -> list[Change]:
    """All rows of an endpoint whose figures are about what they were."""
    made = []
    for key, metric in ((key, metric) for key, metric in METRICS.items() if not metric.optional):
        drift = 1 + 0.02 * math.sin(7 * p50 + len(key))
        if key == "failures":
            before = {"before": 0.0004} if compared else {}
            made.append(change(endpoint, key, Status.WITHIN_LIMIT, 0.0, note=f"0 of {requests} requests", **before))
        elif key == "rate":
            made.append(
                change(endpoint, key, Status.REPORTED, requests / 60 * drift, **_before(requests / 60, compared))
            )
        else:
            value = p50 * _SHAPE.get(key, 1.0)
            quiet = Status.UNCHANGED if metric.gate and compared else Status.REPORTED
            made.append(change(endpoint, key, quiet, value * drift, **_before(value, compared)))
    return made


def _before(value: float, compared: bool) -> dict[str, object]:
    return {"before": value, "half": 0.12} if compared else {}


def replaced(changes: Iterable[Change], *new: Change) -> tuple[Change, ...]:
    """The rows, some of them exchanged."""
    by_key = {(row.endpoint, row.metric): row for row in new}
    return tuple(by_key.get((row.endpoint, row.metric), row) for row in changes)


def endpoint(
    p50: float, requests: int = 1204, outcomes: dict[str, int] | None = None, tail: float = 1.0
) -> EndpointMeasurement:
    """One endpoint; `tail` stretches all from p95 on."""
    outcomes = outcomes or {"ok": requests}
    failures = sum(count for outcome, count in outcomes.items() if outcome not in ("ok", "expected rejection"))
    bad = failures / requests
    ladder = {"0.05": 0.8, "0.1": 0.84, "0.25": 0.92, "0.5": 1.0, "0.75": 1.15, "0.9": 1.32, "0.95": 1.47, "0.99": 2.05}
    ladder |= {"0.999": 3.4, "1": 4.2}
    times = {p: p50 * shape * (tail if float(p) >= 0.95 else 1.0) for p, shape in ladder.items()}
    quantiles = {p: ms if float(p) <= 1 - bad else math.inf for p, ms in times.items()}
    metrics = {"p50": quantiles["0.5"], "p95": quantiles["0.95"], "failures": bad}
    return EndpointMeasurement(
        requests=requests, failures=failures, outcomes=outcomes, metrics=metrics, quantiles=quantiles
    )


def quiet_endpoints() -> dict[str, EndpointMeasurement]:
    return {name: endpoint(p50) for name, p50 in ENDPOINTS.items()}


QUANTILES = {name: found.quantiles for name, found in quiet_endpoints().items()}
CHECKS = (
    Check(name="complete", value=1, limit=1, unit="", ok=True, text="The plan was carried out to its end."),
    Check(
        name="lost-records", value=0, limit=0, unit="requests", ok=True,
        text="3700 requests began, 3700 are accounted for, 3700 are on disk.",
    ),
    Check(
        name="generator-cpu", value=0.41, limit=0.9, unit="cores", ok=True,
        text="In its busiest 5 s the load generator used 41% of a core.",
    ),
    Check(name="steal", value=0.012, limit=0.1, unit="", ok=True, text="The hypervisor took 1.2% of the machine's time."),
)  # fmt: skip


def measurement(
    endpoints: dict[str, EndpointMeasurement] | None = None,
    failures: Sequence[FailureKind] = (),
    checks: Sequence[Check] = CHECKS,
    seconds: int = 60,
) -> Measurement:
    endpoints = quiet_endpoints() if endpoints is None else endpoints
    started = sum(found.requests for found in endpoints.values()) + 88
    failing = sum(kind.count for kind in failures) / 60
    return Measurement(
        endpoints=endpoints,
        window_s=60.0,
        started=started,
        recorded=started,
        unfinished=0,
        warm=True,
        model="closed",
        plan="b4c1d2e3f405",
        plan_text="closed load, 20 users at 20/s, 60 s measured",
        checks=tuple(checks),
        failures=tuple(failures),
        timeline=tuple(_second(second, failing) for second in range(seconds)),
    )


def _second(second: int, failing: float) -> tuple[float | None, ...]:
    wobble = 1 + 0.15 * math.sin(second * 1.7) + 0.05 * math.sin(second * 4.1)
    tail = 2.4 if second in (22, 23) else 1.5 + 0.2 * math.sin(second * 2.3)
    return (float(second), round(60 * wobble), round(failing * wobble), 41.2 * wobble, 41.2 * wobble * tail)


USED = tuple((float(s), 0.9 + 0.2 * math.sin(s), 310 + s / 4 if s != 7 else None) for s in range(-10, 60))
ENVIRONMENT = Environment(
    machine=MACHINE,
    launcher="compose",
    occasion="9182736455-1-loadtest",
    image="ubuntu24 20261110.2",
    commit="7be0d41c9a8f6e5d4c3b2a190817263544f3e2d1",
    head="c0ffee1234567890abcdef1234567890abcdef12",
    date="2026-11-21",
    run_url="https://github.com/example/recommender/actions/runs/9182736455",
    versions={"locust": "2.44.1", "python": "3.11.9"},
    service={"launcher": "compose", "image of api": "sha256:5b1d7e0f9c21"},
)
TIMING = {
    "build": 31.2,
    "ready": 4.1,
    "warm-up": 10.0,
    "measured": 60.0,
    "teardown": 1.9,
    "total": 109.4,
    "overhead": 4.1,
}


def result(verdict: Outcome, changes: Sequence[Change] = (), reasons: Sequence[Reason] = (), **more: object) -> Result:
    gated = sum(row.gated for row in changes)
    values: dict[str, object] = {
        "tool_version": "0.1.0",
        "suite": "recommender",
        "exit_code": {Outcome.REGRESSION: 1, Outcome.LIMIT_EXCEEDED: 1, Outcome.INVALID: 3}.get(verdict, 0),
        "compared": Compared(
            with_="committed",
            against=AGAINST,
            rows=gated,
            alpha=0.01 / max(1, gated),
            oldest="90ab12c of 2026-09-02",
        ),
        "baseline_quantiles": QUANTILES,
        "measurement": measurement(),
        "looks": (Look(look=1, measured_s=60, unresolved=0),),
        "environment": ENVIRONMENT,
        "timing": TIMING,
        "reproduce": "ml-loadtest run --config loadtest.yml",
    }
    return Result(verdict=verdict, changes=tuple(changes), reasons=tuple(reasons), **(values | more))


def reasons_of(changes: Iterable[Change], *statuses: Status) -> list[Reason]:
    found = [row for row in changes if row.status in statuses]
    return [Reason(code=row.status.value, text=sentence(row)) for row in found]


def all_quiet() -> tuple[Change, ...]:
    return tuple(row for name, p50 in ENDPOINTS.items() for row in rows(name, p50))


def passed() -> Result:
    text = "None of 9 judged figures changed beyond its threshold."
    return result(Outcome.PASS, all_quiet(), [Reason(code="unchanged", text=text)])


def regression() -> Result:
    worse = change("GET /predict", "p95", Status.REGRESSED, 95.4, before=60.6, half=0.06)
    also = change("GET /predict", "p50", Status.REGRESSED, 58.0, before=41.2, half=0.04)
    changes = replaced(all_quiet(), also, worse)
    found = measurement(quiet_endpoints() | {"GET /predict": endpoint(58.0, tail=95.4 / 58.0 / 1.47)})
    return result(Outcome.REGRESSION, changes, reasons_of([worse, also], Status.REGRESSED), measurement=found)


def improvement() -> Result:
    better = change("POST /recommend", "p50", Status.IMPROVED, 44.1, before=63.7, half=0.05)
    found = measurement(quiet_endpoints() | {"POST /recommend": endpoint(44.1, tail=63.7 / 44.1)})
    changes = replaced(all_quiet(), better)
    return result(Outcome.IMPROVEMENT, changes, reasons_of([better], Status.IMPROVED), measurement=found)


def inconclusive() -> Result:
    unsure = change("GET /predict", "p95", Status.UNRESOLVED, 72.8, before=60.6, half=0.55, occasions_to_tell=9)
    gone = change(
        "DELETE /cart",
        "p50",
        Status.MISSING,
        None,
        note="the baseline has this endpoint, the candidate was never asked for it",
    )
    found = measurement(quiet_endpoints() | {"GET /predict": endpoint(41.8, tail=72.8 / 41.8 / 1.47)})
    changes = (*replaced(all_quiet(), unsure), gone)
    caveat = (
        "The baseline was measured on 2 occasions; below 5 the noise between occasions is partly assumed, and wide, so that "
        "only a change far outside it is accused."
    )
    against = "3 runs on 2 occasions, the newest of commit 1f0c2aa of 2026-11-20 (1 day ago)"
    compared = Compared(
        with_="committed", against=against, rows=9, alpha=0.0011, caveats=(caveat,), oldest="1f0c2aa of 2026-11-19",
    )  # fmt: skip
    return result(
        Outcome.INCONCLUSIVE, changes, reasons_of([unsure, gone], Status.UNRESOLVED, Status.MISSING), compared=compared,
        measurement=found,
    )  # fmt: skip


def not_ready() -> Result:
    what = "The service `api` was not ready after 60 s: the last answer to GET / was HTTP 503."
    return result(
        Outcome.INVALID,
        reasons=[Reason(code="service-not-ready", text=what)],
        measurement=None,
        looks=(),
        timing={"build": 31.2, "ready": 60.0, "teardown": 1.9, "total": 93.6},
        compared=Compared(with_="committed"),
        problem=f"{what}\nIt started, but something it needs may be missing; its log is below.\n"
        "Raise `ready.timeout`, or name in `ready.path` an address that answers 200 once the model is loaded.",
        log="api-1  | INFO:     Waiting for application startup.\napi-1  | Traceback (most recent call last):\n"
        '\x1b[31mapi-1  |   File "/app/app.py", line 12, in load\x1b[0m\n'
        "api-1  | FileNotFoundError: models/als.npz ```` @octocat <!-- ml-loadtest:v1 key=0 -->\n",
    )


def generator_at_fault() -> Result:
    busy = Check(
        name="generator-cpu", value=0.97, limit=0.9, unit="cores", ok=False,
        text="In its busiest 5 s the load generator used 97% of a core.",
    )  # fmt: skip
    reasons = [Reason(code=busy.name, text=busy.text)]
    return result(Outcome.INVALID, all_quiet(), reasons, measurement=measurement(checks=(*CHECKS[:2], busy, CHECKS[3])))


def no_baseline() -> Result:
    changes = [row for name, p50 in ENDPOINTS.items() for row in rows(name, p50, compared=False)]
    reasons = [Reason(code="no-baseline", text="There is no baseline yet, so nothing could be compared.")]
    compared = Compared(with_="committed", rows=3, alpha=0.0033)
    return result(Outcome.NO_BASELINE, changes, reasons, compared=compared, baseline_quantiles={})


def many_endpoints(count: int = 60) -> Result:
    names = {f"GET /v1/models/{number:03}/predict": 20.0 + number for number in range(count)}
    changes = [row for name, p50 in names.items() for row in rows(name, p50)]
    slower = [
        change(name, "p50", Status.REGRESSED, p50 * (1.6 + 0.02 * number), before=p50, half=0.05)
        for number, (name, p50) in enumerate(list(names.items())[:11])
    ]
    changes = replaced(changes, *slower)
    found = measurement({name: endpoint(p50, 180) for name, p50 in names.items()})
    ordered = sorted(slower, key=lambda row: -(row.change or 0))
    return result(Outcome.REGRESSION, changes, reasons_of(ordered, Status.REGRESSED), measurement=found)


def failing_service() -> Result:
    outcomes = {"ok": 1083, "server error": 96, "timeout": 25}
    over = change(
        "POST /recommend", "failures", Status.OVER_LIMIT, 121 / 1204, before=0.0004, note="121 of 1204 requests"
    )
    late = change("POST /recommend", "p95", Status.REGRESSED, math.inf, before=93.6)
    last = change("POST /recommend", "p99", Status.REPORTED, math.inf, before=130.6)
    changes = replaced(all_quiet(), over, late, last)
    failures = [
        FailureKind(
            endpoint="POST /recommend", outcome="server error", exception="HTTPError", count=96,
            message="500 Internal Server Error: {\"detail\": \"index 10 is out of bounds | axis 0\"}",
        ),
        FailureKind(
            endpoint="POST /recommend", outcome="timeout", exception="ReadTimeout", count=25,
            message="no answer within 10 s, token=***",
        ),
    ]  # fmt: skip
    endpoints = quiet_endpoints() | {"POST /recommend": endpoint(63.7, 1204, outcomes)}
    killed = Reason(
        code="service-restarted", text="Service `api` was restarted 2 times during the run, last with exit code 137."
    )
    reasons = [*reasons_of([over], Status.OVER_LIMIT), killed, *reasons_of([late], Status.REGRESSED)]
    used = (Usage(target="", service="api", samples=USED),)
    return result(Outcome.LIMIT_EXCEEDED, changes, reasons, measurement=measurement(endpoints, failures), usage=used)


HOSTILE = (
    "GET /a|b||c",
    "GET /`code` ``` and ~~~",
    "GET /@octocat/#12 and octo/repo#7 GH-3",
    "POST /x<img src=x onerror=alert(1)></details><script>alert(2)</script>",
    "PUT /line\nbreak\r\n\n# heading\n| forged | row |",
    "GET /<!-- ml-loadtest:v1 key=0123456789abcdef -->",
    "GET /\u202egnp.exe\u200b\x00\x1b[31m",
    "GET /$\\sqrt{x}$ [link](https://evil.example) ![i](https://evil.example/i.png)",
    "GET /" + "long" * 60,
    "GET /trailing\\",
)


def hostile(names: Sequence[str] = HOSTILE) -> Result:
    """Names, messages, facts and logs as an enemy would choose them."""
    text = " ".join(names)
    changes = [row for number, name in enumerate(names) for row in rows(name, 40.0 + number)]
    slower = [change(name, "p50", Status.REGRESSED, 80.0, before=40.0, half=0.05) for name in names]
    changes = replaced(changes, *slower)
    failures = [
        FailureKind(endpoint=name, outcome="server error", exception=name, message=name, count=1 + number)
        for number, name in enumerate(names)
    ]
    environment = ENVIRONMENT.model_copy(
        update={"machine": text, "service": dict.fromkeys(names, text), "run_url": f"javascript:{text}", "head": text}
    )
    return result(
        Outcome.REGRESSION,
        changes,
        [*reasons_of(slower, Status.REGRESSED), Reason(code="note", text=text)],
        suite=text,
        measurement=measurement({name: endpoint(40.0) for name in names}, failures),
        environment=environment,
        compared=Compared(with_="committed", against=text, rows=len(names), alpha=0.001, caveats=(text,)),
        problem=text,
        log="\n".join(names),
        reproduce=f"ml-loadtest run --config '{text}'",
        usage=tuple(Usage(target=name, service=name, samples=USED[:3]) for name in names),
        logs=tuple(ServiceLog(target=name, service=name, lines="\n".join(names)) for name in names),
    )


def matrix() -> Result:
    """One of several jobs on one pull request; what its name holds tells it apart from the others."""
    worse = change("POST /recommend", "p50", Status.REGRESSED, 92.1, before=63.7, half=0.06)
    changes = replaced(all_quiet(), worse)
    return result(
        Outcome.REGRESSION,
        changes,
        reasons_of([worse], Status.REGRESSED),
        suite="loadtest (3.12, large)",
        usage=(Usage(target="", service="api", samples=USED),),
        reproduce="ml-loadtest run --config loadtest.yml --suite 'loadtest (3.12, large)'",
        measurement=measurement(quiet_endpoints() | {"POST /recommend": endpoint(92.1, tail=63.7 / 92.1)}),
    )


# (requests a second, answered, p50, p95, why it did not hold) in the order of the search.
LEVELS = (
    (40.0, 40.2, 5.1, 9.8, ""),
    (80.0, 79.4, 5.3, 11.2, ""),
    (160.0, 158.8, 7.9, 31.0, ""),
    (320.0, 171.0, 4210.0, 7930.0, "p95 of GET /fish k=1 is 7,871 ms, over the limit of 250 ms."),
    (240.0, 168.3, 2480.0, 4915.0, "p95 of GET /fish k=1 is 4,870 ms, over the limit of 250 ms."),
    (200.0, 169.9, 655.0, 1402.0, "p95 of GET /fish k=5 is 1,398 ms, over the limit of 250 ms."),
    (180.0, 169.4, 182.0, 611.0, "p95 of GET /fish k=1 is 608 ms, over the limit of 250 ms."),
    (170.0, 168.9, 13.4, 122.0, ""),
    (175.0, 170.1, 88.0, 371.0, "p95 of GET /fish k=1 is 364 ms, over the limit of 250 ms."),
    (170.0, 169.2, 12.8, 117.0, ""),
    (175.0, 170.4, 93.0, 402.0, "p95 of GET /fish k=25 is 398 ms, over the limit of 250 ms."),
)


SEARCH = (
    "open load, 40 requests/s and more (poisson, 200 users at most): search for the highest that holds every limit, "
    "20 s at each level"
)


def capacity() -> Result:
    """A search for the highest rate, of a service that takes less than it did."""
    stages = tuple(
        Stage(
            label=f"{load:g} requests/s", load=load, start_s=25.0 * number, end_s=25.0 * number + 20, requests=int(20 * load),
            failures=0, rate=rate, p50_ms=p50, p95_ms=p95, overloaded=load > 220, broken=broken,
        )
        for number, (load, rate, p50, p95, broken) in enumerate(LEVELS)
    )  # fmt: skip
    found = Capacity(
        metric="capacity-rate", passed=170.0, failed=175.0, settled=True, rate=169.2, knee=160.0, wanted_rate=500.0,
        ran_out="Its own CPU limit held `ml-1` back in 71 % of the time, at 0.30 cores.", begin_s=225.0, end_s=245.0,
    )  # fmt: skip
    less = change("(service)", "capacity-rate", Status.REGRESSED, 170.0, before=290.0, half=0.15)
    times = [
        change("GET /fish k=1", "p50", Status.REPORTED, 12.8),
        change("GET /fish k=1", "p95", Status.WITHIN_LIMIT, 117.0, limit=250.0),
        change("GET /fish k=1", "failures", Status.WITHIN_LIMIT, 0.0, note="0 of 680 requests"),
    ]
    open_load = measurement({"GET /fish k=1": endpoint(12.8, requests=680)}).model_copy(
        update={
            "stages": stages,
            "capacity": found,
            "model": "open",
            "plan_text": SEARCH,
            "window_s": 20.0,
            "service": {found.metric: 170.0},
        }
    )
    return result(
        Outcome.REGRESSION,
        [less, *times],
        reasons_of([less], Status.REGRESSED),
        suite="fish",
        measurement=open_load,
        usage=(Usage(target="", service="ml-1", samples=USED),),
    )


SOAK_S, SOAK_STRETCH_S = 3600.0, 60.0


def points(begin: float, grown: float) -> tuple[tuple[float, float], ...]:
    """An hour of minutes, each beside a straight line by a little."""
    return tuple((60.0 * n + 30, begin + grown * n / 59 + 0.3 * math.sin(5.0 * n)) for n in range(60))


def soak() -> Result:
    """An hour of a service that remembers every request and searches through all that it remembers, until it hangs."""
    grown = (
        Growth(
            of="p50", unit="ms", level=26.1, per_hour=10.2, low=9.87, high=10.6, points=points(21.0, 10.2), word="grew"
        ),
        Growth(
            of="p95", unit="ms", level=61.4, per_hour=1.3, low=-2.04, high=4.71, points=points(61.0, 1.3), word="steady"
        ),
        Growth(
            of="memory",
            unit="MiB",
            level=103.0,
            per_hour=48.1,
            low=47.2,
            high=49.3,
            points=points(79.0, 48.1),
            word="grew",
        ),
    )
    found = Soak(
        stretch_s=SOAK_STRETCH_S, rate=32.0, limits=6, growth=grown, silence=Silence(after_s=3391.4, seconds=None),
        broken=(Broken(endpoint="POST /recommend", metric="p95", limit=100.0, after_s=1380.0, times=35, stretches=37),),
    )  # fmt: skip
    over = change(
        "(service)", "response-growth", Status.OVER_LIMIT, 0.39, limit=0.05, note="at least 36.10 %", gated=True
    )
    doubt = change("(service)", "memory-growth", Status.REPORTED, 0.418, limit=None, gated=False)
    measured = measurement().model_copy(
        update={
            "soak": found,
            "window_s": SOAK_S,
            "plan_text": "closed load, 20 users at 20/s, 3600 s measured",
            "service": {"response-growth": 0.39, "memory-growth": 0.418},
        }
    )
    silent = Reason(code="service-silent", text="No request succeeded any more after 56 min, until the end.")
    return result(
        Outcome.LIMIT_EXCEEDED,
        [over, doubt, *rows("POST /recommend", 63.7, compared=False)],
        (silent, *reasons_of([over], Status.OVER_LIMIT)),
        measurement=measured,
    )


CASES = {
    "capacity": capacity,
    "soak": soak,
    "pass": passed,
    "regression": regression,
    "improvement": improvement,
    "inconclusive": inconclusive,
    "invalid": not_ready,
    "generator-at-fault": generator_at_fault,
    "no-baseline": no_baseline,
    "many-endpoints": many_endpoints,
    "failing-service": failing_service,
    "hostile-names": hostile,
    "matrix": matrix,
}

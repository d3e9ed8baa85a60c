"""Small builders for measurements and baselines."""

from entrypoint.baseline.model import EndpointValues, Fingerprint, Group, Run
from entrypoint.measurement.model import EndpointMeasurement, Measurement

FINGERPRINT = Fingerprint(machine="m", launcher="compose", plan="p")


def measurement(requests=1000, failures=0, **metrics):
    """One endpoint `GET /` with these metrics; p50=4.0 and so on."""
    values = {"p50": 10.0, "p95": 20.0, "rate": 100.0, "failures": failures / requests if requests else None, **metrics}
    found = EndpointMeasurement(
        requests=requests,
        failures=failures,
        outcomes={},
        metrics={key.replace("_", "-"): v for key, v in values.items()},
        quantiles={},
    )
    return several({"GET /": found})


def several(endpoints):
    """A measurement of these endpoints."""
    return Measurement(
        endpoints=endpoints, window_s=10, started=1, recorded=1, unfinished=0, warm=True, model="closed", plan="p", plan_text="t",
        checks=(), failures=(),
    )  # fmt: skip


def group(*runs, requests=1000, failures=0, endpoint="GET /"):
    """A baseline whose runs, each on an occasion of its own, have these metrics."""

    def run(number, values):
        found = EndpointValues(requests=requests, failures=failures, values={"p50": 10.0, "p95": 20.0, **values})
        return Run(occasion=str(number), commit="", date="2026-01-01", endpoints={endpoint: found})

    return Group(fingerprint=FINGERPRINT, runs=tuple(run(number, values) for number, values in enumerate(runs)))

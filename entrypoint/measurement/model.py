"""What one run gave: the values that pass on to baseline, judgement and report, and into `result.json`."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value. Infinite numbers are written as text, for JSON has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Check(Value):
    """One question about instrument and machine, never about the service.

    Attributes:
        name: kebab-case, as `loadtest.yml` may name it.
        value, limit: what was found and what is tolerated, in `unit`.
        ok: whether the measurement may be believed in this respect.
        text: the answer in a sentence.
    """

    name: str
    value: float
    limit: float
    unit: str
    ok: bool
    text: str


class FailureKind(Value):
    """Failed requests of one kind, over the whole run, with the first one's message; untrusted text, secrets removed."""

    endpoint: str
    outcome: str
    exception: str
    message: str
    count: int


class EndpointMeasurement(Value):
    """One endpoint in the measured window.

    Attributes:
        requests: how many were due in the window, whatever became of them.
        failures: how many of them failed or stayed unfinished.
        outcomes: requests by outcome.
        metrics: value by metric, in the metric's unit; None where there are too few requests to print it.
        quantiles: response times in ms at the ladder of probabilities, for drawing; failures are infinite.
        few: all response times in ascending order where there are too few for p95, failures infinite; else empty.
    """

    requests: int
    failures: int
    outcomes: dict[str, int]
    metrics: dict[str, float | None]
    quantiles: dict[str, float]
    few: tuple[float, ...] = ()


class Measurement(Value):
    """One run.

    Attributes:
        endpoints: by Locust's method and name.
        window_s: length of the measured window.
        started, recorded, unfinished: requests of the whole run, warm-up included; started = recorded + unfinished.
        warm: whether response times were flat when the window began.
        model: `closed` or `open`.
        plan: fingerprint of load and locustfile.
        plan_text: the load in a few words.
        timeline: for each second of the window, [second, requests, failures, p50, p95]; None without requests.
    """

    endpoints: dict[str, EndpointMeasurement]
    window_s: float
    started: int
    recorded: int
    unfinished: int
    warm: bool
    model: str
    plan: str
    plan_text: str
    checks: tuple[Check, ...]
    failures: tuple[FailureKind, ...]
    timeline: tuple[tuple[float | None, ...], ...] = ()
    versions: dict[str, str] = {}

    @property
    def valid(self) -> bool:
        """Whether instrument and machine did their part."""
        return all(check.ok for check in self.checks)

"""What one run gave: the values that pass on to baseline, judgement and report, and into `result.json`."""

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from entrypoint.measurement.metrics import METRICS, Direction, Metric, chosen

# As a key of JSON: 0.05, 0.999, 1.
Probability = Annotated[str, StringConstraints(pattern=r"^(0(\.\d{1,9})?|1(\.0)?)$")]

# Of a soak's window; its slopes are those between all pairs of them.
MOST_STRETCHES = 60
# What a run can have had: seconds, milliseconds, MiB, or successes in a second. A result may come from elsewhere, and is printed.
Amount = Annotated[float, Field(ge=0, le=1e10)]


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
        shares: of the other ratios, how many samples are on the worse side, and of how many.
        quantiles: response times in ms at the ladder of probabilities, for drawing; failures are infinite.
        few: all response times in ascending order where there are too few for p95, failures infinite; else empty.
    """

    requests: int
    failures: int
    outcomes: dict[str, int]
    metrics: dict[str, float | None]
    quantiles: dict[Probability, float]
    few: tuple[float, ...] = ()
    shares: dict[str, tuple[int, int]] = {}

    def share(self, metric: str) -> tuple[int, int]:
        """Counts of a ratio's worse side and of all; none of one that was not measured."""
        return (self.failures, self.requests) if metric == "failures" else self.shares.get(metric, (0, 0))


# Between an endpoint's name and the stage that its row is of.
AT_STAGE = " @ "


class Stage(Value):
    """One level of load of several.

    Attributes:
        label: the level in words, as in the names of its endpoints' rows.
        load: users, or requests per second.
        start_s, end_s: seconds since the load began.
        rate: requests per second that did not fail.
        p50_ms, p95_ms: of all its requests, failures infinite; None without requests.
        recovery_s: after a fall of the load, how long response times stayed above what they were before at such a load;
            infinite if they still did at the end, None where nothing fell.
        outlasting: requests from before that had no answer in all of it.
        overloaded: whether it ended early, since requests in flight and response times grew and grew.
        ok: whether the generator could drive it. A stage that it could not has no rows, nor have those that follow, unless each
            was held by itself.
        text: why not.
        broken: of a search, the limit that it broke, in a sentence; "" if it broke none.
        undecided: of a search, why it cannot be told whether it held, in a sentence.
    """

    label: str
    load: float
    start_s: float
    end_s: float
    requests: int
    failures: int
    rate: float
    p50_ms: float | None
    p95_ms: float | None
    recovery_s: float | None = None
    outlasting: int = 0
    overloaded: bool = False
    ok: bool = True
    text: str = ""
    broken: str = ""
    undecided: str = ""


class Capacity(Value):
    """What a search for the highest load that holds every limit found.

    Attributes:
        metric: `capacity-users` or `capacity-rate`, and so what the levels are of.
        passed: the highest level that held; 0 if none did.
        failed: the lowest level that did not; None if none was found.
        settled: whether the two are close and both were held more than once. Else the capacity is `passed` at least.
        by_generator: whether it was the generator that could not go on.
        none: whether not even the lowest load there is held: one user, or a request in ten seconds.
        rate: requests per second that did not fail, at the highest level that held.
        knee: the level at which rate by p50 is highest; None of fewer than three levels.
        wanted_rate: requests per second for which the report says how many such services are needed.
        ran_out: what the service had no more of at the lowest level that did not hold, in a sentence; "" where it is not known.
        begin_s, end_s: the hold that the figures of this run are of, in seconds since the first measured moment.
    """

    metric: str
    passed: float
    failed: float | None
    settled: bool
    by_generator: bool = False
    none: bool = False
    rate: float = 0.0
    knee: float | None = None
    wanted_rate: float | None = None
    ran_out: str = ""
    begin_s: float
    end_s: float


class Growth(Value):
    """How fast something grew in a soak.

    Attributes:
        of: `p50` or `p95` of the service as a whole, or its `memory`.
        unit: of it.
        level: the median of its stretches, in the unit.
        per_hour: the median of the slopes between all stretches.
        low, high: where the true growth in an hour lies, with 95 % probability.
        points: (second of the window, value) of each stretch that counts.
        word: `grew` or `fell` where the whole interval says so and it is no trifle, else `steady`.
        slowed: whether it grew more slowly in the second half than in the first, by intervals that do not meet.
    """

    of: Literal["p50", "p95", "memory"]
    unit: Literal["ms", "MiB"]
    level: Amount
    per_hour: float
    low: float
    high: float
    points: Annotated[tuple[tuple[Amount, float], ...], Field(max_length=MOST_STRETCHES)]
    word: Literal["grew", "fell", "steady"]
    slowed: bool = False

    @field_validator("points")
    @classmethod
    def _one_after_the_other(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        """A result may come from elsewhere, and what stands still in time has no slope."""
        if any(after[0] <= before[0] for before, after in pairwise(value)):
            raise ValueError("stretches do not follow each other")
        if not all(math.isfinite(found) for _, found in value):
            raise ValueError("a stretch without a figure")
        return value


class Broken(Value):
    """The first stretch of a soak in which a limit was broken by more than chance explains.

    Attributes:
        after_s: when it began, in seconds since the window did.
        times, stretches: in how many of the stretches from there on it was broken, and how many those are.
        limit: in the metric's unit.
    """

    endpoint: str
    metric: str
    limit: float
    after_s: Amount
    times: int
    stretches: int


class Silence(Value):
    """How long no request succeeded, though some were asked.

    Attributes:
        after_s: since when a request waited in vain, in seconds since the window began: since the last success, or the first
            one that was asked after it.
        seconds: how long it was; None if it lasted until the end.
    """

    after_s: Amount
    seconds: Amount | None


class Soak(Value):
    """What long constant load showed.

    Attributes:
        stretch_s: length of a stretch, of which all is told.
        rate: successes in a second, over the whole window.
        growth: of response times and memory, as far as it is known.
        broken: every limit that was broken, the first one first.
        limits: how many of the limits, each endpoint's for itself, were asked of every stretch.
        unseen: of how many of those no stretch has so many requests that it could be seen to break the limit.
        silence: the first time that the service stopped answering; None if it did not.
    """

    stretch_s: Amount
    rate: Amount
    growth: tuple[Growth, ...]
    broken: tuple[Broken, ...] = ()
    limits: int = 0
    unseen: int = 0
    silence: Silence | None = None

    @property
    def failed_s(self) -> float | None:
        """When a limit was first broken or the service first stopped answering, in seconds since the window began."""
        moments = [one.after_s for one in self.broken] + ([self.silence.after_s] if self.silence else [])
        return min(moments, default=None)


class Chosen(Value):
    """A figure of the service that the settings chose from its Prometheus page.

    Attributes:
        key: its name; its value is among the service's figures.
        unit: of the value; "" for a plain number.
        better: which way is better.
        missing: why it has no value, in words; "" if it has one.
        made_of: its series, by what it is divided, in what it counts, which way is better and where it is read.
    """

    key: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
    unit: Literal["", "ms", "MiB", "1/s"] = ""
    better: Literal["lower", "higher"] = "lower"
    missing: str = ""
    made_of: str = ""

    @property
    def metric(self) -> Metric:
        """As one of the metrics."""
        return chosen(self.key, self.unit, Direction.better(self.better), self.missing, self.made_of)


class Attached(Value):
    """Numbers that a locustfile attached to requests under one name.

    Attributes:
        mean, p50, p95, highest: of all of them; percentiles by nearest rank.
        shares: for a few whole numbers, such as those of replicas, how often each came; else empty.
    """

    count: int
    mean: float
    p50: float
    p95: float
    highest: float
    shares: dict[str, int] = {}


class Law(Value):
    """The closed load's own arithmetic: N users who wait R for an answer and then think for Z make N / (R + Z) turns a second.

    The interactive response time law (Denning and Buzen 1978). R and Z are means of one turn; R is the time of all its requests.
    """

    users: int
    response_s: float
    think_s: float
    turns_per_s: float

    @property
    def expected_per_s(self) -> float:
        """Turns a second by the law; infinite where nobody waits for anything."""
        each = self.response_s + self.think_s
        return self.users / each if each > 0 else math.inf

    @property
    def residual(self) -> float:
        """How much fewer turns there were than the law says, as a fraction of those."""
        return self.turns_per_s / self.expected_per_s - 1


class Paired(Value):
    """Tickets that several targets had in common, and how many of them asked all targets the same thing."""

    tickets: int
    same: int


class Measurement(Value):
    """One run.

    Attributes:
        endpoints: by Locust's method and name.
        service: figures of the service as a whole, by metric; empty where it was running already.
        chosen: which of them the settings chose, those included of which there is no value.
        window_s: length of the measured window.
        started, recorded, unfinished: requests of the whole run, warm-up included; started = recorded + unfinished.
        hanging: requests from before the window that had no answer in all of it, and failed.
        warm: whether response times were flat when the window began.
        model: `closed` or `open`.
        plan: fingerprint of load and locustfile.
        plan_text: the load in a few words.
        stages: the levels of load, where there were several; each has rows of its own.
        paired: where several targets took turns.
        law: waiting and thinking against the turns that were counted; None in open load and where levels or targets took turns.
        attached: what the locustfile attached to requests, by name.
        capacity: what a search found; all other figures are then those of the highest level that held, and of the lowest one held
            if none did. None where there was no search.
        soak: how response time and memory went with time; None where nobody asked for it.
        timeline: for each second of the window, [second, requests, failures, p50, p95]; None without requests. Where targets took
            turns, a line for each turn of this one, with requests and failures a second.
    """

    endpoints: dict[str, EndpointMeasurement]
    window_s: float
    started: int
    recorded: int
    unfinished: int
    hanging: int = 0
    warm: bool
    model: str
    plan: str
    plan_text: str
    checks: tuple[Check, ...]
    failures: tuple[FailureKind, ...]
    stages: tuple[Stage, ...] = ()
    paired: Paired | None = None
    law: Law | None = None
    attached: dict[str, Attached] = {}
    capacity: Capacity | None = None
    soak: Soak | None = None
    timeline: tuple[tuple[float | None, ...], ...] = ()
    service: dict[str, float] = {}
    chosen: tuple[Chosen, ...] = ()
    versions: dict[str, str] = {}

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every metric that this run can have, by key."""
        return METRICS | {one.key: one.metric for one in self.chosen if one.key not in METRICS}

    @property
    def valid(self) -> bool:
        """Whether instrument and machine did their part."""
        return all(check.ok for check in self.checks)

    @property
    def successes(self) -> int:
        """Requests that did not fail."""
        return sum(endpoint.requests - endpoint.failures for endpoint in self.endpoints.values())

    @property
    def counted(self) -> tuple[float, float]:
        """What the figures are of, from and to, in seconds since the first measured moment."""
        return (self.capacity.begin_s, self.capacity.end_s) if self.capacity else (0.0, self.window_s)

"""What `loadtest.yml` may say, with every default. The only place where a key, its type, its default and its help are written.

Keys are kebab-case in files, flags and inputs. A field's `flag` names its flag where the key alone would be unclear.
"""

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from entrypoint.measurement.metrics import METRICS, SERVICE, Direction, Metric
from entrypoint.settings.jmespaths import jmespath_trouble
from entrypoint.settings.prometheus import Prometheus
from entrypoint.settings.quantities import (
    Milliseconds,
    Ratio,
    Seconds,
    Truth,
    Whole,
    parse_milliseconds_with_unit,
    parse_number,
    parse_percent,
    parse_size,
    refuse_truth,
    show_duration,
)
from entrypoint.settings.requests import Request, Wait
from entrypoint.settings.section import Range, Section


def _split(value: object) -> object:
    """Lists may be written in one string, a line or a comma apart, as action inputs have to."""
    if isinstance(value, str):
        return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]
    return value


def _split_assignments(value: object) -> object:
    """`NAME=value` lines, as flags and inputs give them."""
    if not isinstance(value, str):
        return value
    lines = [line for line in value.splitlines() if line.strip()]
    if wrong := [number for number, line in enumerate(lines, 1) if "=" not in line]:
        # The line itself is not shown: it may hold a secret.
        raise ValueError(f"expected NAME=value on each line, line {wrong[0]} has no equals sign")
    return dict(line.strip().split("=", 1) for line in lines)


Texts = Annotated[list[str], BeforeValidator(_split)]
Paths = Annotated[list[Path], BeforeValidator(_split)]
Frequency = Annotated[float, Field(ge=0.001, le=100_000, allow_inf_nan=False), BeforeValidator(refuse_truth)]
Assignments = Annotated[dict[str, str | int | float], BeforeValidator(_split_assignments)]


class Mode(StrEnum):
    """What a run is for."""

    GATE = "gate"
    CAPACITY = "capacity"
    SOAK = "soak"


class Build(StrEnum):
    """Whether compose builds images."""

    AUTO = "auto"
    NEVER = "never"


class CompareWith(StrEnum):
    """What the candidate is compared with."""

    COMMITTED = "committed"
    BASE = "base"
    NONE = "none"


class CommentMode(StrEnum):
    """When a pull request comment is written."""

    ALWAYS = "always"
    ON_CHANGE = "on-change"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class OnDoubt(StrEnum):
    """What a verdict that asserts nothing does to the build."""

    PASS = "pass"  # noqa: S105 (a policy, not a password)
    FAIL = "fail"


def _parse_json(value: object) -> object:
    """A body as flags and inputs give it, in JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


class Ready(Section):
    """When the service counts as ready: real requests, several in a row, get right answers."""

    path: str = Field(
        "/", json_schema_extra={"flag": "ready-path"}, description="Path of the request that must succeed"
    )
    timeout_s: Seconds = Field(
        60,
        alias="timeout",
        json_schema_extra={"flag": "ready-timeout"},
        description="How long the service may take until it does",
    )
    body: Annotated[Any, BeforeValidator(_parse_json)] = Field(
        None,
        alias="json",
        json_schema_extra={"flag": "ready-json"},
        description="Body of that request, which is a POST then",
    )
    expect: str = Field(
        "",
        json_schema_extra={"flag": "ready-expect"},
        description="JMESPath that has to find something in the JSON answer, such as `prediction`; without it, a status below "
        "400 is enough",
    )
    in_a_row: Whole = Field(
        3,
        ge=1,
        le=1000,
        json_schema_extra={"flag": "ready-in-a-row"},
        description="How many such answers in a row; with replicas, at least two for each of them",
    )

    @field_validator("expect")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value and (trouble := jmespath_trouble(value)):
            raise ValueError(f"not a JMESPath: {trouble}")
        return value


class Service(Section):
    """The service under load, by exactly one launcher: `compose-file`, `command` or `url`."""

    compose_file: Paths = Field([], description="Compose file, or several in the order compose merges them")
    service: str = Field("", description="Name of the compose service that takes the load")
    port: Whole | None = Field(
        None, ge=1, le=65535, description="Port inside the container; published on a free loopback port"
    )
    profiles: Texts = Field([], description="Compose profiles to enable")
    env_file: Paths = Field([], description="Environment files for compose's interpolation, instead of `.env`")
    environment: Assignments = Field(
        {},
        json_schema_extra={"flag": "service-environment"},
        description="Variables for interpolation and for the service, `NAME=value`",
    )
    build: Build = Field(Build.AUTO, description="`auto`, or `never` for images that an earlier step built")
    command: str = Field("", description="Command of a plain process, with `{port}` where its port goes")
    url: str = Field("", description="Address of a service that is already running")
    headers: Assignments = Field(
        {}, description="Headers for the readiness request and for the page of `prometheus`, `NAME=value`"
    )
    ca: Path | None = Field(None, description="Certificate authority file for an https `url`")
    setup: str = Field(
        "", description="Command run once when the service is ready, with `SERVICE_URL` in its environment"
    )
    prometheus: Prometheus | None = Field(
        None, description="Series of the service's own page for Prometheus that become figures of the service"
    )
    ready: Ready = Field(default_factory=Ready)

    @field_validator("headers")
    @classmethod
    def _on_one_line(cls, value: dict[str, str | int | float]) -> dict[str, str | int | float]:
        """Secrets often end with a line break, which no header can have. The value is not shown: it may be one."""
        kept = {name: said.strip() if isinstance(said, str) else said for name, said in value.items()}
        if broken := [name for name, said in kept.items() if re.search(r"[\r\n]", f"{name}{said}")]:
            raise ValueError(f"the value of {broken[0].split()[0]} has a line break, which a header cannot have")
        return kept

    @model_validator(mode="after")
    def _one_launcher(self) -> Self:
        given = [name for name in ("compose-file", "command", "url") if getattr(self, name.replace("-", "_"))]
        if len(given) != 1:
            said = f"got {' and '.join(given)}" if given else "got none of them"
            raise ValueError(f"expected exactly one of compose-file, command and url, {said}")
        if self.compose_file and not (self.service and self.port):
            raise ValueError(
                "compose-file needs service and port, the compose service that takes the load and its port"
            )
        elsewhere = self.prometheus is not None and (self.prometheus.port or self.prometheus.service)
        if elsewhere and not self.compose_file:
            raise ValueError(
                "prometheus.port and prometheus.service name a container of a compose-file; the page of a command or url is read "
                "at the address that takes the load, so leave them out"
            )
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("expected a url that starts with http:// or https://")
        return self

    @property
    def page_port(self) -> int | None:
        """Of compose, the port inside the container that has the page for Prometheus; None where none is wanted."""
        return (self.prometheus.port or self.port) if self.prometheus else None

    @property
    def chosen(self) -> dict[str, Metric]:
        """The figures that are made of its page for Prometheus, by key."""
        return self.prometheus.chosen if self.prometheus else {}


class WarmUp(Range):
    """Unmeasured load before the window: it ends when response times are flat, between `min` and `max`."""

    min_s: Seconds = Field(5, alias="min", description="Shortest warm-up")
    max_s: Seconds = Field(30, alias="max", description="Longest warm-up")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_s < self.min_s:
            raise ValueError("warm-up max is shorter than its min")
        return self


class Stage(Section):
    """One level of load: so many users, or so many requests per second, for so long."""

    users: Whole | None = Field(None, ge=1, le=100_000, description="Closed load: how many users are at work")
    arrival_rate: Frequency | None = Field(None, description="Open load: requests per second")
    duration_s: Seconds = Field(alias="duration", description="Measured time at this level")

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:  # noqa: ANN401 (what YAML gave)
        if not isinstance(value, str):
            return value
        level, _, duration = value.partition("x")
        key = "arrival-rate" if level.strip().endswith("/s") else "users"
        return {key: level.strip().removesuffix("/s"), "duration": duration.strip()}

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if (self.users is None) == (self.arrival_rate is None):
            raise ValueError("expected either users or arrival-rate in each stage")
        return self


class Load(Section):
    """Who asks, how often and for how long."""

    locustfile: Path | None = Field(None, description="The locustfile that drives the load; or `requests`")
    requests: list[Request] = Field(
        [], validate_default=True, description="The requests of a load without Python; or `locustfile`"
    )
    wait: Wait | None = Field(
        None,
        description="Think time of users between two `requests`, `0.1s..0.3s` or one figure, in closed load; none if not given",
    )
    requirements: Path | None = Field(None, description="Packages that the locustfile needs, a requirements file")
    environment: Texts = Field(
        [],
        json_schema_extra={"flag": "load-environment"},
        description="Names of variables passed on to Locust, whose values count as secrets; nothing else of ours is passed on",
    )
    users: Whole = Field(
        20, ge=1, le=100_000, description="Closed load: how many users. Open load: the most at work at once"
    )
    spawn_rate: Frequency | None = Field(None, description="Users started per second; all at once if not given")
    arrival_rate: Frequency | None = Field(
        None, description="Open load: requests per second, whatever the service does"
    )
    arrival: Literal["constant", "poisson"] = Field("poisson", description="How arrivals of open load are spaced")
    warm_up: WarmUp = Field(
        default_factory=WarmUp,
        description="Unmeasured time before the window, `5s..30s` (flat response times end it) or `10s`",
    )
    duration_s: Seconds = Field(60, alias="duration", description="Measured time, ramp and warm-up not counted")
    count: Whole | None = Field(
        None,
        ge=1,
        le=100_000_000,
        description="Closed load: end the measured time with the answer to so many tasks; `duration` is then the longest it may "
        "take, and the total time a metric",
    )
    stages: Annotated[list[Stage], BeforeValidator(_split)] = Field(
        [],
        description="Levels of load one after the other instead of a single one, such as `100x5s, 200x5s` (users) or "
        "`20/sx30s` (requests per second)",
    )
    workers: Whole = Field(
        1, ge=0, le=256, description="Locust processes on this machine; more than one share the load under a master"
    )
    remote_workers: Whole = Field(
        0, ge=0, le=1000, description="Locust processes that join from other machines, by `ml-loadtest worker`"
    )
    master: str = Field(
        "127.0.0.1:5557",
        pattern=r"^[^\s:]+:\d{1,5}$",
        description="Where the master listens for workers from elsewhere, HOST:PORT; its channel has no authentication",
    )
    seed: Whole = Field(1, ge=0, description="Seed of arrivals, tasks and payloads")

    @field_validator("requests")
    @classmethod
    def _one_source(cls, value: list[Request], info: ValidationInfo) -> list[Request]:
        if "locustfile" in info.data and bool(value) == bool(info.data["locustfile"]):
            said = "got both" if value else "got neither (flag --locustfile, input locustfile)"
            raise ValueError(f"expected either load.locustfile or load.requests, {said}")
        return value

    @field_validator("wait")
    @classmethod
    def _with_requests_alone(cls, value: Wait | None, info: ValidationInfo) -> Wait | None:
        if value is not None and info.data.get("locustfile"):
            raise ValueError("it goes with load.requests alone; a locustfile has a wait_time of its own")
        return value

    @field_validator("duration_s")
    @classmethod
    def _between_a_second_and_a_day(cls, value: float) -> float:
        if not 1 <= value <= 86_400:
            raise ValueError(f"expected a duration between 1s and 24h, got {show_duration(value)}")
        return value

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if self.stages and self.arrival_rate is not None:
            raise ValueError("arrival-rate and stages contradict each other; give each stage its own arrival-rate")
        if len({stage.users is None for stage in self.stages}) > 1:
            raise ValueError("stages mix users and arrival-rate; a run is either closed or open load")
        if self.count and (self.stages or self.arrival_rate is not None):
            raise ValueError(
                "count ends closed load of one level; stages and arrival-rate say by themselves how much is asked"
            )
        if self.wait and (self.arrival_rate is not None or any(stage.arrival_rate for stage in self.stages)):
            raise ValueError("wait does nothing in open load, where arrivals say when a request is made; leave it out")
        if self.workers == 0 and self.remote_workers == 0:
            raise ValueError("workers is 0, so nobody drives the load; raise it, or name remote-workers")
        return self

    @property
    def processes(self) -> int:
        """Worker processes of the run, here and elsewhere; 0 where Locust runs alone."""
        return self.workers + self.remote_workers if self.workers > 1 or self.remote_workers else 0

    @property
    def master_address(self) -> tuple[str, int]:
        """Host and port that the master binds; port 0, any free one, where no worker comes from elsewhere."""
        host, port = self.master.rsplit(":", 1)
        return (host, int(port)) if self.remote_workers else ("127.0.0.1", 0)

    @property
    def shortest_s(self) -> float:
        """The least measured time for each target: a count may be reached at any moment."""
        return 0.0 if self.count else self.measured_s

    @property
    def measured_s(self) -> float:
        """Measured time for each target, all stages together."""
        return sum(stage.duration_s for stage in self.stages) or self.duration_s


class Compare(Section):
    """What the measurement is compared with, and how sure an accusation must be."""

    with_: CompareWith = Field(
        CompareWith.COMMITTED,
        alias="with",
        json_schema_extra={"flag": "compare-with"},
        description="`committed` (the baseline file), `base` (the base commit's service, side by side) or `none` (absolute "
        "limits alone)",
    )
    baseline: Path = Field(Path(".loadtest/baseline.json"), description="The committed baseline")
    base_ref: str = Field(
        "", description="Commit or branch the pull request is compared with; found from the event if not given"
    )
    prepare: str = Field(
        "", description="Side by side: command run in the base's checkout before it is built or started"
    )
    carry: Texts = Field([], description="Side by side: untracked files or folders that the base needs too")
    max_looks: Whole = Field(
        3,
        ge=1,
        le=10,
        description="Side by side: how often services are started anew and measured again, where rows are in doubt",
    )
    false_alarm_rate: Ratio = Field(
        0.01, gt=0, le=0.5, description="Chance that a run without any change is accused, all rows together"
    )


class MetricThreshold(Section):
    """What one metric of an endpoint may do. What is not given comes from the metric's defaults."""

    max_increase: Ratio | None = Field(None, description="Allowed rise relative to the baseline")
    max_decrease: Ratio | None = Field(None, description="Allowed fall relative to the baseline")
    max: float | None = Field(None, description="Absolute limit from above, in the metric's unit")
    min: float | None = Field(None, description="Absolute limit from below, in the metric's unit")
    floor: float | None = Field(
        None, ge=0, description="Smallest absolute change that is accused, in the metric's unit"
    )
    gate: bool | None = Field(None, description="false: shown, never judged")

    @field_validator("*", mode="before")
    @classmethod
    def _refused_by_the_metric(cls, value: object) -> object:
        if isinstance(value, ValueError):
            raise value
        return value


PARSERS: dict[str, Callable[[object], float]] = {
    "": parse_number,
    "ms": parse_milliseconds_with_unit,
    "%": parse_percent,
    "1/s": parse_number,
    "users": parse_number,
    "MiB": partial(parse_size, unit="MiB"),
    "KiB": partial(parse_size, unit="KiB"),
}


def working_keys(metric: Metric) -> list[str]:
    """The keys of a threshold that do something on this metric."""
    if metric.unit == "%":
        return ["max" if metric.direction is Direction.LOWER_IS_BETTER else "min", "gate"]
    useless = {"max-decrease" if metric.direction is Direction.LOWER_IS_BETTER else "max-increase"}
    if metric.prior_sd is None:  # Nobody knows its noise, so it is held against no baseline.
        useless = {"max-increase", "max-decrease", "floor"}
    return [str(field.alias) for field in MetricThreshold.model_fields.values() if field.alias not in useless]


def _of_metric(metric: Metric, threshold: object) -> object:
    """Limits in the metric's own unit. A value that is refused becomes the reason, which its field then raises."""
    if not isinstance(threshold, dict):
        return threshold
    return {key: _value_or_reason(metric, key, value) for key, value in threshold.items()}


def _value_or_reason(metric: Metric, key: str, value: object) -> object:
    known = {str(field.alias) for field in MetricThreshold.model_fields.values()}
    if value is None or key not in known:
        return value
    if key not in (working := working_keys(metric)):
        return ValueError(f"{key} does nothing on {metric.key}; what works there is {', '.join(working)}")
    try:
        return PARSERS[metric.unit](value) if key in {"max", "min", "floor"} else value
    except ValueError as error:
        return error


def fits(pattern: str, name: str) -> bool:
    """Whether a threshold's pattern names this: `*` stands for anything, every other character for itself."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def _can_have(pattern: str, *, of_service: bool) -> bool:
    """Whether a threshold's pattern can name the service, or an endpoint."""
    return fits(pattern, SERVICE) if of_service else pattern != SERVICE


# The type of the mistake that a threshold is of a metric that is in no list; its context has the name, as `ascii` writes it.
UNKNOWN_METRIC: Final = "unknown_metric"


class Threshold(Section):
    """Thresholds of the endpoints that match a pattern; a later entry overrides an earlier one, metric by metric.

    The context of its validation is every metric that there is, by key; our own list where there is none.
    """

    endpoint: str = Field("*", description="Endpoint or pattern, such as `POST /predict` or `GET *`")
    metrics: dict[str, MetricThreshold] = {}

    @model_validator(mode="before")
    @classmethod
    def _metrics_beside_endpoint(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 (what YAML gave)
        if not isinstance(value, dict):
            return value
        known: Mapping[str, Metric] = info.context or METRICS
        metrics = {key: part for key, part in value.items() if key != "endpoint"}
        if unknown := [key for key in metrics if key not in known]:
            said = f"there is no metric {unknown[0]!r}; the metrics are {', '.join(known)}"
            # In this order, for each is put in by its name; what is no text that can be written would break the message.
            raise PydanticCustomError(UNKNOWN_METRIC, "{said}", {"metric": ascii(unknown[0]), "said": said})
        pattern = value.get("endpoint", "*")
        for key in metrics:
            of_service = known[key].is_of(SERVICE)
            if isinstance(pattern, str) and not _can_have(pattern, of_service=of_service):
                whose = f"the service as a whole, `endpoint: {SERVICE}`" if of_service else "endpoints"
                raise ValueError(f"{key} guards nothing there, for it is a figure of {whose}")
        return {
            "endpoint": value.get("endpoint", "*"),
            "metrics": {key: _of_metric(known[key], part) for key, part in metrics.items()},
        }


class Validity(Section):
    """What instrument and machine may do before a run is called invalid. docs/measuring.md says what each one asks."""

    generator_cpu: Ratio = Field(0.90, description="Most of a core that the generator may use in its busiest 5 s")
    event_loop_lag_ms: Milliseconds = Field(
        15.0,
        alias="event-loop-lag",
        description="Longest that the generator may keep a timer waiting in the median second",
    )
    longest_stall_ms: Milliseconds = Field(
        500.0, alias="longest-stall", description="Longest that the generator may stand still at once"
    )
    run_queue: Ratio = Field(0.20, description="Most of the time that the generator may be runnable without a core")
    steal: Ratio = Field(0.10, description="Most of the machine's time that the hypervisor may take")
    arrivals: Ratio = Field(
        0.98, description="Open load: least share of the requests that the generator must have issued"
    )
    lateness_ms: Milliseconds = Field(
        5.0, alias="lateness", description="Open load: latest that the generator may send the median request"
    )


# The formats of a history, which its file's ending chooses.
JSON_LINES_ENDINGS = (".jsonl", ".ndjson")
SQLITE_ENDINGS = (".sqlite", ".sqlite3", ".db")


class Report(Section):
    """What is published."""

    comment: CommentMode = Field(CommentMode.ALWAYS, description="`always`, `on-change`, `on-failure` or `never`")
    check_run: Truth = Field(
        False,
        description="Whether the head commit gets a check run, `true` or `false`; it needs the permission to write checks",
    )
    history: Path | None = Field(
        None, description="File that every run adds its line to: JSON lines (`.jsonl`) or SQLite (`.sqlite`, `.db`)"
    )

    @field_validator("history")
    @classmethod
    def _of_a_known_format(cls, value: Path | None) -> Path | None:
        endings = (*JSON_LINES_ENDINGS, *SQLITE_ENDINGS)
        if value is not None and value.suffix.lower() not in endings:
            raise ValueError(
                f"expected a file that ends in {', '.join(endings[:-1])} or {endings[-1]}, got {value.name}"
            )
        return value


class Policy(Section):
    """What verdicts that assert nothing do to the build, and when the whole run is given up."""

    on_inconclusive: OnDoubt = Field(
        OnDoubt.PASS, description="`pass` or `fail` the build when nothing could be decided"
    )
    on_no_baseline: OnDoubt = Field(
        OnDoubt.PASS, description="`pass` or `fail` the build when there is no baseline yet"
    )
    timeout_s: Seconds = Field(1800, alias="timeout", gt=0, description="Longest time for the whole run")


class Config(Section):
    """A whole `loadtest.yml`."""

    suite: str = Field("", max_length=100, description="Name of this load test, where a repository has several")
    mode: Mode = Field(
        Mode.GATE,
        description="`gate` (one load is measured and judged), `capacity` (the highest load that holds every limit is searched "
        "for, from `users` or `arrival-rate` on, each level for `duration`) or `soak` (one load for long: how response time and "
        "memory grow, and when a limit was first broken)",
    )
    wanted_rate: Frequency | None = Field(
        None,
        description="`mode: capacity`: requests per second for which the report says how many such services are needed",
    )
    service: Service
    load: Load
    compare: Compare = Field(default_factory=Compare)
    thresholds: list[Threshold] = Field([], description="Thresholds by endpoint and metric")
    validity: Validity = Field(default_factory=Validity)
    report: Report = Field(default_factory=Report)
    policy: Policy = Field(default_factory=Policy)

    @field_validator("thresholds", mode="before")
    @classmethod
    def _of_known_metrics(cls, value: object, info: ValidationInfo) -> list[Threshold]:
        """They are of our metrics, and of those that the service's section chose; what is wrong keeps its place in the list."""
        service = info.data.get("service")
        return _THRESHOLDS.validate_python(as_list(value), context=METRICS | (service.chosen if service else {}))

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every metric that a run can have, by key."""
        return METRICS | self.service.chosen


_THRESHOLDS = TypeAdapter(list[Threshold])


def as_list(thresholds: object) -> list[Any]:
    """What `thresholds` holds as a list: one mapping may stand alone, and nothing is no threshold."""
    if isinstance(thresholds, list):
        return thresholds
    return [] if thresholds is None else [thresholds]

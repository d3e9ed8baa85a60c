"""The one thing that the conductor and the instrument both know: the layout of every file that passes between them.

Standard library only, because it is imported on both sides of the wall. All files lie in one folder, the exchange:

    plan.json            conductor → instrument   what to do, once
    progress.jsonl       instrument → conductor   a line a second
    block-N.json         instrument → conductor   block N of measured time is over
    answer-N.json        conductor → instrument   go on, or stop; silence means stop
    closing.json         instrument → conductor   the counts that everything must agree with
    samples-W.bin        worker W's samples, one SAMPLE after another
    endpoints-W.jsonl    [number, method, name] of each endpoint, before its first sample
    extras-W.jsonl       [index of a sample in samples-W.bin, {name: number}], for samples that the locustfile gave numbers;
                         no file if it gave none, and a last line without its end is to be ignored
    health-W.jsonl       how the generator itself fared, a line a second
"""

import json
import os
import re
import struct
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

VERSION = 1

# One request: target, outcome, endpoint, ticket, segment, bytes, due, start, response time, lateness.
#   target      index into the plan's targets
#   outcome     an Outcome
#   endpoint    number of the endpoint in this worker's endpoints file
#   ticket      number of the ticket within its segment: the same number asks the same thing of every target
#   segment     number of the segment in which the request was due; WARM_UP or SET_UP outside measured time
#   bytes       length of the response body
#   due, start  seconds since the load began, on one monotonic clock
#   response    milliseconds, as a user waited: from due in open load, from start in closed load
#   late        milliseconds by which the generator itself was late; never part of the response time
SAMPLE = struct.Struct("<BBIIiIdddf")
FIELDS = ("target", "outcome", "endpoint", "ticket", "segment", "bytes", "due_s", "start_s", "response_ms", "late_ms")
FIELD_TYPES = ("u1", "u1", "<u4", "<u4", "<i4", "<u4", "<f8", "<f8", "<f8", "<f4")

WARM_UP = -1
SET_UP = -2

# Extra numbers of a sample: what their names look like, and how many different ones a process may use.
EXTRA_NAME = re.compile(r"[a-z0-9_]{1,40}")
MOST_EXTRAS = 20


class Outcome(IntEnum):
    """How a request ended; every request has exactly one."""

    OK = 0
    INVALID = 1
    EXPECTED_REJECTION = 2
    UNEXPECTED_REJECTION = 3
    SERVER_ERROR = 4
    TIMEOUT = 5
    CONNECTION = 6
    UNFINISHED = 7

    @property
    def label(self) -> str:
        """The outcome in words."""
        return self.name.lower().replace("_", " ")

    @property
    def is_failure(self) -> bool:
        """Whether the one who asked did not get what was wanted."""
        return self not in (Outcome.OK, Outcome.EXPECTED_REJECTION)


@dataclass(frozen=True)
class Target:
    """A service that is up during the run."""

    name: str
    url: str


@dataclass(frozen=True)
class Plan:
    """What the instrument is to do.

    Attributes:
        targets: who is loaded; the users exist once for each.
        users: closed load, how many; open load, the most at work at once.
        spawn_rate: users started per second.
        arrival_rate: open load, requests per second; None for closed load.
        arrival: `constant` or `poisson`.
        warm_up_min_s, warm_up_max_s: bounds of the unmeasured beginning, counted from when every user is up.
        block_s: measured time of a block, after which the conductor is asked how to go on.
        drain_s: how long requests in flight at the end are waited for.
        answer_s: how long the conductor's answer is waited for.
        seed: of arrivals, tasks and payloads.
        secrets: names of environment variables whose values must not be written anywhere.
    """

    targets: tuple[Target, ...]
    users: int
    spawn_rate: float
    arrival_rate: float | None
    arrival: str
    warm_up_min_s: float
    warm_up_max_s: float
    block_s: float
    drain_s: float
    answer_s: float
    seed: int
    secrets: tuple[str, ...] = ()
    version: int = VERSION

    @property
    def model(self) -> str:
        """The load model's name: `open` or `closed`."""
        return "closed" if self.arrival_rate is None else "open"


@dataclass(frozen=True)
class Failure:
    """Failed requests of one kind, with one example.

    Attributes:
        message: of the first one, secrets removed and cut to a readable length; untrusted text.
    """

    method: str
    name: str
    outcome: int
    exception: str
    message: str
    count: int


@dataclass(frozen=True)
class Closing:
    """The last word of a run. A run without one, or with `complete` false, is invalid.

    Attributes:
        complete: every part of the plan was done and every sample is on disk.
        problem: why not; or what else makes the measurement worthless. Empty if nothing does.
        started: requests begun through Locust's own clients, or seen to end through others.
        recorded: requests with an outcome other than unfinished.
        unfinished: requests and tickets still open when the drain was over.
        unreported: recorded requests that Locust never reported, since the task raised while it looked at the answer.
        response_sum_ms: sum of what Locust's clients reported, in the order they did.
        locust_count, locust_sum_ms: Locust's own exact figures for the same.
        windows: begin and end of each block of measured time, seconds since the load began.
        origin_unix_s: when the load began.
        warm: whether response times were flat when the window began.
        users_planned, users_started: whether the spawner did its part.
        tickets: how many tickets were issued in measured time.
        versions: of Locust, gevent and Python.
    """

    complete: bool
    problem: str
    started: int
    recorded: int
    unfinished: int
    unreported: int
    response_sum_ms: float
    locust_count: int
    locust_sum_ms: float
    windows: tuple[tuple[float, float], ...]
    origin_unix_s: float
    warm: bool
    users_planned: int
    users_started: int
    tickets: int
    failures: tuple[Failure, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    @property
    def window_s(self) -> float:
        """Length of all measured time."""
        return sum(end - start for start, end in self.windows)


@dataclass(frozen=True)
class Progress:
    """One second of the run, for people to watch.

    Attributes:
        phase: `starting`, `warm-up`, `measuring` or `draining`.
        left_s: until the phase ends at the latest.
    """

    phase: str
    left_s: float
    users: int
    rate: float
    p50_ms: float | None
    p95_ms: float | None
    failures: int


@dataclass(frozen=True)
class Health:
    """How one generator process fared in one second.

    Attributes:
        at_s: end of that second, since the load began.
        cpu: of one core, 0 to 1.
        lag_ms: longest time that the event loop kept a timer waiting.
        waiting: share of the second spent runnable without a core.
        steal: share of the machine's time that the hypervisor took.
        users: how many were at work.
    """

    at_s: float
    cpu: float
    lag_ms: float
    waiting: float
    steal: float
    users: int


def write_whole(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees all of it or nothing."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(value if isinstance(value, dict) else asdict(value)), encoding="utf-8")
    os.replace(temporary, path)  # noqa: PTH105 (atomic on every system)


def read_plan(path: Path) -> Plan:
    """The plan that `write_whole` wrote.

    Raises:
        ValueError: if it is of another version of the contract.
    """
    values = _versioned(path)
    targets = tuple(Target(**target) for target in values.pop("targets"))
    return Plan(**{**values, "targets": targets, "secrets": tuple(values["secrets"])})


def read_closing(path: Path) -> Closing:
    """The closing record that `write_whole` wrote; see `read_plan`."""
    values = _versioned(path)
    failures = tuple(Failure(**failure) for failure in values.pop("failures"))
    windows = tuple((start, end) for start, end in values.pop("windows"))
    return Closing(**{**values, "failures": failures, "windows": windows})


def _versioned(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if values.get("version") != VERSION:
        raise ValueError(f"{path.name} is of version {values.get('version')}, this is version {VERSION}")
    return values

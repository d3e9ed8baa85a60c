"""The one thing that the conductor and the instrument both know: the layout of every file that passes between them.

Standard library only, because it is imported on both sides of the wall. All files lie in one folder, the exchange:

    plan.json            conductor → instrument   what to do, once
    progress.jsonl       instrument → conductor   a line a second
    block-N.json         instrument → conductor   block N of measured time is over
    answer-N.json        conductor → instrument   {"step": a Step, or null to stop}; silence means stop
    closing.json         instrument → conductor   the counts that everything must agree with
    samples-P.bin        the samples of process P, one SAMPLE after another
    endpoints-P.jsonl    [number, method, name] of each endpoint, before its first sample
    extras-P.jsonl       [index of a sample in samples-P.bin, {name: number}], for samples that the locustfile gave numbers;
                         no file if it gave none, and a last line without its end is to be ignored
    health-P.jsonl       how the process itself fared, a line a second
    words.jsonl          a Word a line; alone in a folder of its own, where a worker joins from another machine

Where the load is `load.requests`, the conductor writes the locustfile too, with one JSON document in it:

    wait         [least, most] seconds of think time
    environment  names of the variables that templates may see
    files        digest of each file that is read, by its path from the folder of loadtest.yml: other data is another locustfile
    requests     what `entrypoint/settings/requests.py` says of each, templates as they were written; paths as in `files`

P is 0 where Locust runs alone; with workers it is a worker's number from 0 on, and `master` for the master's health. What
workers write reaches these files through the master, over Locust's own channel.
"""

import base64
import hashlib
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

VERSION = 4
# What these wrote is read as well: later versions only added fields, with defaults that say what was so before.
_READABLE = (3, VERSION)

# One request: target, outcome, endpoint, ticket, segment, bytes, asked, due, start, response time, lateness.
#   target      index into the plan's targets
#   outcome     an Outcome
#   endpoint    number of the endpoint in this process's endpoints file
#   ticket      number of the ticket within its segment: in a process, the same number asks the same thing of every target
#   segment     number of the segment in which the request was due; WARM_UP or SET_UP outside measured time
#   bytes       length of the response body
#   asked       digest of path and body where the client is Locust's own: of every request where there are several targets, of
#               the first thousands of each process where there is one; 0 otherwise. Equal questions have equal digests
#   due, start  seconds since the load began, on one monotonic clock
#   response    milliseconds, as a user waited: from due in open load, from start in closed load
#   late        milliseconds by which the pacer let the ticket's turn begin late; never part of the response time. NaN for
#               every request but the ticket's first
SAMPLE = struct.Struct("<BBIQiIIdddf")
FIELDS = (
    "target", "outcome", "endpoint", "ticket", "segment", "bytes", "asked", "due_s", "start_s", "response_ms", "late_ms"
)  # fmt: skip
FIELD_TYPES = ("u1", "u1", "<u4", "<u8", "<i4", "<u4", "<u4", "<f8", "<f8", "<f8", "<f4")

WARM_UP = -1
SET_UP = -2

# Extra numbers of a sample: what their names look like, and how many different ones a process may use.
EXTRA_NAME = re.compile(r"[a-z0-9_]{1,40}")
MOST_EXTRAS = 20
# The one whose name has a meaning: whether a prediction is what its label says, 1 or 0.
CORRECT = "correct"
# What `load.requests` leaves as it is in a URL that templates gave; the rest is percent-encoded.
IN_URL = "%/:=&?~#+!$,;'@()*[]-._"
# Shorter lines of a secret than this are ordinary text.
_SECRET_LINE = 8
# How spellings of a letter begin in JSON and Python, in a URL and in HTML, where they may have been spelled out several times.
# Not any number of times, for a text of backslashes alone would be searched for minutes.
_BACKSLASH = r"\\"
_BACKSLASHES, _PERCENT, _AMPERSAND = r"\\{0,15}", "%(?:25){0,4}", "&(?:amp;){0,4}"
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_WORDS = re.compile(r"\s+|\\+|\S")


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
        return self != Outcome.OK and self != Outcome.EXPECTED_REJECTION  # noqa: PLR1714 (asked for every request)


@dataclass(frozen=True)
class Target:
    """A service that is up during the run."""

    name: str
    url: str


@dataclass(frozen=True)
class Step:
    """One level of load, held for one block of measured time.

    Attributes:
        seconds: measured time for each target.
        users: closed load, how many are at work; open load, the most at work at once.
        arrival_rate: open load, requests per second; None for closed load.
        count: closed load, how many turns users take in all; the block ends when the last of them is over, and after `seconds`
            at the latest. None where time alone ends it.
        by_itself: whether nothing of the level before is left in it: it is warmed up anew, every request is waited for before the
            conductor is asked, and open load that the service falls ever further behind ends early. One target alone.
    """

    seconds: float
    users: int
    arrival_rate: float | None = None
    count: int | None = None
    by_itself: bool = False


@dataclass(frozen=True)
class Plan:
    """What the instrument is to do.

    Attributes:
        targets: who is loaded; the users exist once for each.
        step: the first level of load; the conductor's answers say what follows.
        users: how many are started for each target before anything is measured, at least the step's.
        spawn_rate: users started per second and target.
        arrival: `constant` or `poisson`.
        warm_up_min_s, warm_up_max_s: bounds of the unmeasured beginning, counted from when every user is up.
        drain_s: how long requests in flight at the end are waited for.
        answer_s: how long the conductor's answer is waited for.
        seed: of arrivals, tasks, payloads and the order of targets.
        secrets: names of environment variables whose values must not be written anywhere.
        workers: how many worker processes drive the load; 0 where Locust runs alone.
        locustfile: digest of the locustfile, which every worker must have.
        spawn_grace_s: how long users may take to start beyond what the spawn rate asks for.
        segment_s: several targets, the shortest time on one of them before the next has its turn.
        lead_in_s: unmeasured beginning of such a turn.
    """

    targets: tuple[Target, ...]
    step: Step
    users: int
    spawn_rate: float
    arrival: str
    warm_up_min_s: float
    warm_up_max_s: float
    drain_s: float
    answer_s: float
    seed: int
    secrets: tuple[str, ...] = ()
    workers: int = 0
    locustfile: str = ""
    spawn_grace_s: float = 60.0
    segment_s: float = 1.0
    lead_in_s: float = 0.1
    version: int = VERSION

    @property
    def model(self) -> str:
        """The load model's name: `open` or `closed`."""
        return "closed" if self.step.arrival_rate is None else "open"


@dataclass(frozen=True)
class Span:
    """Measured time on one target, in seconds since the load began.

    Attributes:
        segment: its number; a pair's two spans share it.
        target: index into the plan's targets.
        block: number of the block it is part of, and so of the step.
        tickets: how many were issued in it.
        due: open load, how many its schedule had.
        thought_s: closed load, the think time before each of its tickets, in all.
        overloaded: open load, whether it ended early because requests in flight and response times grew and grew.
    """

    segment: int
    target: int
    block: int
    start_s: float
    end_s: float
    tickets: int
    due: int = 0
    thought_s: float = 0.0
    overloaded: bool = False


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
        fault: what the service did that kept the plan from being carried out; empty if it did not.
        started: requests begun through Locust's own clients, or seen to end through others.
        recorded: requests with an outcome other than unfinished.
        unfinished: requests and tickets still open when the drain was over.
        unreported: recorded requests that Locust never reported, since the task raised while it looked at the answer.
        response_sum_ms: sum of what Locust's clients reported, in the order they did.
        locust_count, locust_sum_ms: Locust's own exact figures for the same.
        steps: the level of load of each block.
        spans: all measured time, in order.
        origin_unix_s: when the load began.
        warm: whether response times were flat when the window began.
        users_planned, users_started: whether the spawner did its part.
        users_left: how many of them went before the drain.
        shape: name of the LoadTestShape that said how many users were at work; "" without one.
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
    steps: tuple[Step, ...]
    spans: tuple[Span, ...]
    origin_unix_s: float
    warm: bool
    users_planned: int
    users_started: int
    users_left: int = 0
    shape: str = ""
    fault: str = ""
    failures: tuple[Failure, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def measured_s(self, target: int = 0) -> float:
        """Length of all measured time on a target."""
        return sum(span.end_s - span.start_s for span in self.spans if span.target == target)


@dataclass(frozen=True)
class Progress:
    """One second of the run, for people to watch.

    Attributes:
        phase: `starting`, `warm-up`, `measuring` or `draining`, and of what.
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
class Word:
    """What a worker tells the one who started it.

    Attributes:
        state: `answered` (the master did), `joined`, `refused`, `ended` (in order where `text` is empty) or `lost`.
        text: which worker it is; or why.
    """

    state: str
    text: str = ""


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


def digest(locustfile: Path) -> str:
    """What two copies of a locustfile must share; see `digest_of`."""
    return digest_of(locustfile.read_bytes())


def digest_of(data: bytes) -> str:
    """Twelve hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data).hexdigest()[:12]


def without(text: str, secrets: Iterable[str]) -> str:
    """A text with each secret, however it is spelled there, replaced."""
    pattern = _spelled(tuple(secrets))
    return pattern.sub("***", text) if pattern else text


@cache
def _spelled(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds these secrets as they are, in JSON, CSV, HTML, URLs and base64, and in several of these at once.

    The longest first, for one secret may be the beginning of another.
    """
    texts = {text for secret in secrets for text in (secret, secret.strip(), *_lines_of(secret)) if text.strip()}
    forms = {text.strip() for text in texts}
    forms |= {form for text in texts for form in _in_base64(text.encode("utf-8", "surrogateescape"))}
    in_order = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join("".join(map(_letter, _WORDS.findall(form))) for form in in_order)) if in_order else None


def _lines_of(secret: str) -> list[str]:
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= _SECRET_LINE] if len(lines) > 1 else []


def _in_base64(data: bytes) -> Iterator[str]:
    """The letters that encode nothing but these bytes, as they begin after a multiple of three bytes, one and two more."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        letters = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6].decode()
        yield letters
        yield letters.replace("+", "-").replace("/", "_")


@cache
def _letter(letter: str) -> str:
    """What finds a letter, or some white space, in every spelling; each of them may have been spelled out once more."""
    if letter.isspace():
        return rf"(?:\s|{_BACKSLASHES}\\[nrtfv]|{_BACKSLASHES}\\(?:u00|x)(?:20|0[9a-dA-D])|\+|{_PERCENT}(?:20|0[9a-dA-D]))+"
    if letter.startswith("\\"):
        return rf"(?:{_BACKSLASH}|{_PERCENT}5[cC]|{_AMPERSAND}#0*92;)+"
    if letter.isascii() and letter.isalnum():
        return letter
    found = {rf"{_BACKSLASHES}{re.escape(letter)}", *_percent(letter), *_escapes(letter)}
    found |= {rf"{_AMPERSAND}#{number};" for number in (ord(letter), f"[xX]{_hex(f'{ord(letter):x}')}")}
    if letter in _NAMED:
        found.add(f"{_AMPERSAND}{_NAMED[letter]};")
    if letter == '"':
        found.add(rf'{_BACKSLASHES}""')
    # What is longer comes first, for `&` is the beginning of `&amp;`.
    return f"(?:{'|'.join(sorted(found, key=len, reverse=True))})"


def _percent(letter: str) -> Iterator[str]:
    yield "".join(f"{_PERCENT}{_hex(f'{byte:02x}')}" for byte in letter.encode("utf-8", "surrogateescape"))


def _escapes(letter: str) -> Iterator[str]:
    """As Python and JSON write it in letters of ASCII."""
    units = letter.encode("utf-16-be", "surrogatepass")
    yield "".join(rf"{_BACKSLASHES}\\u{_hex(units[at : at + 2].hex())}" for at in range(0, len(units), 2))
    if ord(letter) < 256:
        yield rf"{_BACKSLASHES}\\x{_hex(f'{ord(letter):02x}')}"


def _hex(digits: str) -> str:
    """These digits, in small letters or capitals."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def reserve(path: Path, size: int) -> None:
    """Take room for what `write_whole` will write there: a full disk must not keep it from saying that the disk is full."""
    _part_of(path).write_bytes(bytes(size))


def release(path: Path) -> None:
    """Give the room back if nothing was written there."""
    _part_of(path).unlink(missing_ok=True)


def write_whole(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees all of it or nothing."""
    temporary = _part_of(path)
    temporary.write_text(json.dumps(value if isinstance(value, dict) else asdict(value)), encoding="utf-8")
    os.replace(temporary, path)  # noqa: PTH105 (atomic on every system)


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def read_plan(path: Path) -> Plan:
    """The plan that `write_whole` wrote.

    Raises:
        ValueError: if it is of another version of the contract.
    """
    return plan_of(json.loads(path.read_text(encoding="utf-8")))


def plan_of(values: dict[str, Any]) -> Plan:
    """The plan whose `asdict` this is; see `read_plan`."""
    _check_version("the plan", values)
    targets = tuple(Target(**target) for target in values["targets"])
    parts = {"targets": targets, "step": Step(**values["step"]), "secrets": tuple(values["secrets"])}
    return Plan(**{**values, **parts})


def read_closing(path: Path) -> Closing:
    """The closing record that `write_whole` wrote; see `read_plan`."""
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    _check_version(path.name, values)
    parts = {
        "failures": tuple(Failure(**failure) for failure in values["failures"]),
        "steps": tuple(Step(**step) for step in values["steps"]),
        "spans": tuple(Span(**span) for span in values["spans"]),
    }
    return Closing(**{**values, **parts})


def _check_version(what: str, values: dict[str, Any]) -> None:
    if values.get("version") not in _READABLE:
        raise ValueError(f"{what} is of version {values.get('version')}, this is version {VERSION}")

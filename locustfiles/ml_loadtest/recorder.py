"""Every request becomes one sample on disk. Nothing is summed up, rounded or thrown away."""

import json
import time
from array import array
from collections.abc import Callable, Mapping
from typing import Any

from ml_loadtest.contract import SAMPLE, Failure, Outcome
from ml_loadtest.outcomes import classify, describe
from ml_loadtest.sink import Sink

_LONGEST_NAME = 1000
_MOST_KINDS_OF_FAILURE = 500
_UNFINISHED = Outcome.UNFINISHED
_pack = SAMPLE.pack
# So that a failed request of 0 ms has a sign too.
_LEAST_MS = 1e-9

Sample = tuple[int, int, int, int, int, int, int, float, float, float, float]


class _Numbers(dict[tuple[object, object], int]):
    """The number of every endpoint, by method and name; one that is new gets its number when it is first looked up."""

    def __init__(self, new: Callable[[object, object], int]) -> None:
        super().__init__()
        self._new = new

    def __missing__(self, key: tuple[object, object]) -> int:
        number = self[key] = self._new(*key)
        return number


class Recorder:
    """Keeps the samples of one Locust process.

    Args:
        sink: takes what is written.
        targets: how many there are.
        secrets: values that must never be written.

    Attributes:
        origin: the monotonic clock's reading when the load began; every time in a sample is counted from it.
        endpoints: the number of each, by method and name. Its line is written before any sample that uses it.
    """

    def __init__(self, sink: Sink, targets: int, secrets: tuple[str, ...]) -> None:
        self.origin = time.perf_counter()
        self.recorded = self.unfinished = 0
        self.response_sum_ms = 0.0
        self._sink = sink
        self._secrets = secrets
        self._recent = [array("d") for _ in range(targets)]
        self.endpoints = _Numbers(self._new_endpoint)
        self._endpoints: dict[tuple[str, str], int] = {}
        self._failures: dict[tuple[int, int, str], list[Any]] = {}
        self._buffers = {"endpoints": bytearray(), "samples": bytearray(), "extras": bytearray()}
        self._samples = self._buffers["samples"]

    def now(self) -> float:
        """Seconds since the load began."""
        return time.perf_counter() - self.origin

    def _new_endpoint(self, method: object, name: object) -> int:
        key = (str(method)[:_LONGEST_NAME], str(name)[:_LONGEST_NAME])
        number = self._endpoints.get(key)
        if number is None:
            number = self._endpoints[key] = len(self._endpoints)
            self._buffers["endpoints"] += json.dumps([number, *key]).encode() + b"\n"
        return number

    def outcome(self, endpoint: int, exception: BaseException | str | None, response: object) -> Outcome:
        """Classify a request that ended, and keep an example of each kind of failure."""
        outcome = classify(exception, response)
        if outcome.is_failure:
            self.note_failure(endpoint, outcome, exception)
        return outcome

    def note_failure(self, endpoint: int, outcome: Outcome, exception: BaseException | str | None) -> None:
        """Count a failure under its kind, with the first one's message."""
        kind = "" if exception is None or isinstance(exception, str) else type(exception).__name__
        entry = self._failures.get((endpoint, outcome, kind))
        if entry is not None:
            entry[1] += 1
        elif len(self._failures) < _MOST_KINDS_OF_FAILURE:
            self._failures[endpoint, outcome, kind] = [describe(exception, self._secrets)[1], 1]

    def named(self, error: BaseException | None) -> str:
        """Class and message of an exception, secrets removed and cut; "" for none."""
        return ": ".join(filter(None, describe(error, self._secrets))) if error else ""

    def keep(self, sample: Sample, extras: Mapping[str, float] | None = None) -> None:
        """Put one sample, and the numbers that the locustfile attached to it, into the buffers that `flush` writes."""
        if extras:
            line = json.dumps([self.recorded + self.unfinished, extras])
            self._buffers["extras"] += line.encode() + b"\n"
        self._samples += _pack(*sample)
        if sample[1] is _UNFINISHED:
            self.unfinished += 1
        else:
            self.recorded += 1

    def watch(self, target: int, response_ms: float, failed: bool) -> None:
        """Remember a response time until somebody looks; progress and warm-up do."""
        self._recent[target].append(-response_ms - _LEAST_MS if failed else response_ms)

    def recent(self) -> list[array]:
        """Response times in ms for each target since this was last asked; those of failed requests are negative."""
        recent = self._recent
        self._recent = [array("d") for _ in recent]
        return recent

    def flush(self) -> None:
        """Write what is buffered; nothing is written before what it refers to.

        Raises:
            OSError: if the disk will not take it; what was not written stays in the buffer.
        """
        for kind, buffer in self._buffers.items():
            if buffer:
                self._sink.append(kind, buffer)

    def failures(self) -> tuple[Failure, ...]:
        """Every kind of failure, the most frequent first."""
        names = {number: key for key, number in self._endpoints.items()}
        kinds = [
            Failure(*names[endpoint], outcome=int(outcome), exception=kind, message=message, count=count)
            for (endpoint, outcome, kind), (message, count) in self._failures.items()
        ]
        return tuple(sorted(kinds, key=lambda failure: -failure.count))

"""Every request becomes one sample on disk. Nothing is summed up, rounded or thrown away."""

import json
import time
from collections import deque
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from ml_loadtest.contract import SAMPLE, Failure, Outcome
from ml_loadtest.outcomes import classify, describe

_LONGEST_NAME = 1000
_MOST_KINDS_OF_FAILURE = 500
_RECENT_S = 30.0

Sample = tuple[int, int, int, int, int, int, float, float, float, float]


class Recorder:
    """Writes the samples of one Locust process.

    Attributes:
        origin: the monotonic clock's reading when the load began; every time in a sample is counted from it.
        recent: (end, response time in ms, failed) of the last half minute, for progress and for the end of the warm-up.
    """

    def __init__(self, folder: Path, worker: int, secrets: tuple[str, ...]) -> None:
        self.origin = time.perf_counter()
        self.origin_unix_s = time.time()
        self.recorded = self.unfinished = 0
        self.response_sum_ms = 0.0
        self.recent: deque[tuple[float, float, bool]] = deque()
        self._secrets = secrets
        self._samples = (folder / f"samples-{worker}.bin").open("ab", buffering=0)
        self._endpoints_file = (folder / f"endpoints-{worker}.jsonl").open("a", encoding="utf-8")
        self._endpoints: dict[tuple[str, str], int] = {}
        self._failures: dict[tuple[int, int, str], list[Any]] = {}
        self._buffer = bytearray()
        self._extras_path = folder / f"extras-{worker}.jsonl"
        self._extras_file: FileIO | None = None
        self._extras = bytearray()

    def now(self) -> float:
        """Seconds since the load began."""
        return time.perf_counter() - self.origin

    def endpoint(self, method: object, name: object) -> int:
        """The endpoint's number; its line is written before any sample that uses it."""
        key = (str(method)[:_LONGEST_NAME], str(name)[:_LONGEST_NAME])
        number = self._endpoints.get(key)
        if number is None:
            number = self._endpoints[key] = len(self._endpoints)
            self._endpoints_file.write(json.dumps([number, *key]) + "\n")
            self._endpoints_file.flush()
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

    def keep(self, sample: Sample, extras: Mapping[str, float] | None = None) -> None:
        """Put one sample, and the numbers that the locustfile attached to it, into the buffers that `flush` writes."""
        if extras:
            self._extras += json.dumps([self.recorded + self.unfinished, extras]).encode() + b"\n"
        self._buffer += SAMPLE.pack(*sample)
        if sample[1] == Outcome.UNFINISHED:
            self.unfinished += 1
        else:
            self.recorded += 1

    def watch(self, end: float, response_ms: float, failed: bool) -> None:
        """Remember a response time for as long as progress and warm-up look back."""
        self.recent.append((end, response_ms, failed))
        while self.recent[0][0] < end - _RECENT_S:
            self.recent.popleft()

    def flush(self) -> None:
        """Write what is buffered; samples first, so that no extra number is of a sample that is not there.

        Raises:
            OSError: if the disk will not take it; what was not written stays in the buffer.
        """
        _write(self._samples, self._buffer)
        if self._extras:
            self._extras_file = self._extras_file or self._extras_path.open("ab", buffering=0)
            _write(self._extras_file, self._extras)

    def failures(self) -> tuple[Failure, ...]:
        """Every kind of failure, the most frequent first."""
        names = {number: key for key, number in self._endpoints.items()}
        kinds = [
            Failure(*names[endpoint], outcome=int(outcome), exception=kind, message=message, count=count)
            for (endpoint, outcome, kind), (message, count) in self._failures.items()
        ]
        return tuple(sorted(kinds, key=lambda failure: -failure.count))


def _write(file: FileIO, buffer: bytearray) -> None:
    while buffer:
        written = file.write(buffer)
        del buffer[: written or 0]

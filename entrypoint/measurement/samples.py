"""Reads the instrument's files. Every figure of a report can be computed again from them."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import DAMAGED, LoadError
from entrypoint.files import whole_lines
from entrypoint.measurement.metrics import nearest_rank
from locustfiles.ml_loadtest import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

DTYPE = np.dtype(list(zip(contract.FIELDS, contract.FIELD_TYPES, strict=True)))
_COUNTED_AS_DISTINCT = 1000
IS_FAILURE: NDArray[np.bool_] = np.array([outcome.is_failure for outcome in contract.Outcome])
_HEALTH = tuple(contract.Health.__dataclass_fields__)
# No run is longer. A time beyond it, or none at all, was not written by the instrument.
_LONGEST_S = 30 * 86_400.0


@dataclass(frozen=True)
class MeasuredTimes:
    """How long the requests of one endpoint took; see `metrics.Times`.

    Args:
        sorted_ms: response times in ascending order, shape (n,), n > 0; a failure is infinitely slow.
        window_s: length of the window in seconds.
    """

    sorted_ms: NDArray[np.float64]
    window_s: float

    @cached_property
    def sorted_ok_ms(self) -> NDArray[np.float64]:
        """Of the requests that did not fail."""
        return self.sorted_ms[: int(np.searchsorted(self.sorted_ms, np.inf))]

    def quantile(self, p: float) -> float:
        """See `Times`."""
        return nearest_rank(self.sorted_ms, p)

    def ok_quantile(self, p: float) -> float:
        """See `Times`."""
        return nearest_rank(self.sorted_ok_ms, p) if len(self.sorted_ok_ms) else float("nan")

    @property
    def mean_ok_ms(self) -> float:
        """See `Times`."""
        return float(self.sorted_ok_ms.mean()) if len(self.sorted_ok_ms) else float("nan")

    @property
    def ok_rate(self) -> float:
        """See `Times`."""
        return len(self.sorted_ok_ms) / self.window_s


@dataclass(frozen=True)
class EndpointSamples:
    """The samples of one endpoint within the measured window.

    Args:
        rows: structured array of shape (n,), n > 0, of `DTYPE`.
        window_s: length of the window in seconds.
    """

    rows: NDArray[np.void]
    window_s: float

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Whether each request failed, shape (n,)."""
        failed: NDArray[np.bool_] = IS_FAILURE[self.rows["outcome"]]
        return failed

    @cached_property
    def times(self) -> MeasuredTimes:
        """How long they took."""
        return MeasuredTimes(np.sort(np.where(self.failed, np.inf, self.rows["response_ms"])), self.window_s)

    @property
    def failures(self) -> tuple[int, int]:
        """How many requests failed, of how many."""
        return int(self.failed.sum()), len(self.rows)

    @property
    def wrong(self) -> tuple[int, int]:
        """How many predictions were not what their label says, of how many that had a label."""
        if contract.CORRECT not in (self.rows.dtype.names or ()):
            return 0, 0
        labelled = self.rows[contract.CORRECT][~np.isnan(self.rows[contract.CORRECT])]
        return int((labelled == 0).sum()), len(labelled)

    @property
    def repeated(self) -> tuple[int, int]:
        """How many of the first thousand requests asked what another one of them had asked, and how many were looked at.

        Always of as many, for the more there are, the more often a payload comes again.
        """
        known = self.rows[self.rows["asked"] != 0]
        asked = known["asked"]
        if len(known) > _COUNTED_AS_DISTINCT:
            asked = asked[np.argpartition(known["due_s"], _COUNTED_AS_DISTINCT)[:_COUNTED_AS_DISTINCT]]
        return len(asked) - len(np.unique(asked)), len(asked)


def grouped(keys: NDArray[np.integer]) -> dict[int, NDArray[np.intp]]:
    """Where each distinct key stands, keys ascending. Keys are not negative."""
    if not len(keys):
        return {}
    # Sorting 16 bits is a counting sort, ten times as fast as sorting 32; more endpoints or seconds than that are rare.
    order = np.argsort(keys.astype("u2") if keys.max() < 2**16 else keys, kind="stable")
    counts = np.bincount(keys)
    present = np.flatnonzero(counts)
    return dict(zip(present.tolist(), np.split(order, np.cumsum(counts[present])[:-1]), strict=True))


def read_rows(folder: Path) -> tuple[NDArray[np.void], list[str]]:
    """All samples of a run, warm-up included, and the endpoint names that their `endpoint` field counts.

    Where predictions were labelled, with what the labels say; see `with_labels`.

    Raises:
        LoadError: see `read_recording`.
    """
    rows, names, extras = read_recording(folder)
    return with_labels(rows, extras.get(contract.CORRECT)), names


def read_recording(folder: Path) -> tuple[NDArray[np.void], list[str], dict[str, NDArray[np.float64]]]:
    """All samples of a run, warm-up included, the endpoint names that their `endpoint` field counts, and the numbers that the
    locustfile attached to them: by name, shape (n,), NaN where a sample has none.

    Several workers number endpoints by themselves; here they are numbered as one.

    Raises:
        LoadError: if a file is damaged, or a sample is of an endpoint that nobody wrote.
    """
    names: dict[str, int] = {}
    paths = sorted(folder.glob("samples-*.bin"))
    # One array from the start: joining the files' arrays would need twice the memory.
    whole = np.empty(sum(path.stat().st_size // DTYPE.itemsize for path in paths), DTYPE)
    first = 0
    for path in paths:
        # Half a sample at the end was being written when the disk was full or Locust was killed; the counts will tell.
        rows = whole[first : first + path.stat().st_size // DTYPE.itemsize]
        with path.open("rb") as file:
            file.readinto(rows.view("u1").data)
        first += len(rows)
        _refuse_impossible(rows, path.name)
        numbers = _endpoint_numbers(
            path.with_name(path.name.replace("samples", "endpoints")).with_suffix(".jsonl"), names
        )
        if len(rows) and int(rows["endpoint"].max()) >= len(numbers):
            raise LoadError(f"`{path.name}` has samples of an endpoint without a name.", cause=DAMAGED)
        rows["endpoint"] = np.array(numbers, dtype="u4")[rows["endpoint"]] if len(rows) else rows["endpoint"]
    return whole, list(names), _read_extras(folder)


def with_labels(rows: NDArray[np.void], correct: NDArray[np.float64] | None) -> NDArray[np.void]:
    """The rows with a column beside those of the contract, shape (n,): 1 right, 0 wrong, NaN without a label.

    As they are where no prediction had a label.
    """
    if correct is None:
        return rows
    labelled = np.empty(len(rows), np.dtype([*rows.dtype.descr, (contract.CORRECT, "f4")]))
    for field in rows.dtype.names or ():
        labelled[field] = rows[field]
    labelled[contract.CORRECT] = correct
    return labelled


def _endpoint_numbers(path: Path, names: dict[str, int]) -> list[int]:
    # To what is left out no sample refers yet.
    lines = whole_lines(path)
    with _told(path):
        entries = [json.loads(line) for line in lines]
        return [names.setdefault(writable(f"{method} {name}"), len(names)) for _, method, name in entries]


def _refuse_impossible(rows: NDArray[np.void], name: str) -> None:
    if not len(rows):
        return
    seconds = {"due_s": _LONGEST_S, "start_s": _LONGEST_S, "response_ms": 1000 * _LONGEST_S}
    within = all(-most <= rows[field].min() and rows[field].max() <= most for field, most in seconds.items())
    if not within or rows["outcome"].max() >= len(IS_FAILURE):
        raise LoadError(f"`{name}` has samples that cannot be.", cause=DAMAGED)


@contextmanager
def _told(path: Path, line: int = 0) -> "Iterator[None]":
    """What is wrong with the instrument's file, or with a line of it, as our own error."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        where = f"Line {line} of `{path.name}`" if line else f"`{path.name}`"
        raise LoadError(f"{where} cannot be read: {type(error).__name__}: {error}.", cause=DAMAGED) from error


def writable(text: str) -> str:
    """A text that can be written as UTF-8; a name from user code may hold half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_answers(folder: Path) -> NDArray[np.float64]:
    """When each request of a run was answered, warm-up included: shape (n,), ascending, in seconds since the load began.

    Raises:
        LoadError: see `read_recording`.
    """
    rows, _, _ = read_recording(folder)
    return np.sort(taken_s(rows) + rows["response_ms"] / 1000)


def taken_s(rows: NDArray[np.void]) -> NDArray[np.float64]:
    """From when the response time counts: in open load from the due moment, or as much later as the pacer was late."""
    return np.where(np.isnan(rows["late_ms"]), rows["start_s"], rows["due_s"] + rows["late_ms"] / 1000)


def read_samples(folder: Path | str) -> "pd.DataFrame":
    """Every sample of a run as a table: a row a request, outcome and endpoint in words.

    Args:
        folder: `results/samples`.

    Returns:
        The columns of `contract.FIELDS`, then one for each name that the locustfile gave to `attach`, NaN where a request
        was given no such number.

    Raises:
        LoadError: if a file is damaged.
    """
    import pandas as pd  # a second of import time that a run does without

    rows, names, extras = read_recording(Path(folder))
    table = pd.DataFrame({field: rows[field] for field in contract.FIELDS})
    outcomes = pd.Index([outcome.label for outcome in contract.Outcome])
    table["endpoint"] = pd.Categorical.from_codes(rows["endpoint"].astype("i4").tolist(), pd.Index(names))
    table["outcome"] = pd.Categorical.from_codes(rows["outcome"].tolist(), outcomes)
    return table.assign(**extras)


def _read_extras(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Each extra number, shape (n,), in the order of the samples; NaN where a sample has none."""
    paths = sorted(folder.glob("samples-*.bin"))
    ends = np.cumsum([path.stat().st_size // DTYPE.itemsize for path in paths]).tolist()
    columns: dict[str, NDArray[np.float64]] = {}
    for path, begin, end in zip(paths, [0, *ends], ends, strict=False):
        for index, numbers in _extras(path.with_name(path.name.replace("samples", "extras")).with_suffix(".jsonl")):
            if not 0 <= index < end - begin:
                raise LoadError(f"`{path.name}` has no sample {index}, but numbers of one.", cause=DAMAGED)
            for name, number in numbers.items():
                if name not in columns:
                    columns[name] = np.full(ends[-1], np.nan)
                columns[name][begin + index] = number
    return columns


def _extras(path: Path) -> "Iterator[tuple[int, dict[str, float]]]":
    for place, line in enumerate(whole_lines(path), start=1):
        with _told(path, place):
            index, numbers = json.loads(line)
            read = int(index), {str(name): float(number) for name, number in numbers.items()}
        yield read


def read_health(folder: Path) -> NDArray[np.void]:
    """How the generator fared: shape (n,), an entry for each process and second.

    The fields are those of `contract.Health`, and `process`, a number for each file.

    Raises:
        LoadError: if a line is damaged.
    """
    entries: list[tuple[float, ...]] = []
    for process, path in enumerate(sorted(folder.glob("health-*.jsonl"))):
        with _told(path):
            lines = [json.loads(line) for line in whole_lines(path)]
            entries += [(*(float(line[field]) for field in _HEALTH), process) for line in lines]
    return np.array(entries, dtype=[*((field, "f8") for field in _HEALTH), ("process", "i4")])

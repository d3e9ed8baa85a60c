"""Whether open load tells the truth: our response times against the server's own ledger, counted from when requests were due."""

import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure
from benchmarks.generator import LOCUSTFILES, bare, launch, plan
from benchmarks.servers import LEDGER, Server, serving
from entrypoint.load.measure import Recording, measure
from entrypoint.measurement.metrics import nearest_rank
from entrypoint.measurement.samples import DTYPE, read_rows
from locustfiles.ml_loadtest import contract

_LOCUSTFILE = LOCUSTFILES / "steady.py"
_RATE = 100.0
_USERS = 50
_MEASURED_S = 60.0
_WARM_UP_S = 3.0
_PERCENTILES = (0.50, 0.95, 0.99)
_WITHIN = 0.02
_LATE_MS = 0.2
_CLOSED_S = 20.0


def run() -> list[Figure]:
    """p50, p95 and p99 of ours and of bare Locust, as ratios to the ledger's."""
    with tempfile.TemporaryDirectory() as name:
        ours, truth, late = _open_load(Path(name) / "ours")
        late_closed = _closed_load(Path(name) / "closed")
        theirs = _bare_locust(Path(name) / "bare")
    figures = []
    for p in _PERCENTILES:
        true_ms, our_ms = nearest_rank(np.sort(truth), p), nearest_rank(np.sort(ours), p)
        beside = f"{our_ms:.2f} ms, ledger {true_ms:.2f} ms"
        figures.append(
            Figure(
                benchmark="truth", what=f"p{p * 100:g}, ours / ledger", value=f"{our_ms / true_ms:.3f}", spread=beside,
                aim="0.98 to 1.02", met=abs(our_ms / true_ms - 1) <= _WITHIN,
            )
        )  # fmt: skip
        shown = f"{theirs[p]:g} ms"
        what = f"p{p * 100:g}, bare Locust / ledger of the open load"
        figures.append(Figure(benchmark="truth", what=what, value=f"{theirs[p] / true_ms:.3f}", spread=shown))
    return [*figures, *_request_by_request(ours, truth, late), _lateness("closed", late_closed)]


def _request_by_request(
    ours: NDArray[np.float64], truth: NDArray[np.float64], late: NDArray[np.float64]
) -> list[Figure]:
    """What one request's response time is off by, and the pacer's lateness, which the ledger contains and ours does not."""
    value, spread = _shown(ours - truth)
    off = Figure(benchmark="truth", what="ours − ledger of the median request, ms", value=value, spread=spread)
    return [off, _lateness("open", late)]


def _lateness(model: str, late: NDArray[np.float64]) -> Figure:
    value, spread = _shown(late)
    return Figure(
        benchmark="truth", what=f"lateness of the pacer, the median ticket of {model} load, ms", value=value, spread=spread,
        aim="≤ 0.20", met=nearest_rank(np.sort(late), 0.5) <= _LATE_MS,
    )  # fmt: skip


def _shown(values: NDArray[np.float64]) -> tuple[str, str]:
    """The median, and how far the rest is from it."""
    p1, middle, p99 = (nearest_rank(np.sort(values), p) for p in (0.01, 0.5, 0.99))
    return f"{middle:.2f}", f"p1 {p1:.2f}, p99 {p99:.2f}"


def _open_load(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Response times of the measured window by us and by the ledger, and lateness, in ms, request by request."""
    folder.mkdir()
    clocks = time.time() - time.perf_counter()
    with serving(LEDGER, "stalls") as server:
        todo = plan(server.url, users=_USERS, warm_up_s=_WARM_UP_S, measured_s=_MEASURED_S, arrival_rate=_RATE)
        recording = measure(launch(_LOCUSTFILE, folder), todo)
        return _join(recording, server, clocks)


def _closed_load(folder: Path) -> NDArray[np.float64]:
    """Lateness in ms of every measured ticket, where each is due when its user has thought long enough."""
    folder.mkdir()
    with serving(LEDGER) as server:
        todo = plan(server.url, users=_USERS, warm_up_s=_WARM_UP_S, measured_s=_CLOSED_S)
        rows, _ = read_rows(measure(launch(_LOCUSTFILE, folder), todo).exchange)
    return rows[rows["segment"] >= 0]["late_ms"].astype("f8")


def _join(
    recording: Recording, server: Server, clocks: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    assert recording.closing is not None
    assert recording.closing.complete, recording.closing.problem
    rows, _ = read_rows(recording.exchange)
    rows = rows[rows["segment"] >= 0]
    _refuse_failures(rows)
    answered = {identity: at for identity, _, at in server.ledger()}
    done = np.array([answered[f"{segment}.{ticket}"] for segment, ticket in rows[["segment", "ticket"]].tolist()])
    # The ledger's clock is the monotonic one; the closing record says by the wall clock when the load began.
    due = rows["due_s"] + (recording.closing.origin_unix_s - clocks)
    return rows["response_ms"].copy(), (done - due) * 1000, rows["late_ms"].astype("f8")


def _refuse_failures(rows: NDArray[np.void]) -> None:
    assert rows.dtype == DTYPE
    failed = int((rows["outcome"] != contract.Outcome.OK).sum())
    assert not failed, f"{failed} of {len(rows)} requests failed"
    assert len(rows) >= _RATE * _MEASURED_S * 0.98, f"only {len(rows)} requests"


def _bare_locust(folder: Path) -> dict[float, float]:
    """Percentiles in ms as Locust's own CSV gives them."""
    with serving(LEDGER, "stalls") as server, bare(_LOCUSTFILE, server.url, users=_USERS, folder=folder):
        time.sleep(_WARM_UP_S + _MEASURED_S)
    with (folder / "bare_stats.csv").open(encoding="utf-8") as file:
        total = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    return {p: float(total[f"{p * 100:g}%"]) for p in _PERCENTILES}

"""Bytes on disk for each sample, all files of a run counted."""

import tempfile
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.generator import LOCUSTFILES, launch, plan
from benchmarks.servers import FAST, serving
from entrypoint.load.measure import measure
from entrypoint.measurement.samples import read_rows

_MOST = 64.0
_MEASURED_S = 20.0
_WARM_UP_S = 2.0
# (arrival rate, what is said of it): at saturation the samples are all; at a low rate, what is written each second counts too.
_LOADS = ((None, "saturated"), (100.0, "100 requests/s"))


def run() -> list[Figure]:
    """Bytes per sample at a high and at a low rate."""
    return [_figure(rate, text) for rate, text in _LOADS]


def _figure(rate: float | None, text: str) -> Figure:
    with tempfile.TemporaryDirectory() as name, serving(FAST) as server:
        folder = Path(name)
        todo = plan(server.url, users=20, warm_up_s=_WARM_UP_S, measured_s=_MEASURED_S, arrival_rate=rate)
        exchange = measure(launch(LOCUSTFILES / "saturate.py", folder), todo).exchange
        size = sum(path.stat().st_size for path in exchange.rglob("*") if path.is_file())
        samples = len(read_rows(exchange)[0])
    each = size / samples
    what = f"bytes per sample, all files, {text}, {_MEASURED_S:g} s"
    beside = f"{samples} samples"
    return Figure(benchmark="disk", what=what, value=f"{each:.1f}", spread=beside, aim="≤ 64", met=each <= _MOST)

"""The process that `length` watches: python -m benchmarks.length_child FOLDER committed|base, from samples to every report."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from benchmarks.reading_child import peak_kb
from entrypoint.baseline import runs
from entrypoint.baseline.model import Fingerprint, Group
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.paired import Paired
from entrypoint.judgement.reference import Reference
from entrypoint.judgement.verdict import Findings, judge
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.model import Measurement
from entrypoint.measurement.pairs import read_pairs
from entrypoint.report.render import render_comment
from entrypoint.report.result import Compared, Environment, Result
from entrypoint.report.saving import save
from entrypoint.settings.model import CompareWith, Policy
from locustfiles.ml_loadtest import contract

_RATE = 0.01
_OCCASIONS = 5
_seconds: dict[str, float] = {}


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    _seconds[stage] = time.monotonic() - began


def main(folder: Path, with_: CompareWith) -> None:
    plan, closing = contract.read_plan(folder / "plan.json"), contract.read_closing(folder / "closing.json")
    with _timed("measured"):
        measurement, *_ = [
            measure_recording(folder, plan, closing, plan_key="benchmark", plan_text="benchmark", target=target)
            for target in range(len(plan.targets))
        ]
    with _timed("compared"):
        paired = with_ is CompareWith.BASE
        reference: Reference = Paired(read_pairs(folder, closing, plan.lead_in_s)) if paired else _baseline(measurement)
        comparison = compare(measurement, reference, [], _RATE)
    findings = Findings(
        checks=measurement.checks, comparison=comparison, faults=(), baseline="found", compare_with=with_
    )
    verdict = judge(findings, Policy())
    result = Result(
        tool_version="0", suite="", verdict=verdict.outcome, exit_code=verdict.exit_code, reasons=verdict.reasons,
        changes=comparison.changes, compared=Compared(with_=with_.value, rows=comparison.rows, alpha=comparison.alpha),
        measurement=measurement, environment=Environment(machine="", launcher="url", occasion=""),
    )  # fmt: skip
    with _timed("reported"):
        save(result, folder / "out")
        comment = render_comment(result)
    sizes = {file.name: file.stat().st_size for file in sorted((folder / "out").iterdir())}
    requests = sum(endpoint.requests for endpoint in measurement.endpoints.values())
    told = {"seconds": _seconds, "sizes": sizes, "comment": len(comment), "rows": comparison.rows}
    print(json.dumps({**told, "requests": requests, "verdict": verdict.outcome.value, "peak_kb": peak_kb()}))


def _baseline(measurement: Measurement) -> Committed:
    """Of runs that went as this one did."""
    today = date.today().isoformat()
    kept = [runs.as_run(measurement, occasion=str(number), commit="0" * 40, date=today) for number in range(_OCCASIONS)]
    return Committed(Group(fingerprint=Fingerprint(machine="", launcher="url", plan="benchmark"), runs=tuple(kept)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), CompareWith(sys.argv[2]))

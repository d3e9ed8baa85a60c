"""The process that `reading` watches: python -m benchmarks.reading_child FOLDER, from samples to result.json."""

import json
import re
import sys
import time
from pathlib import Path

from entrypoint.judgement.model import Outcome
from entrypoint.measurement.measure import measure_recording
from entrypoint.report.result import Compared, Environment, Result, write_result
from locustfiles.ml_loadtest import contract


def main(folder: Path) -> None:
    imported = time.monotonic()
    plan, closing = contract.read_plan(folder / "plan.json"), contract.read_closing(folder / "closing.json")
    measurement = measure_recording(folder, plan, closing, plan_key="benchmark", plan_text="benchmark")
    result = Result(
        tool_version="0", suite="", verdict=Outcome.PASS, exit_code=0, reasons=(), compared=Compared(with_="none"),
        measurement=measurement, environment=Environment(machine="", launcher="url", occasion=""),
    )  # fmt: skip
    write_result(folder / "out", result)
    requests = sum(endpoint.requests for endpoint in measurement.endpoints.values())
    print(json.dumps({"imported": imported, "requests": requests, "peak_kb": peak_kb()}))


def peak_kb() -> int:
    """This process's own high-water mark: `getrusage` would inherit the parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

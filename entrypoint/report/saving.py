"""The results folder: `result.json` and everything rendered from it."""

import time
from pathlib import Path

from entrypoint.report.render import render
from entrypoint.report.result import Result, write_result


def save(result: Result, folder: Path) -> Result:
    """Write the result and its reports; the result first, for it must not be lost with them.

    Returns:
        the result with what rendering took in its `timing`.
    """
    write_result(folder, result)
    began = time.monotonic()
    render(result, folder)
    seconds = time.monotonic() - began
    timing = {
        stage: round(taken + seconds * (stage in {"total", "overhead"}), 3) for stage, taken in result.timing.items()
    }
    whole = result.model_copy(update={"timing": {**timing, "report": round(seconds, 3)}})
    write_result(folder, whole)
    return whole

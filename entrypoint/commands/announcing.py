"""From a result or an error to what is announced; shared by the commands that end a step of the action."""

import re
from pathlib import Path

from entrypoint.errors import LoadTestError
from entrypoint.judgement.model import Outcome
from entrypoint.publish.announce import Announcement, Tone
from entrypoint.report.render import render_summary
from entrypoint.report.result import Result

_QUIET = (Outcome.PASS, Outcome.IMPROVEMENT)


def of_result(result: Result, folder: Path) -> Announcement:
    """What to announce of a finished run."""
    title = f"ml-loadtest {result.suite}: {result.verdict.value}"
    tone = Tone.ERROR if result.exit_code else Tone.NOTICE if result.verdict in _QUIET else Tone.WARNING
    outputs = {
        "verdict": result.verdict.value,
        "regressions": str(result.regressions),
        "result": str(folder / "result.json"),
        "report": str(folder / "report.html"),
        "artifact-name": result.artifact_name,
    }
    sentences = [result.problem] if result.problem else [reason.text for reason in result.reasons]
    return Announcement(
        title=title, tone=tone, sentences=sentences, summary=render_summary(result), outputs=outputs, log=result.log
    )


def of_error(error: LoadTestError) -> Announcement:
    """What to announce of a command that could not do its work."""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", error.log)), default=0) + 3)
    log = f"\n\n{fence}text\n{error.log}\n{fence}" if error.log else ""
    summary = f"### ml-loadtest could not run\n\n{error}{log}\n"
    return Announcement(
        title="ml-loadtest", tone=Tone.ERROR, sentences=[str(error)], summary=summary, outputs={}, log=error.log
    )

"""Makes the comparisons, one after the other; what is done is kept, so that a campaign may stop and go on at any time."""

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

from benchmarks.trust.conditions import CONDITIONS, SERVICES, Condition, Task, schedule, thresholds_at
from benchmarks.trust.noise import coming_and_going
from entrypoint.commands.self_test import compare_parties
from entrypoint.console import Console
from entrypoint.errors import LoadTestError
from entrypoint.generation import BASE, CANDIDATE, Party
from entrypoint.report.result import Result
from entrypoint.settings.reading import Settings, read_settings

_HERE = Path(__file__).parent / "services"
DONE = "trial.json"
# What a look takes beside its measured time: two containers up and down, warm-up, analysis. For the estimate alone.
_ROUND_A_LOOK_S = 14.0
# A calibration plants so much, and takes what the rise came to as a straight line through no change.
_PROBE = {"WORK": 1.2, "TAIL": 2.0}
_PROBE_S = 40.0


def estimate_s(duration_s: float) -> tuple[float, float]:
    """Seconds that a whole campaign takes, if every comparison needs one look, and if all need three."""
    looks = len(schedule())
    each = 2 * duration_s + _ROUND_A_LOOK_S
    return looks * each, 3 * looks * each


def carry_on(folder: Path, console: Console, *, duration_s: float, budget_s: float) -> None:
    """Make the comparisons that are still to be made, until the budget is spent.

    Args:
        folder: of the campaign; it keeps every raw sample.
        duration_s: measured time of each target in each look.
        budget_s: no comparison begins after so many seconds.
    """
    ends = time.monotonic() + budget_s
    folder.mkdir(parents=True, exist_ok=True)
    levers = _calibrated(folder, console)
    for number, task in enumerate(schedule()):
        place = folder / "trials" / task.name
        if (place / DONE).exists():
            continue
        if time.monotonic() > ends:
            console.say("the budget is spent; the same command goes on where this one stopped")
            return
        with coming_and_going(number):
            _try(place, task, levers, console, duration_s)


def _calibrated(folder: Path, console: Console) -> dict[str, float]:
    """By service, lever and rise, the lever's value that gives the rise."""
    path = folder / "levers.json"
    levers: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    for service in SERVICES:
        for lever, setting in _PROBE.items():
            wanted = [condition for condition in CONDITIONS if condition.lever == lever]
            if f"{service}-{wanted[0].name}" in levers:
                continue
            rise = _probe(folder / f"calibration-{service}-{lever}", service, lever, setting, wanted[0].row, console)
            for condition in wanted:
                levers[f"{service}-{condition.name}"] = 1 + (setting - 1) * condition.rise / rise
            path.write_text(json.dumps(levers, indent=1))
            console.say(f"calibrated {service}: {lever} {setting} is {rise * 100:+.1f} % on {wanted[0].row}")
    return levers


def _probe(place: Path, service: str, lever: str, setting: float, row: str, console: Console) -> float:
    """The rise that a lever gives, from one long comparison without a neighbour."""
    settings = _settings(place, 0.05, duration_s=_PROBE_S, looks=1)
    result = _compare(settings, service, {lever: f"{setting}"}, console)
    return next(change.change for change in result.changes if change.metric == row and change.change is not None)


def _try(place: Path, task: Task, levers: dict[str, float], console: Console, duration_s: float) -> None:
    """One comparison; its mark is written last, so that one that was broken off is made again."""
    shutil.rmtree(place, ignore_errors=True)
    began = time.time()
    condition = task.condition
    settings = _settings(place, condition.threshold, duration_s=duration_s)
    problem, verdict = "", ""
    try:
        result = _compare(settings, task.service, _planted(task.service, condition, levers), console)
        verdict = result.verdict.value
    except LoadTestError as error:
        problem = error.what
    done = {
        "service": task.service, "condition": condition.name, "number": task.number, "began": began,
        "took_s": time.time() - began, "duration_s": duration_s, "verdict": verdict, "problem": problem,
    }  # fmt: skip
    (place / DONE).write_text(json.dumps(done, indent=1))
    console.say(f"{task.name}: {verdict or problem} after {done['took_s']:.0f} s")


def _planted(service: str, condition: Condition, levers: dict[str, float]) -> dict[str, str]:
    if not condition.lever:
        return {}
    value = condition.setting if condition.setting is not None else levers[f"{service}-{condition.name}"]
    return {condition.lever: f"{value:.6g}"}


def _compare(settings: Settings, service: str, planted: dict[str, str], console: Console) -> Result:
    own = settings.config.service
    base, candidate = (own.model_copy(update={"environment": {"SERVICE": service, **more}}) for more in ({}, planted))
    parties = (
        Party(name=CANDIDATE, service=candidate, root=settings.root),
        Party(name=BASE, service=base, root=settings.root),
    )
    return compare_parties(settings, parties, console)


def _settings(place: Path, threshold: float, *, duration_s: float, looks: int = 3) -> Settings:
    """The benchmark's own, with one threshold for all percentiles; no floor, for the answers take a few milliseconds."""
    flags = {"duration": f"{duration_s}s", "max-looks": f"{looks}"}
    settings = read_settings(flags, os.environ, _HERE, config="loadtest.yml", out=str(place))
    return dataclasses.replace(
        settings, config=settings.config.model_copy(update={"thresholds": thresholds_at(threshold)})
    )

"""Makes the comparisons, one after the other; what is done is kept, so that a campaign may stop and go on at any time."""

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

from benchmarks.trust.conditions import UNCHANGED, Task, schedule, thresholds_at
from benchmarks.trust.noise import coming_and_going
from entrypoint.commands.self_test import compare_parties, look_s
from entrypoint.console import Console
from entrypoint.errors import LoadError, LoadTestError, SettingsError
from entrypoint.generation import BASE, CANDIDATE, Party
from entrypoint.judgement.model import Outcome
from entrypoint.report.result import Result
from entrypoint.settings.reading import Settings, read_settings

_HERE = Path(__file__).parent / "services"
DONE = "trial.json"
# A calibration plants so much, and takes what the rise came to as a straight line through no change.
_PROBE = {"WORK": 1.2, "TAIL": 2.0}
_PROBE_S = 40.0


def estimate_s(duration_s: float) -> tuple[float, float]:
    """Seconds that a whole campaign takes, if every comparison needs one look, and if all need three."""
    looks = len(schedule())
    each = look_s(_settings(Path(), UNCHANGED.threshold, duration_s=duration_s))
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
    _refuse_another_duration(folder, duration_s)
    levers = Levers(folder, console)
    for number, task in enumerate(schedule()):
        place = folder / "trials" / task.name
        if (place / DONE).exists():
            continue
        if time.monotonic() > ends:
            console.say("the budget is spent; the same command goes on where this one stopped")
            return
        planted = levers.planted(task)
        with coming_and_going(number):
            _try(place, task, planted, console, duration_s)


def _refuse_another_duration(folder: Path, duration_s: float) -> None:
    """Figures of looks of several lengths do not belong into one table."""
    path = folder / "campaign.json"
    if not path.exists():
        path.write_text(json.dumps({"duration_s": duration_s}))
    begun_with = json.loads(path.read_text())["duration_s"]
    if begun_with != duration_s:
        raise SettingsError(
            f"The campaign in `{folder}` has looks of {begun_with:g} s.",
            remedy=f"Go on with `--duration {begun_with:g}s`, or name another folder.",
        )


class Levers:
    """What each lever must be set to, found by one long comparison each, when it is first needed, and kept.

    Args:
        folder: of the campaign.
        console: hears of it.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder, self._console = folder, console
        self._path = folder / "levers.json"
        self._rises: dict[str, float] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def planted(self, task: Task) -> dict[str, str]:
        """The candidate's environment, beside the service's name."""
        condition = task.condition
        if not condition.lever:
            return {}
        if condition.setting is not None:
            return {condition.lever: f"{condition.setting:g}"}
        probe = _PROBE[condition.lever]
        share = condition.rise / self._rise(task.service, condition.lever, probe, condition.row)
        return {condition.lever: f"{1 + (probe - 1) * share:.6g}"}

    def _rise(self, service: str, lever: str, probe: float, row: str) -> float:
        name = f"{service}-{lever}"
        if name not in self._rises:
            place = self._folder / f"calibration-{name}"
            self._rises[name] = _probe(place, service, lever, probe, row, self._console)
            self._path.write_text(json.dumps(self._rises, indent=1))
            self._console.say(f"calibrated {service}: {lever} {probe} is {self._rises[name] * 100:+.1f} % on {row}")
        return self._rises[name]


def _probe(place: Path, service: str, lever: str, setting: float, row: str, console: Console) -> float:
    """The rise that a lever gives, from one long comparison without a neighbour."""
    settings = _settings(place, 0.05, duration_s=_PROBE_S, looks=1)
    result = _compare(settings, service, {lever: f"{setting}"}, console)
    found = next((change for change in result.changes if change.metric == row), None)
    if result.verdict is Outcome.INVALID or found is None or not found.interval or found.interval[0] <= 0:
        raise LoadError(
            f"{lever}={setting} made no clear change of {row} of {service}, so that nothing can be planted by it.",
            remedy="Try again on a quieter machine; what was measured so far is kept.",
        )
    assert found.change is not None
    return found.change


def _try(place: Path, task: Task, planted: dict[str, str], console: Console, duration_s: float) -> None:
    """One comparison; its mark is written last, so that one that was broken off is made again."""
    shutil.rmtree(place, ignore_errors=True)
    began = time.time()
    condition = task.condition
    settings = _settings(place, condition.threshold, duration_s=duration_s)
    problem, verdict = "", ""
    try:
        result = _compare(settings, task.service, planted, console)
        verdict = result.verdict.value
    except LoadTestError as error:
        problem = error.what
    except OSError as error:
        problem = str(error)
    done = {
        "service": task.service, "condition": condition.name, "number": task.number, "planted": planted, "began": began,
        "took_s": time.time() - began, "duration_s": duration_s, "verdict": verdict, "problem": problem,
    }  # fmt: skip
    (place / DONE).write_text(json.dumps(done, indent=1))
    console.say(f"{task.name}: {verdict or problem} after {done['took_s']:.0f} s")


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

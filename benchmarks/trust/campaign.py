"""Makes the comparisons, one after the other; what is done is kept, so that a campaign may stop and go on at any time."""

import dataclasses
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trust.conditions import JUDGED, JUDGED_OF_WORK, UNCHANGED, Task, schedule, thresholds_at
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a campaign makes its comparisons.

    Attributes:
        duration_s: measured time of each target in each look.
        of_work: whether it asks if CPU time sees more work; each comparison then takes two looks, needed or not.
        python: where the services are plain processes, the interpreter that has what they need; else they are containers.
    """

    duration_s: float
    of_work: bool = False
    python: str = ""

    @property
    def looks(self) -> int:
        """The most of each comparison."""
        return 2 if self.of_work else 3


def estimate_s(course: Course) -> tuple[float, float]:
    """Seconds that a whole campaign takes, if every comparison needs the fewest looks, and if all need the most."""
    count = len(schedule(of_work=course.of_work))
    each = look_s(_settings(Path(), UNCHANGED.threshold, course))
    return count * each * (course.looks if course.of_work else 1), count * each * course.looks


def carry_on(folder: Path, console: Console, course: Course, *, budget_s: float) -> None:
    """Make the comparisons that are still to be made, until the budget is spent.

    Args:
        folder: of the campaign; it keeps every raw sample.
        budget_s: no comparison begins after so many seconds; at least one is made.
    """
    ends = time.monotonic() + budget_s
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_another_duration(folder, course.duration_s)
    levers = Levers(folder, console, course)
    tasks = list(enumerate(schedule(of_work=course.of_work)))
    left = [(number, task) for number, task in tasks if not (folder / "trials" / task.name / DONE).exists()]
    for made, (number, task) in enumerate(left):
        if made and time.monotonic() > ends:
            console.say("the budget is spent; the same command goes on where this one stopped")
            return
        planted = levers.planted(task)
        with coming_and_going(number):
            _try(folder / "trials" / task.name, task, planted, console, course)


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
        course: how its comparisons are made.
    """

    def __init__(self, folder: Path, console: Console, course: Course) -> None:
        self._folder, self._console, self._course = folder, console, course
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
            self._rises[name] = _probe(place, (service, lever, row), probe, self._console, self._course)
            self._path.write_text(json.dumps(self._rises, indent=1))
            self._console.say(f"calibrated {service}: {lever} {probe} is {self._rises[name] * 100:+.1f} % on {row}")
        return self._rises[name]


def _probe(place: Path, what: tuple[str, str, str], setting: float, console: Console, course: Course) -> float:
    """The rise that a service's lever gives a row, from one long comparison without a neighbour."""
    service, lever, row = what
    course = dataclasses.replace(course, duration_s=_PROBE_S)
    result = _compare(_settings(place, 0.05, course, looks=1), service, {lever: f"{setting}"}, console, course)
    found = next((change for change in result.changes if change.metric == row), None)
    if result.verdict is Outcome.INVALID or found is None or not found.interval or found.interval[0] <= 0:
        raise LoadError(
            f"{lever}={setting} made no clear change of {row} of {service}, so that nothing can be planted by it.",
            remedy="Try again on a quieter machine; what was measured so far is kept.",
        )
    assert found.change is not None
    return found.change


def _try(place: Path, task: Task, planted: dict[str, str], console: Console, course: Course) -> None:
    """One comparison; its mark is written last, so that one that was broken off is made again."""
    shutil.rmtree(place, ignore_errors=True)
    began = time.time()
    condition = task.condition
    settings = _settings(place, condition.threshold, course)
    problem, verdict = "", ""
    try:
        result = _compare(settings, task.service, planted, console, course)
        verdict = result.verdict.value
    except LoadTestError as error:
        problem = error.what
    except OSError as error:
        problem = str(error)
    done = {
        "service": task.service, "condition": condition.name, "number": task.number, "planted": planted, "began": began,
        "took_s": time.time() - began, "duration_s": course.duration_s, "verdict": verdict, "problem": problem,
        "rows": _rows(course),
    }  # fmt: skip
    (place / DONE).write_text(json.dumps(done, indent=1))
    console.say(f"{task.name}: {verdict or problem} after {done['took_s']:.0f} s")


def _compare(settings: Settings, service: str, planted: dict[str, str], console: Console, course: Course) -> Result:
    own = settings.config.service
    if course.python:
        command = f"{course.python} -m uvicorn {service}:app --host 127.0.0.1 --port {{port}} --log-level warning"
        own = own.model_copy(update={"compose_file": (), "service": "", "port": None, "command": command})
    base, candidate = (own.model_copy(update={"environment": {"SERVICE": service, **more}}) for more in ({}, planted))
    parties = (
        Party(name=CANDIDATE, service=candidate, root=settings.root),
        Party(name=BASE, service=base, root=settings.root),
    )
    return compare_parties(settings, parties, console, least_looks=course.looks if course.of_work else 1)


def _rows(course: Course) -> tuple[str, ...]:
    return JUDGED_OF_WORK if course.of_work else JUDGED


def _settings(place: Path, threshold: float, course: Course, *, looks: int = 0) -> Settings:
    """The benchmark's own, with one threshold for all rows; no floor, for the answers take a few milliseconds."""
    flags = {"duration": f"{course.duration_s}s", "max-looks": f"{looks or course.looks}"}
    settings = read_settings(flags, os.environ, _HERE, config="loadtest.yml", out=str(place))
    thresholds = thresholds_at(threshold, _rows(course))
    return dataclasses.replace(settings, config=settings.config.model_copy(update={"thresholds": thresholds}))

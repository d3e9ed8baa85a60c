"""`self-test`: prove on the user's own service that the gate stays quiet on no change and fires on a planted one.

Candidate and base are the same code, side by side, each behind a small proxy. The candidate's holds every answer back by a delay:
none, one at the threshold, or one of twice that.
"""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from entrypoint.console import Console
from entrypoint.errors import LoadError, SettingsError
from entrypoint.generation import BASE, CANDIDATE, BaseFailed, Party
from entrypoint.judgement.model import Change, Outcome, Status
from entrypoint.judgement.significance import exact_interval
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS
from entrypoint.report.result import Result
from entrypoint.report.saving import save
from entrypoint.run import conclude, decide, prepare
from entrypoint.service.delay import delayed
from entrypoint.settings.model import CompareWith, Mode
from entrypoint.settings.plausible import refuse_impossible
from entrypoint.settings.reading import Settings
from entrypoint.side_by_side import look_again

_ROW = "p50"
# Containers up and down, Locust's own start and end.
_ROUND_A_LOOK_S = 8.0


@dataclass(frozen=True, slots=True)
class _Trial:
    """One comparison: its result, and whether it accused any row, or the row that the delay was made for."""

    result: Result
    any_row: bool
    planted_row: bool


@dataclass(frozen=True, slots=True)
class _Plant:
    """The row a delay is made for, and the delay that is exactly what its threshold allows.

    Attributes:
        delay_ms: the allowed rise of the row, or the floor below which nothing is accused, whichever is larger.
    """

    endpoint: str
    delay_ms: float


class Pace:
    """How many looks each comparison may take, so that all of them fit into the time.

    Args:
        within_s: time for all comparisons.
        comparisons: how many there are.
        most: looks that the settings allow.
        look_s: what a look is thought to take, until one was seen.
        clock: seconds, monotonic.

    Attributes:
        short: whether any comparison had to take fewer looks than the settings allow.
    """

    def __init__(
        self,
        within_s: float,
        comparisons: int,
        most: int,
        look_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.short = False
        self._clock, self._began = clock, clock()
        self._ends = self._began + within_s
        self._left, self._most = comparisons, most
        self._looks, self._look_s = 0, look_s

    def looks(self) -> int:
        """For the next comparison: as many as the settings allow and the time has room for; never none."""
        now = self._clock()
        look_s = (now - self._began) / self._looks if self._looks else self._look_s
        looks = max(1, min(self._most, int((self._ends - now) / (self._left * look_s))))
        self.short |= looks < self._most
        return looks

    def took(self, looks: int) -> None:
        """A comparison is over, after so many looks."""
        self._looks += looks
        self._left -= 1


def self_test(settings: Settings, console: Console, *, runs: int, within_s: float) -> bool:
    """Compare the service with itself, `runs` times as it is, and as often with a delay of twice the threshold; once at it.

    Args:
        settings: whatever they compare with.
        console: hears how it goes.
        runs: how often each case is tried.
        within_s: comparisons take fewer looks than the settings allow where all of them would take longer than this.

    Returns:
        whether no unchanged run was accused, and every planted change was.

    Raises:
        SettingsError: for a service that cannot stand beside itself.
        LoadError: if a run is invalid, or no p50 is judged, so that nothing could be proven.
    """
    settings = _beside_itself(settings)
    pace = Pace(within_s, 2 * runs + 1, settings.config.compare.max_looks, look_s(settings))
    bench = _Bench(settings, console, pace)
    unchanged = [_try(bench, f"unchanged-{number}", 0.0) for number in range(1, runs + 1)]
    plant = _plant(unchanged[0].result)
    console.say(f"planting delays: {plant.delay_ms:.2f} ms is what the threshold of p50 of {plant.endpoint} allows")
    twice = [_try(bench, f"twice-{number}", 2 * plant.delay_ms, plant.endpoint) for number in range(1, runs + 1)]
    at = [_try(bench, "at-the-threshold", plant.delay_ms, plant.endpoint)]
    alarms, found = sum(trial.any_row for trial in unchanged), sum(trial.planted_row for trial in twice)
    console.say(f"unchanged: {_of(alarms, runs)} accused")
    console.say(f"twice the threshold ({2 * plant.delay_ms:.2f} ms): {_of(found, runs)} found")
    console.say(f"at the threshold: {_of(sum(trial.planted_row for trial in at), 1)} found; about half are, by design")
    if pace.short and found < runs:
        console.say("some had fewer looks than `max-looks`, and so saw less; `--within` gives them more time")
    return alarms == 0 and found == runs


def look_s(settings: Settings) -> float:
    """What a look takes if the services start quickly: ramp, warm-up and measured time of two targets."""
    load = settings.config.load
    ramp_s = load.users / load.spawn_rate if load.spawn_rate else 0.0
    return _ROUND_A_LOOK_S + ramp_s + 2 * ((load.warm_up.min_s + load.warm_up.max_s) / 2 + load.measured_s)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all comparisons share."""

    settings: Settings
    console: Console
    pace: Pace


def _beside_itself(settings: Settings) -> Settings:
    if settings.config.service.url:
        raise SettingsError(
            "`self-test` starts the service twice, and `url` names one that is already running.",
            remedy="Give `compose-file` or `command`.",
        )
    if settings.config.mode is not Mode.GATE:
        raise SettingsError(
            f"`self-test` compares one load with itself in turns, which `mode: {settings.config.mode.value}` does not.",
            remedy="Give `--mode gate`, or a settings file without `mode`.",
        )
    beside = _comparing(settings, CompareWith.BASE)
    refuse_impossible(beside.config)
    return beside


def _comparing(settings: Settings, with_: CompareWith, **more: int) -> Settings:
    compare = settings.config.compare.model_copy(update={"with_": with_, **more})
    return dataclasses.replace(settings, config=settings.config.model_copy(update={"compare": compare}))


def _try(bench: _Bench, name: str, delay_ms: float, endpoint: str = "") -> _Trial:
    """One comparison of the service with itself; its results lie in a folder of its own."""
    settings, console, looks = bench.settings, bench.console, bench.pace.looks()
    fewer = f", at most {looks} looks" if looks < settings.config.compare.max_looks else ""
    console.say(f"self-test: {name}{fewer}")
    place = dataclasses.replace(
        _comparing(settings, CompareWith.BASE, max_looks=looks),
        out=settings.out / f"self-test-{name}",
        run_id=f"{settings.run_id}-{name}",
    )
    service, root = settings.config.service, settings.root
    parties = (
        Party(name=CANDIDATE, service=service, root=root, front=partial(delayed, delay_s=delay_ms / 1000)),
        Party(name=BASE, service=service, root=root, front=partial(delayed, delay_s=0.0)),
    )
    result = compare_parties(place, parties, console)
    bench.pace.took(len(result.looks))
    _refuse_worthless(result, name)
    accused = [change for change in result.changes if change.status is Status.REGRESSED]
    for change in accused:
        console.say(f"  accused: {sentence(change)}")
    return _Trial(result, bool(accused), any(_is_planted(change, endpoint) for change in accused))


def compare_parties(
    settings: Settings, parties: tuple[Party, Party], console: Console, *, least_looks: int = 1
) -> Result:
    """Two services side by side that are not two commits; the results are saved where the settings say.

    Args:
        settings: with `compare.with: base`.
        parties: the candidate first.
        least_looks: so many looks are made even if the rows need fewer.
    """
    known = prepare(_comparing(settings, CompareWith.NONE))  # no base commit is looked for
    known = dataclasses.replace(known, settings=settings, base=known.commit or "itself")
    try:
        measured = look_again(known, parties, console, least=least_looks)
    except BaseFailed as failed:
        raise failed.error from failed
    result = conclude(known, decide(known, measured), measured)
    save(result, settings.out)
    return result


def _is_planted(change: Change, endpoint: str) -> bool:
    return (change.endpoint, change.metric) == (endpoint, _ROW)


def _refuse_worthless(result: Result, name: str) -> None:
    if result.verdict not in (Outcome.INVALID, Outcome.LIMIT_EXCEEDED):
        return
    raise LoadError(
        f"The run {name} ended as {result.verdict.value}, so it proves nothing of the gate.",
        cause=result.reasons[0].text,
        remedy="Mend that first, or give the machine less load; then try again.",
    )


def _plant(result: Result) -> _Plant:
    """The judged p50 that most requests stand behind."""
    assert result.measurement is not None
    requests = {name: found.requests for name, found in result.measurement.endpoints.items()}
    judged = [change for change in result.changes if change.metric == _ROW and change.gated and change.baseline]
    if not judged:
        raise LoadError(
            "No p50 is judged, so there is nothing to plant a change in.",
            cause="There are too few requests or pairs of turns, or thresholds say `gate: false`.",
            remedy="Measure for longer, with `--duration 60s`.",
        )
    row = max(judged, key=lambda change: requests[change.endpoint])
    allowed = (row.threshold or METRICS[_ROW].max_change_paired or 0.0) * (row.baseline or 0.0)
    return _Plant(row.endpoint, max(allowed, row.floor))


def _of(count: int, trials: int) -> str:
    low, high = exact_interval(count, trials)
    return f"{count} of {trials} (true share {low * 100:.0f} to {high * 100:.0f} %, with 95 % confidence)"

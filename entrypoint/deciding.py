"""What follows after each block of measured time: the next stage, or the next level of a search."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from entrypoint.console import Console
from entrypoint.judgement.capacity import became, longest_limit_s
from entrypoint.judgement.search import Held, next_level
from entrypoint.load import plan
from entrypoint.load.measure import Block, Decide, in_turn
from entrypoint.measurement.measure import SoFar, measure_so_far
from entrypoint.measurement.samples import read_health
from entrypoint.measurement.stages import label, level
from entrypoint.measurement.validity import check_generator, check_lateness, inside
from entrypoint.settings.model import Mode
from entrypoint.settings.reading import Settings
from locustfiles.ml_loadtest import contract

# A level may take longer than those before it, and the report its time.
_ROOM = 1.5
_REPORT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a decision asks of the run while the load goes on.

    Attributes:
        left_s: how much time the whole run has left.
        failed: whether the service ended, was restarted or ran out of memory.
    """

    left_s: Callable[[], float]
    failed: Callable[[], bool]


def first_level(settings: Settings) -> contract.Step:
    """Where a search begins."""
    load = settings.config.load
    start = load.arrival_rate if load.arrival_rate is not None else float(load.users)
    return plan.level_of_search(load, start, longest_limit_s(settings.config.thresholds))


def decider(settings: Settings, exchange: Path, console: Console, state: State) -> Decide:
    """How a run goes on.

    Args:
        settings: what it is for.
        exchange: the folder that its samples are in.
        console: hears why it ends.
        state: of the run while the load goes on.
    """
    if settings.config.mode is Mode.CAPACITY:
        return _Search(settings, exchange, console, state)
    return _ladder(settings, exchange, console)


def _ladder(settings: Settings, exchange: Path, console: Console) -> Decide:
    """Each stage after the other, for as long as the generator can drive them."""
    climb = in_turn(plan.steps_of(settings.config.load))

    def decide(block: Block) -> contract.Step | None:
        failing = _of_generator(settings, exchange, block)
        if failing and climb(block):
            console.say(f"the generator cannot drive more, the stages end here: {failing}")
        return None if failing else climb(block)

    return decide


def _of_generator(settings: Settings, exchange: Path, block: Block) -> str:
    """What kept the generator from driving a block, "" if nothing did."""
    checks = check_generator(inside(read_health(exchange), block.spans), settings.config.validity)
    return " ".join(check.text for check in checks if not check.ok)


class _Search:
    """The highest level that holds every limit; see `judgement/search.py`."""

    def __init__(self, settings: Settings, exchange: Path, console: Console, state: State) -> None:
        self._settings = settings
        self._exchange = exchange
        self._console = console
        self._state = state
        self._limit_s = longest_limit_s(settings.config.thresholds)
        self._step = first_level(settings)
        self._first = level(self._step)
        self._held: list[tuple[float, Held]] = []
        self._longest_s = self._since_s = 0.0

    def __call__(self, block: Block) -> contract.Step | None:
        self._longest_s = max(self._longest_s, block.now_s - self._since_s)
        self._since_s = block.now_s
        if self._state.failed():
            self._console.say("the service has failed, so the search ends here")
            return None
        self._held.append((level(self._step), self._became(block)))
        closed = self._step.arrival_rate is None
        following = next_level(self._first, self._held, whole=closed)
        if following is None:
            return None
        step = plan.level_of_search(self._settings.config.load, following, self._limit_s)
        if self._state.left_s() < max(_ROOM * self._longest_s, self._worst_s(step)) + _REPORT_S:
            self._console.say("there is no time for another level; raise `timeout`, or shorten `duration`")
            return None
        self._step = step
        return step

    def _worst_s(self, step: contract.Step) -> float:
        """What a level takes that overloads the service: all its users started, the longest warm-up, a whole drain."""
        load = self._settings.config.load
        more = max(0, step.users - self._step.users)
        return more / (load.spawn_rate or plan.SPAWN_RATE) + load.warm_up.max_s + step.seconds + plan.DRAIN_S

    def _became(self, block: Block) -> Held:
        """What became of the level that was just held."""
        found = measure_so_far(self._exchange, self._step, block.spans)
        failing = _of_generator(self._settings, self._exchange, block) or self._lateness(found)
        if failing:
            self._console.say(f"{label(self._step)}: the generator could not drive that: {failing}")
            return Held.GENERATOR
        how, why = became(
            found.endpoints,
            self._settings.config.thresholds,
            self._settings.config.compare.false_alarm_rate,
            overloaded=block.spans[-1].overloaded,
            outlasting=found.outlasting,
        )
        self._console.say(f"{label(self._step)}: {why or 'every limit held'}")
        return how

    def _lateness(self, found: SoFar) -> str:
        """What kept the generator from asking in time, "" if nothing did; how often it asked is known at the end alone."""
        if self._step.arrival_rate is None:
            return ""
        check = check_lateness(found.late_ms, self._settings.config.validity)
        return "" if check.ok else check.text

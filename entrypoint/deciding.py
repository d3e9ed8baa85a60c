"""What follows after each block of measured time: the next stage, or the next level of a search."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from entrypoint.console import Console
from entrypoint.judgement.capacity import became
from entrypoint.judgement.search import Held, next_level
from entrypoint.load import plan
from entrypoint.load.measure import Block, Decide, in_turn
from entrypoint.measurement.measure import endpoints_of
from entrypoint.measurement.samples import read_health
from entrypoint.measurement.stages import label, level
from entrypoint.measurement.validity import check_generator, inside
from entrypoint.settings.model import Mode
from entrypoint.settings.reading import Settings
from locustfiles.ml_loadtest import contract

# A level may take longer than those before it, and the report its time.
_ROOM = 1.5
_REPORT_S = 30.0


def decider(settings: Settings, exchange: Path, console: Console, left_s: Callable[[], float]) -> Decide:
    """How a run goes on.

    Args:
        settings: what it is for.
        exchange: the folder that its samples are in.
        console: hears why it ends.
        left_s: how much time the whole run has left.
    """
    if settings.config.mode is Mode.CAPACITY:
        return _Search(settings, exchange, console, left_s)
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

    def __init__(self, settings: Settings, exchange: Path, console: Console, left_s: Callable[[], float]) -> None:
        self._settings = settings
        self._exchange = exchange
        self._console = console
        self._left_s = left_s
        self._step = plan.steps_of(settings.config.load)[0]
        self._first = level(self._step)
        self._held: list[tuple[float, Held]] = []
        self._longest_s = self._since_s = 0.0

    def __call__(self, block: Block) -> contract.Step | None:
        self._longest_s = max(self._longest_s, block.now_s - self._since_s)
        self._since_s = block.now_s
        self._held.append((level(self._step), self._became(block)))
        closed = self._step.arrival_rate is None
        following = next_level(self._first, self._held, whole=closed)
        if following is None:
            return None
        if self._left_s() < _ROOM * self._longest_s + _REPORT_S:
            self._console.say("there is no time for another level; raise `timeout`, or shorten `duration`")
            return None
        held = {"users": int(following)} if closed else {"arrival_rate": following}
        self._step = replace(self._step, **held, by_itself=True)
        return self._step

    def _became(self, block: Block) -> Held:
        """What became of the level that was just held."""
        if failing := _of_generator(self._settings, self._exchange, block):
            self._console.say(f"{label(self._step)}: the generator could not drive that: {failing}")
            return Held.GENERATOR
        how, why = became(
            endpoints_of(self._exchange, self._step, block.spans),
            self._settings.config.thresholds,
            self._settings.config.compare.false_alarm_rate,
            overloaded=block.spans[-1].overloaded,
        )
        self._console.say(f"{label(self._step)}: {why or 'every limit held'}")
        return how

"""The run's own clock: ramp, warm-up, measured blocks, drain. Locust's run time and stages are not used."""

import json
import math
import random
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import gevent

from ml_loadtest.contract import WARM_UP, Plan, Progress, Span, Step, write_whole
from ml_loadtest.fleet import RECENT_S, Fleet, RunEndedEarly, ServiceFailed
from ml_loadtest.overload import Overload

# Response times are flat when the medians of the last two stretches of two seconds differ by less than a tenth, each with at
# least ten requests in it. Coarse on purpose: the warm-up must end on a noisy machine too, and its maximum bounds it anyway.
_STRETCH_S = 2.0
_FLAT_WITHIN = 0.10
_FEWEST = 10
_TICK_S = 0.05
_SHORT_TICK_S = 0.005
# Response times that progress takes its percentiles from, at the most.
_ENOUGH = 2000
_LOOK_S = 1.0
# A turn on one of several targets lasts at least so many of the slower one's p95, so that few requests straddle its ends.
_P95S = 10


class Timeline:
    """Leads one run from the first user to the last request.

    Args:
        exchange: the folder that the conductor reads.
        fleet: drives the load.
        shape: the locustfile's LoadTestShape, if it has one: it says how many users are at work.

    Attributes:
        steps, spans: what was measured, for the closing record.
        warm: whether response times were flat when the first span began.
    """

    def __init__(self, plan: Plan, exchange: Path, fleet: Fleet, now: Callable[[], float], shape: Any = None) -> None:
        self._plan = plan
        self._exchange = exchange
        self._fleet = fleet
        self._now = now
        self._shape = shape
        self._progress = (exchange / "progress.jsonl").open("a", encoding="utf-8")
        self._last_progress = -math.inf
        self._segment = 0
        self._order = random.Random(plan.seed)
        self._step = plan.step
        self._slowest_p95_s = 0.0
        self._asked_shape = -math.inf
        self._overload: Overload | None = None
        self._looked_for_overload = -math.inf
        self._stuck = False
        self.steps: list[Step] = []
        self.spans: list[Span] = []
        self.warm = False

    def run(self) -> None:
        """Ramp, warm up, measure block after block for as long as the conductor wants, drain.

        Raises:
            RunEndedEarly: if users do not start, a worker is lost, or the conductor is gone.
            ServiceFailed: if it is the service that keeps users from starting.
        """
        if self._plan.step.count and self._shape is not None:
            raise RunEndedEarly("the LoadTestShape and `load.count` both say when the load ends; leave one of them out")
        if self._plan.step.by_itself and self._shape is not None:
            raise RunEndedEarly(
                "the LoadTestShape and `mode: capacity` both say how many users are at work; leave one of them out"
            )
        self._set(self._plan.step)
        self._ramp()
        self._set(self._plan.step)
        self._overload = self._watch_of(self._plan.step)
        if self._shape is not None:
            self._shape.reset_time()
            self._follow_shape()
        targets = range(len(self._plan.targets))
        # With several targets each is warmed up and left alone again; a single one stays under load from here to the end.
        flat = [self._warm_up(target, alone=len(targets) == 1) for target in targets]
        self.warm = all(flat)
        step: Step | None = None if self._stuck else self._plan.step
        while step is not None:
            self._measure_block(step)
            step = self._next_step()
        if len(targets) == 1:
            self._rest(0)

    # The beginning ---------------------------------------------------------------------------------------------------

    def _set(self, step: Step) -> None:
        self._step = step
        self._fleet.load(step)

    def _ramp(self) -> None:
        fleet = self._fleet
        each = fleet.spawned / len(self._plan.targets)
        longest = each / self._plan.spawn_rate + self._plan.spawn_grace_s
        self._hold("starting", longest, lambda: fleet.started + fleet.failed >= fleet.spawned)
        fleet.sync()
        if fleet.started == fleet.spawned:
            self._refuse_absent()
            return
        said = f"{f'only {fleet.started}' if fleet.started else 'none'} of {fleet.spawned} users could start"
        if fleet.started + fleet.blocked >= fleet.spawned:
            raise ServiceFailed(f"{said}: {fleet.fault}")
        if fleet.error:
            raise RunEndedEarly(f"{said}: `on_start` raised {fleet.error}; mend it, or give it what it needs")
        raise RunEndedEarly(
            f"{said} within {longest:g} s: `on_start` does not end, or `spawn-rate` is more than Locust can do"
        )

    def _refuse_absent(self) -> None:
        """Open load: what a class without any user asks would never be asked, and nobody would see it."""
        absent = self._fleet.absent()
        if absent and self._plan.model == "open":
            raise RunEndedEarly(
                f"no user of class {absent[0]} is among the {self._plan.users}, so that nobody would ask what it asks; raise "
                "`users`, which in open load is how many may be at work at once"
            )

    def _warm_up(self, target: int, alone: bool) -> bool:
        """Until response times are flat, but at least the plan's minimum and at most its maximum; whether they are."""
        began, looked, plan = self._now(), -math.inf, self._plan
        phase = f"warm-up{self._of(target)}"
        self._turn(target, WARM_UP, WARM_UP)
        self._fleet.do("open", target=target)

        def flat() -> bool:
            nonlocal looked
            now = self._now()
            if self._overloaded(target):
                return True
            if now - began < max(plan.warm_up_min_s, 2 * _STRETCH_S) or now - looked < _LOOK_S:
                return False
            looked = now
            return self._is_flat(target)

        if plan.warm_up_max_s <= plan.warm_up_min_s:
            self._hold(phase, plan.warm_up_max_s, lambda: self._overloaded(target))
            warm = self._is_flat(target)
        else:
            warm = self._hold(phase, plan.warm_up_max_s, flat)
        times = sorted(self._recent(target, RECENT_S))
        if times:
            self._slowest_p95_s = max(self._slowest_p95_s, times[math.ceil(0.95 * len(times)) - 1] / 1000)
        if not alone:
            self._rest(target)
        return warm

    def _is_flat(self, target: int) -> bool:
        older = self._recent(target, 2 * _STRETCH_S, _STRETCH_S)
        newer = self._recent(target, _STRETCH_S)
        if min(len(older), len(newer)) < _FEWEST:
            return False
        return abs(median(newer) / max(median(older), 1e-9) - 1) <= _FLAT_WITHIN

    def _recent(self, target: int | None, since_s: float, until_s: float = 0.0) -> array:
        """Absolute response times that were heard of between `since_s` and `until_s` ago."""
        now = time.perf_counter()
        times = array("d")
        for at, whose, heard in self._fleet.recent:
            if now - since_s <= at < now - until_s and target in (None, whose):
                times.extend(abs(ms) for ms in heard)
        return times

    # Measured time ---------------------------------------------------------------------------------------------------

    def _measure_block(self, step: Step) -> None:
        self._set(step)
        if step.users * len(self._plan.targets) > self._fleet.spawned:
            self._fleet.spawn(step.users, self._plan.spawn_rate)
            self._ramp()
            self._set(step)
        self.steps.append(step)
        if len(self._plan.targets) > 1:
            self._measure_in_turns(step)
            return
        if step.by_itself and self.spans:  # the first level was warmed up when the load began
            self._overload = self._watch_of(step)
            self._warm_up(0, alone=True)
        self._measure(0, step.seconds)
        if step.by_itself:
            self._rest(0)
        self._segment += 1

    def _measure(self, target: int, seconds: float, lead_in_s: float = 0.0) -> None:
        """One span of the current segment; a counted one ends with the last answer."""
        segment, counted = self._segment, self._step.count is not None
        self._turn(target, segment, segment, lead_in_s)
        start = self._now() + lead_in_s
        if self._shape is not None:
            self._shape.reset_time()
        self._fleet.do("open", target=target)
        phase, tick_s = f"measuring{self._of(target)}", _SHORT_TICK_S if counted else _TICK_S
        self._hold(phase, seconds + lead_in_s, self._end_of_span(target, start), tick_s)
        overloaded = self._overload is not None and self._overload.seen
        self.spans.append(Span(segment, target, len(self.steps) - 1, start, self._now(), 0, overloaded=overloaded))
        self._turn(target, WARM_UP, WARM_UP)

    def _end_of_span(self, target: int, start: float) -> Callable[[], bool]:
        """What ends measured time before its time is over."""
        if self._step.count is not None:
            return lambda: self._answered(target)
        if self._shape is not None:
            return self._follow_shape
        return lambda: self._overloaded(target) and self._now() - start >= _LOOK_S

    def _watch_of(self, step: Step) -> Overload | None:
        """Closed load cannot run away: nobody asks again before he is answered."""
        return Overload(step.arrival_rate) if step.by_itself and step.arrival_rate else None

    def _overloaded(self, target: int) -> bool:
        """Whether a level that is held by itself leads nowhere; looked at about once a second."""
        if self._overload is None:
            return False
        if self._now() - self._looked_for_overload >= _LOOK_S:
            self._looked_for_overload = self._now()
            times = self._recent(target, _LOOK_S)
            self._overload.look(self._fleet.open_turns(target), median(times) if times else None)
        return self._overload.seen

    def _measure_in_turns(self, step: Step) -> None:
        """Pairs of spans, one on every target, in balanced random order: a drift of the machine falls on all alike."""
        pairs = max(1, math.floor(step.seconds / max(self._plan.segment_s, _P95S * self._slowest_p95_s)))
        order = list(range(len(self._plan.targets)))
        for pair in range(pairs):
            # Of two pairs the first is as a coin says, the second its mirror: ABBA or BAAB.
            if pair % 2 == 0:
                self._order.shuffle(order)
            else:
                order.reverse()
            for target in order:
                self._measure(target, step.seconds / pairs, self._plan.lead_in_s)
                self._rest(target)
                if self._stuck:
                    return
            self._segment += 1

    def _turn(self, target: int, segment: int, key: int, lead_in_s: float = 0.0) -> None:
        self._fleet.do("turn", target=target, segment=segment, key=key, lead_in_s=lead_in_s)

    def _next_step(self) -> Step | None:
        """Publish the last block and wait for the conductor's answer. Silence means stop."""
        self._fleet.flush()
        block = len(self.steps) - 1
        spans = [asdict(span) for span in self.spans if span.block == block]
        write_whole(self._exchange / f"block-{block}.json", {"block": block, "spans": spans, "now_s": self._now()})
        answer = self._exchange / f"answer-{block}.json"
        if self._stuck or not self._hold("deciding", self._plan.answer_s, answer.exists):
            return None
        step = json.loads(answer.read_text(encoding="utf-8"))["step"]
        return Step(**step) if step else None

    def _follow_shape(self) -> bool:
        """Ask the shape, once a second, how many users are to be at work; whether it is at its end."""
        if self._now() - self._asked_shape < _LOOK_S:
            return False
        self._asked_shape = self._now()
        tick = self._shape.tick()
        if tick is None:
            return True
        if len(tick) > 2 and tick[2]:
            raise RunEndedEarly("the LoadTestShape names user classes, which the plan's own clock cannot follow")
        users = int(tick[0])
        if users != self._step.users:
            self._fleet.spawn(users, tick[1])
            self._set(replace(self._step, users=users))
        return False

    # The end, and time itself ----------------------------------------------------------------------------------------

    def _rest(self, target: int) -> None:
        """No new requests. Those in flight are waited for, so that the slowest are kept; where they do not end, the run does."""
        self._fleet.do("close", target=target)
        phase, seconds = f"draining{self._of(target)}", self._plan.drain_s
        self._stuck = not self._hold(phase, seconds, lambda: self._idle(target), _SHORT_TICK_S)

    def _answered(self, target: int) -> bool:
        """Whether all turns of a counted block are over."""
        return self._idle(target) and self._fleet.exhausted(target)

    def _idle(self, target: int) -> bool:
        self._fleet.sync()
        return self._fleet.idle(target)

    def _of(self, target: int) -> str:
        return f" {self._plan.targets[target].name}" if len(self._plan.targets) > 1 else ""

    def _hold(
        self, phase: str, seconds: float, done: Callable[[], bool] | None = None, tick_s: float = _TICK_S
    ) -> bool:
        """Let the load run, for `seconds` or until `done`; whether it was done."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if done is not None and done():
                return True
            self._fleet.refresh()
            self._report(phase, left)
            gevent.sleep(min(tick_s, left))
        return done is not None and done()

    def _report(self, phase: str, left: float) -> None:
        """Once a second, for people to watch. The samples so far are then on disk, too."""
        now = self._now()
        if now - self._last_progress < _LOOK_S:
            return
        self._last_progress = now
        self._fleet.flush_some()
        self.report(phase, left)

    def report(self, phase: str, left: float) -> None:
        """A line of progress."""
        now = self._now()
        heard = array("d")
        for _, _, latest in self._fleet.recent:
            heard.extend(latest)
        # Thousands of requests a second are heard of five times each: a part of them says the same at a tenth of the cost.
        times = sorted(map(abs, heard[:: 1 + len(heard) // _ENOUGH]))
        failures = sum(ms < 0 for ms in heard) if heard and min(heard) < 0 else 0
        progress = Progress(
            phase=phase,
            left_s=left,
            users=min(self._fleet.started, self._step.users * len(self._plan.targets)),
            rate=len(heard) / min(RECENT_S, max(now, 0.1)),
            p50_ms=times[len(times) // 2] if times else None,
            p95_ms=times[int(len(times) * 0.95)] if times else None,
            failures=failures,
        )
        self._progress.write(json.dumps(asdict(progress)) + "\n")
        self._progress.flush()

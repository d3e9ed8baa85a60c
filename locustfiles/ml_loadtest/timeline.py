"""The run's own clock: ramp, warm-up, measured blocks, drain, closing record. Locust's run time and stages are not used."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import gevent

from ml_loadtest.contract import WARM_UP, Closing, Plan, Progress, write_whole
from ml_loadtest.health import HealthMonitor
from ml_loadtest.pacer import Pacer
from ml_loadtest.recorder import Recorder
from ml_loadtest.users import Crew

# Response times are flat when the medians of the last two stretches of two seconds differ by less than a tenth, each with at
# least ten requests in it. Coarse on purpose: the warm-up must end on a noisy machine too, and its maximum bounds it anyway.
_STRETCH_S = 2.0
_FLAT_WITHIN = 0.10
_FEWEST = 10
_SPAWN_GRACE_S = 60.0
_TICK_S = 0.05


class RunEndedEarly(Exception):  # noqa: N818 (not an error: somebody asked for it)
    """The run cannot go on; the text says why."""


class Timeline:
    """Leads one run from the first user to the closing record.

    Args:
        exchange: the folder that the conductor reads.
        pacers: one for each target.

    Attributes:
        windows: begin and end of each measured block, seconds since the load began.
        warm: whether response times were flat when the first began.
        tickets: how many were issued in measured time.
    """

    def __init__(
        self, plan: Plan, exchange: Path, recorder: Recorder, crew: Crew, pacers: list[Pacer], health: HealthMonitor
    ) -> None:
        self._plan = plan
        self._exchange = exchange
        self._recorder = recorder
        self._crew = crew
        self._pacers = pacers
        self._health = health
        self._progress = (exchange / "progress.jsonl").open("a", encoding="utf-8")
        self._last_progress = 0.0
        self.windows: list[tuple[float, float]] = []
        self.warm = False
        self.tickets = 0

    def run(self) -> None:
        """Ramp, warm up, measure block after block for as long as the conductor wants, drain.

        Raises:
            RunEndedEarly: if users do not start, or the conductor is gone.
        """
        pacer = self._pacers[0]
        if self._plan.arrival_rate is None:
            pacer.open()
        self._ramp()
        if self._plan.arrival_rate is not None:
            pacer.open()
        self._warm_up()
        while True:
            self._measure_block(pacer)
            if not self._go_on():
                break
        pacer.close()
        self._drain()

    def _measure_block(self, pacer: Pacer) -> None:
        start = self._recorder.now()
        pacer.begin_segment(len(self.windows))
        self._hold("measuring", self._plan.block_s)
        self.windows.append((start, self._recorder.now()))
        self.tickets += pacer.issued
        pacer.begin_segment(WARM_UP)

    def _ramp(self) -> None:
        wanted = self._plan.users * len(self._plan.targets)
        longest = wanted / self._plan.spawn_rate + _SPAWN_GRACE_S
        crew = self._crew
        self._hold("starting", longest, lambda: crew.started + crew.failed_to_start >= wanted)
        if crew.started < wanted:
            error = self._crew.first_error
            because = f": {type(error).__name__}: {error}" if error else ""
            raise RunEndedEarly(f"only {self._crew.started} of {wanted} users started{because}")

    def _warm_up(self) -> None:
        """Until response times are flat, but at least the plan's minimum and at most its maximum."""
        began = self._recorder.now()

        def flat() -> bool:
            now = self._recorder.now()
            return now - began >= max(self._plan.warm_up_min_s, 2 * _STRETCH_S) and self._is_flat(now)

        if self._plan.warm_up_max_s <= self._plan.warm_up_min_s:
            self._hold("warm-up", self._plan.warm_up_max_s)
            self.warm = self._is_flat(self._recorder.now())
        else:
            self.warm = self._hold("warm-up", self._plan.warm_up_max_s, flat)

    def _is_flat(self, now: float) -> bool:
        older = [ms for end, ms, _ in self._recorder.recent if now - 2 * _STRETCH_S <= end < now - _STRETCH_S]
        newer = [ms for end, ms, _ in self._recorder.recent if end >= now - _STRETCH_S]
        if min(len(older), len(newer)) < _FEWEST:
            return False
        return abs(median(newer) / max(median(older), 1e-9) - 1) <= _FLAT_WITHIN

    def _go_on(self) -> bool:
        """Publish the last block and wait for the conductor's answer. Silence means stop."""
        self._recorder.flush()
        block, (start, end) = len(self.windows) - 1, self.windows[-1]
        write_whole(self._exchange / f"block-{block}.json", {"block": block, "start_s": start, "end_s": end})
        answer = self._exchange / f"answer-{block}.json"
        deadline = time.perf_counter() + self._plan.answer_s
        while time.perf_counter() < deadline:
            if answer.exists():
                return bool(json.loads(answer.read_text(encoding="utf-8"))["go_on"])
            gevent.sleep(0.01)
        return False

    def _drain(self) -> None:
        """Requests in flight are waited for, so that the slowest are kept; what is still open then is unfinished."""
        self._hold("draining", self._plan.drain_s, self._idle)
        self._crew.abandon()

    def _idle(self) -> bool:
        return self._crew.in_flight() == 0 and not any(pacer.waiting() for pacer in self._pacers)

    def _hold(self, phase: str, seconds: float, done: Callable[[], bool] | None = None) -> bool:
        """Let the load run, for `seconds` or until `done`; whether it was done."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if done is not None and done():
                return True
            if self._health.orphaned():
                raise RunEndedEarly("the conductor is gone")
            self._report(phase, left)
            gevent.sleep(min(_TICK_S, left))
        return done is not None and done()

    def _report(self, phase: str, left: float) -> None:
        now = self._recorder.now()
        if now - self._last_progress < 1.0:
            return
        self._last_progress = now
        self._recorder.flush()
        recent = [(ms, failed) for end, ms, failed in self._recorder.recent if end >= now - 5.0]
        times = sorted(ms for ms, _ in recent)
        progress = Progress(
            phase=phase,
            left_s=left,
            users=self._crew.started,
            rate=len(recent) / min(5.0, max(now, 0.1)),
            p50_ms=times[len(times) // 2] if times else None,
            p95_ms=times[int(len(times) * 0.95)] if times else None,
            failures=sum(failed for _, failed in recent),
        )
        self._progress.write(json.dumps(progress.__dict__) + "\n")
        self._progress.flush()

    def close(
        self, complete: bool, problem: str, locust_count: int, locust_sum_ms: float, versions: dict[str, str]
    ) -> None:
        """Write what is left and then the closing record, the last word of this run."""
        self._recorder.flush()
        crew = self._crew
        if not problem and crew.empty_errors:
            problem = f"{crew.empty_errors} tasks raised without making a request, the first {crew.first_error!r}"
        closing = Closing(
            complete=complete,
            problem=problem,
            started=crew.requests_started,
            recorded=self._recorder.recorded,
            unfinished=self._recorder.unfinished,
            unreported=crew.unreported,
            response_sum_ms=self._recorder.response_sum_ms,
            locust_count=locust_count,
            locust_sum_ms=locust_sum_ms,
            windows=tuple(self.windows),
            origin_unix_s=self._recorder.origin_unix_s,
            warm=self.warm,
            users_planned=self._plan.users * len(self._plan.targets),
            users_started=crew.started,
            tickets=self.tickets,
            failures=self._recorder.failures(),
            versions=versions,
        )
        write_whole(self._exchange / "closing.json", closing)

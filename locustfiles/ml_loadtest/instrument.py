"""Our part inside Locust, hung on Locust's own events: alone, as the master of workers, or as a worker."""

import logging
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

from ml_loadtest.closing import Done, closing
from ml_loadtest.contract import Closing, Plan, read_plan, write_whole
from ml_loadtest.fleet import Fleet, LocalFleet, RunEndedEarly, ServiceFailed, unwritten
from ml_loadtest.master import VERSIONS, MasterFleet
from ml_loadtest.sink import FileSink
from ml_loadtest.station import Part, Station
from ml_loadtest.timeline import Timeline
from ml_loadtest.worker import Words, Worker, leave_with

logger = logging.getLogger("ml_loadtest")

_NOTHING_ASSERTED = 3
# What is to reach the workers is on its way then.
_LAST_WORDS_S = 0.5


def attach(exchange: Path) -> None:
    """Listen to Locust. Which part this process plays is known when Locust has made its runner."""

    def on_init(environment: Environment, **_: Any) -> None:
        if isinstance(environment.runner, WorkerRunner):
            Worker(environment, words).attach()
        else:
            Leader(exchange, environment).attach()

    words = Words(None if str(exchange) == "-" else exchange)
    if "--worker" in sys.argv:
        gevent.spawn(leave_with, os.getppid(), words)
    events.init.add_listener(on_init)


class Leader:
    """Leads one run and has its last word.

    Args:
        exchange: the folder shared with the conductor.
        environment: Locust's.
    """

    def __init__(self, exchange: Path, environment: Environment) -> None:
        self._exchange = exchange
        self._environment = environment
        self._plan: Plan = read_plan(exchange / "plan.json")
        self._station = Station(self._plan, FileSink(exchange, "master" if self._plan.workers else 0), 0)
        self._shape = environment.shape_class
        environment.shape_class = None  # its ticks are ours to ask for
        self._fleet: Fleet = (
            MasterFleet(self._plan, environment, exchange, self._station)
            if self._plan.workers
            else LocalFleet(self._plan, environment, self._station)
        )
        self._timeline = Timeline(self._plan, exchange, self._fleet, self._station.recorder.now, self._shape)
        self._closed = False

    def attach(self) -> None:
        """Listen to Locust; refuse at once what cannot be led."""
        if self._shape is not None and (self._plan.model == "open" or len(self._plan.targets) > 1):
            self._give_up("the locustfile has a LoadTestShape, which says how many users there are: it needs closed load "
                          "on one target, without `arrival-rate`")  # fmt: skip
        if self._plan.workers:
            # Locust tells it to every worker before the locustfile's own listeners ask for it.
            self._environment.host = self._plan.targets[0].url
        else:
            self._station.employ(self._environment)
        events.test_start.add_listener(self._on_test_start)
        events.quitting.add_listener(self._on_quitting)
        self._station.health.start(self._environment.runner.user_greenlets)
        if self._plan.workers:
            gevent.spawn(self._await_workers)

    def _await_workers(self) -> None:
        try:
            self._fleet.await_all(self._timeline.report)
        except RunEndedEarly as reason:
            self._give_up(str(reason))

    def _give_up(self, problem: str) -> None:
        self._close(problem)
        if self._plan.workers:
            self._environment.runner.send_message("quit")
            gevent.sleep(_LAST_WORDS_S)
        os._exit(_NOTHING_ASSERTED)

    def _on_test_start(self, **_: Any) -> None:
        # Locust sends workers their users next; one that has no plan yet would start them without us.
        while not self._fleet.complete:
            gevent.sleep(0.01)
        gevent.spawn(self._lead)

    def _lead(self) -> None:
        problem = fault = ""
        try:
            self._timeline.run()
        except ServiceFailed as reason:
            fault = str(reason)
        except RunEndedEarly as reason:
            problem = str(reason)
        except OSError as error:
            problem = unwritten(error)
        except Exception as error:
            logger.exception("the instrument failed")
            problem = f"the instrument failed: {type(error).__name__}: {error}"
        self._close(problem, fault)
        self._environment.process_exit_code = _NOTHING_ASSERTED if problem else 0
        self._environment.runner.quit()

    def _on_quitting(self, **_: Any) -> None:
        """Locust was told to stop before the plan was done; keep what there is and say that it is not all."""
        self._close(
            "Locust was told to stop before the plan was done, by a signal from outside or by the locustfile itself"
        )

    def _close(self, problem: str, fault: str = "") -> None:
        """Write what is left and then the closing record, the last word of this run."""
        if self._closed:
            return
        self._closed = True
        try:
            parts, trouble = self._fleet.finish()
            problem = problem or trouble
            self._fleet.dismiss(problem)
            write_whole(self._exchange / "closing.json", self._closing(parts, problem, fault))
        except OSError as error:
            logger.error("the closing record could not be written: %s", error)  # noqa: TRY400 (the disk's fault, not ours)

    def _closing(self, parts: list[Part], problem: str, fault: str) -> Closing:
        total = self._environment.runner.stats.total
        done = Done(
            steps=tuple(self._timeline.steps),
            spans=tuple(self._timeline.spans),
            warm=self._timeline.warm,
            origin_unix_s=time.time() - self._station.recorder.now(),
            users_planned=self._fleet.spawned,
            locust_count=total.num_requests,
            locust_sum_ms=float(total.total_response_time),
            shape=type(self._shape).__name__ if self._shape is not None else "",
            versions=VERSIONS | {"python": platform.python_version()},
        )
        return closing(done, parts, problem, fault)

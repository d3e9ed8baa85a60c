"""Our part inside Locust: users, pacer, recorder and timeline, hung on Locust's own events."""

import logging
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment

from ml_loadtest.contract import Plan, read_plan
from ml_loadtest.health import HealthMonitor
from ml_loadtest.pacer import Pacer
from ml_loadtest.recorder import Recorder
from ml_loadtest.timeline import RunEndedEarly, Timeline
from ml_loadtest.users import Crew, install

logger = logging.getLogger("ml_loadtest")


class Instrument:
    """Joins the parts and listens to Locust's events for the length of one run."""

    def __init__(self, exchange: Path) -> None:
        self.plan: Plan = read_plan(exchange / "plan.json")
        secrets = tuple(value for name in self.plan.secrets if len(value := os.environ.get(name, "")) >= 4)
        self._recorder = Recorder(exchange, 0, secrets)
        self._pacers = [Pacer(self.plan, target) for target in range(len(self.plan.targets))]
        self._crew = Crew(self.plan, self._recorder, self._pacers)
        self._health = HealthMonitor(exchange / "health-0.jsonl", self._recorder.origin)
        self._timeline = Timeline(self.plan, exchange, self._recorder, self._crew, self._pacers, self._health)
        self._environment: Environment | None = None
        self._closed = False

    def attach(self) -> None:
        """Listen to Locust and replace what `users` replaces."""
        install(self._crew)
        events.init.add_listener(self._on_init)
        events.test_start.add_listener(self._on_test_start)
        events.request.add_listener(self._crew.ended)
        events.user_error.add_listener(self._crew.raised)
        events.quitting.add_listener(self._on_quitting)

    def _on_init(self, environment: Environment, **_: Any) -> None:
        self._environment = environment
        if environment.shape_class is not None:
            self._close(
                complete=False, problem="the locustfile has a LoadTestShape, which would fight the plan's own clock"
            )
            os._exit(3)
        environment.host = None
        classes = list(environment.user_classes)
        environment.user_classes[:] = [copy for cls in classes for copy in self._crew.for_targets(cls)]

    def _on_test_start(self, **_: Any) -> None:
        self._health.start()
        gevent.spawn(self._health.run, self._environment.runner.user_greenlets)
        gevent.spawn(self._lead)

    def _lead(self) -> None:
        problem = ""
        try:
            self._timeline.run()
        except RunEndedEarly as reason:
            problem = str(reason)
        except Exception as error:
            logger.exception("the instrument failed")
            problem = f"the instrument failed: {type(error).__name__}: {error}"
        self._close(complete=not problem, problem=problem)
        self._environment.process_exit_code = 0 if not problem else 3
        self._environment.runner.quit()

    def _on_quitting(self, **_: Any) -> None:
        """Locust was told to stop before the plan was done; keep what there is and say that it is not all."""
        self._close(complete=False, problem="the load was interrupted")

    def _close(self, *, complete: bool, problem: str) -> None:
        if self._closed:
            return
        self._closed = True
        total = self._environment.runner.stats.total if self._environment and self._environment.runner else None
        versions = {name: version(name) for name in ("locust", "gevent")} | {"python": platform.python_version()}
        count, sum_ms = (total.num_requests, float(total.total_response_time)) if total else (0, 0.0)
        try:
            self._timeline.close(complete, problem, count, sum_ms, versions)
        except OSError as error:
            logger.error("the results could not be written: %s", error)  # noqa: TRY400 (the disk is full, not we at fault)

import os
import socket
import textwrap
from dataclasses import replace

import pytest

from entrypoint.load import locust
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import in_turn, measure
from entrypoint.load.plan import make_plan, steps_of
from entrypoint.load.requests import write_locustfile
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.samples import read_samples
from entrypoint.settings.model import Load
from locustfiles.ml_loadtest import contract

from .web import serving

HEADER = (
    "import random, time, gevent\n"
    "from locust import FastHttpUser, HttpUser, User, TaskSet, constant, between, events, task\n"
    "from locust.exception import StopUser\n"
)


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Run:
    """One finished load: recording, samples and measurement."""

    def __init__(self, recording, folder):
        self.recording = recording
        self.closing = recording.closing
        self.folder = folder

    @property
    def samples(self):
        return read_samples(self.recording.exchange)

    @property
    def measurement(self):
        return self.measure(0)

    def measure(self, target):
        return measure_recording(
            self.recording.exchange, self.recording.plan, self.closing, plan_key="k", plan_text="t", target=target
        )

    def outcomes(self, endpoint=None):
        """Requests of the whole run by outcome."""
        samples = self.samples
        chosen = samples if endpoint is None else samples[samples["endpoint"] == endpoint]
        return {name: int(count) for name, count in chosen["outcome"].value_counts().items() if count}


@pytest.fixture
def load(tmp_path, web):
    """Runs a locustfile given as text under real Locust, by a wrapper of its interpreter if one is given, against `web`."""

    def run(
        text,
        *,
        decide=None,
        watch=lambda _: None,
        plan=None,
        environment=(),
        load_environment=(),
        wrapper=None,
        **settings,
    ):
        if text:
            (tmp_path / "users.py").write_text(HEADER + textwrap.dedent(text))
        values = {
            "locustfile": tmp_path / "users.py" if text else None,
            "users": 2,
            "duration": "2s",
            "warm-up": "1s",
            "environment": list(load_environment),
            **settings,
        }
        load = Load.model_validate({key.replace("_", "-"): value for key, value in values.items()})
        todo = replace(make_plan(load, (contract.Target("candidate", web.url),), root=tmp_path), **(plan or {}))
        launch = locust.Launch(
            python=wrapper or locust_python(load.requirements, dict(os.environ)),
            locustfile=write_locustfile(load, tmp_path / "results" / "locust", tmp_path),
            exchange=tmp_path / "results" / "samples",
            folder=tmp_path / "results" / "locust",
            root=tmp_path,
            environment=locust.select_environment({**os.environ, **dict(environment)}, load.environment),
            workers=load.workers if todo.workers else 0,
            master=load.master_address,
        )
        return Run(measure(launch, todo, decide or in_turn(steps_of(load)), watch), tmp_path)

    return run


@pytest.fixture
def base():
    with serving() as server:
        yield server


@pytest.fixture
def both(load, web, base):
    def run(text, plan=None, **settings):
        targets = (contract.Target("candidate", web.url), contract.Target("base", base.url))
        return load(text, plan={"targets": targets, "segment_s": 0.5, **(plan or {})}, **settings)

    return run

import os
import textwrap

import pytest

from entrypoint.load import locust
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import measure, stop
from entrypoint.load.plan import make_plan
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
        return measure_recording(
            self.recording.exchange, self.recording.plan, self.closing, plan_key="k", plan_text="t"
        )

    def outcomes(self, endpoint=None):
        """Requests of the whole run by outcome."""
        samples = self.samples
        chosen = samples if endpoint is None else samples[samples["endpoint"] == endpoint]
        return {name: int(count) for name, count in chosen["outcome"].value_counts().items() if count}


@pytest.fixture
def load(tmp_path, web):
    """Runs a locustfile given as text under real Locust against `web`."""

    def run(text, *, decide=stop, watch=lambda _: None, drain_s=None, environment=(), load_environment=(), **settings):
        (tmp_path / "users.py").write_text(HEADER + textwrap.dedent(text))
        values = {
            "locustfile": tmp_path / "users.py",
            "users": 2,
            "duration": "2s",
            "warm-up": "1s",
            "environment": list(load_environment),
            **settings,
        }
        load = Load.model_validate({key.replace("_", "-"): value for key, value in values.items()})
        plan = make_plan(load, (contract.Target("candidate", web.url),))
        if drain_s is not None:
            plan = contract.Plan(**{**plan.__dict__, "drain_s": drain_s})
        launch = locust.Launch(
            python=locust_python(load.requirements, dict(os.environ)),
            locustfile=load.locustfile,
            exchange=tmp_path / "results" / "samples",
            folder=tmp_path / "results" / "locust",
            root=tmp_path,
            environment=locust.select_environment({**os.environ, **dict(environment)}, load.environment),
        )
        return Run(measure(launch, plan, decide, watch), tmp_path)

    return run

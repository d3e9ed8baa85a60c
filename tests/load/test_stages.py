"""Several levels of load in one run, and a locustfile's own LoadTestShape."""

import textwrap

import numpy as np
import pytest

from entrypoint.generation import of_load
from locustfiles.ml_loadtest import contract

from .test_load import PLAIN, failed_checks

SHAPE = """
from locust import LoadTestShape
class Shape(LoadTestShape):
    def tick(self):
        seconds = self.get_run_time()
        return None if seconds > 4 else (5, 5) if seconds > 2 else (1, 1)
"""


def spans(run):
    return [round(span.end_s - span.start_s, 1) for span in run.closing.spans]


def test_each_stage_has_rows_of_its_own_and_as_many_requests_as_its_users_make(load, web):
    run = load(
        """
        class Caller(FastHttpUser):
            wait_time = constant(0.1)
            @task
            def ask(self): self.client.get("/a")
        """,
        stages="1x2s, 8x2s, 2x2s",
    )

    measurement = run.measurement
    rows = {name: found.requests for name, found in measurement.endpoints.items()}
    assert list(rows) == ["GET /a @ 1 user", "GET /a @ 8 users", "GET /a @ 2 users"]
    # A user asks about every 0.1 s.
    assert [rows[name] / 20 for name in rows] == pytest.approx([1, 8, 2], rel=0.25)
    assert [stage.label for stage in measurement.stages] == ["1 user", "8 users", "2 users"]
    assert spans(run) == pytest.approx([2, 2, 2], abs=0.2)
    assert measurement.stages[2].recovery_s is not None
    assert not failed_checks(run)
    assert run.closing.started == len(run.samples) == web.asked["/a"]


def test_open_load_in_stages_issues_each_stage_s_own_rate(load):
    run = load(PLAIN, stages="10/sx2s, 40/sx2s", arrival="constant", users=10)

    assert [span.tickets for span in run.closing.spans] == pytest.approx([20, 80], abs=2)
    assert list(run.measurement.endpoints) == ["GET /a @ 10 requests/s", "GET /a @ 40 requests/s"]
    assert not failed_checks(run)


def test_the_time_to_recover_after_a_spike_is_that_of_the_service(load):
    """The service answers one request at a time; a spike of forty users leaves a queue behind it."""
    run = load(
        """
        class Caller(FastHttpUser):
            wait_time = constant(0)
            @task
            def ask(self): self.client.get("/queue/0.02")
        """,
        stages="2x2s, 40x2s, 2x3s",
    )

    calm, spike, after = run.measurement.stages
    assert spike.p50_ms > 5 * calm.p50_ms
    assert after.recovery_s is not None
    assert 0 <= after.recovery_s <= 2
    assert calm.recovery_s is spike.recovery_s is None


def test_a_load_test_shape_says_how_many_users_are_at_work_in_the_window(load):
    run = load(PLAIN + SHAPE, duration="20s", users=1)

    assert run.closing.shape == "Shape"
    assert spans(run) == pytest.approx([5], abs=1.2)
    samples = run.samples
    window = samples[samples["segment"] == 0]
    seconds = window["due_s"] - run.closing.spans[0].start_s
    early, late = (window[seconds < 1.5], window[(seconds > 3) & (seconds < 4)])
    assert len(set(np.floor(early["ticket"] / 2**32))) == 1
    assert len(set(np.floor(late["ticket"] / 2**32))) == 5
    assert run.closing.complete
    assert run.closing.users_started == run.closing.users_planned == 5
    assert not failed_checks(run)


@pytest.mark.parametrize(
    ("shape", "settings", "problem"),
    [
        (SHAPE, {"arrival_rate": 10}, "needs closed load"),
        (SHAPE.replace("(1, 1)", "(1, 1, [Caller])"), {}, "names user classes"),
    ],
)
def test_a_load_test_shape_that_would_fight_the_pacer_is_refused_with_the_reason(load, shape, settings, problem):
    run = load(PLAIN + shape, **settings)

    assert "complete" in failed_checks(run)
    assert "LoadTestShape" in run.closing.problem
    assert problem in run.closing.problem


def test_a_decision_may_name_another_load(load):
    loads = {0: contract.Step(1, 6), 1: contract.Step(1, 3), 2: None}
    run = load(PLAIN, decide=lambda block: loads[block.number], duration="1s")

    assert [step.users for step in run.closing.steps] == [2, 6, 3]
    assert run.closing.users_started == run.closing.users_planned == 6
    rates = [stage.requests for stage in run.measurement.stages]
    assert rates[1] > 2 * rates[0]
    assert rates[2] < 0.8 * rates[1]
    assert not failed_checks(run)


COUNTED = """
    class Caller(FastHttpUser):
        wait_time = constant(0.01)
        @task
        def ask(self):
            self.client.get("/sleep/0.02", name="slow")
            self.client.get("/a")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_counted_load_asks_exactly_so_often_and_ends_with_the_last_answer(load, workers):
    run = load(COUNTED, count=61, users=4, duration="20s", workers=workers)

    measurement = run.measurement
    assert {name: found.requests for name, found in measurement.endpoints.items()} == {"GET /a": 61, "GET slow": 61}
    assert run.closing.spans[0].tickets == 61
    total_s = measurement.service["total-time"] / 1000
    window = run.samples[run.samples["segment"] >= 0]
    last_s = float((window["start_s"] + window["response_ms"] / 1000).max())
    assert total_s == pytest.approx(last_s - run.closing.spans[0].start_s)
    # 61 turns of some 0.04 s, four at a time.
    assert 0.3 < total_s < 5
    assert total_s <= measurement.window_s
    assert not failed_checks(run)


def test_a_count_that_is_not_reached_in_time_has_no_total_time_and_is_the_service_s_fault(load):
    run = load(COUNTED, count=100_000, users=2, duration="2s")

    assert "total-time" not in run.measurement.service
    assert spans(run) == pytest.approx([2], abs=0.2)
    faults = of_load(run.closing, run.recording.plan, run.measurement)
    assert [fault.kind for fault in faults] == ["count-not-reached"]
    assert "of 100,000 tasks (`load.count`) were begun in the 2 s" in faults[0].what


@pytest.mark.parametrize(("in_task_s", "fits"), [(0.0, True), (0.15, False)])
def test_users_waiting_and_thinking_make_the_turns_that_the_law_says(load, in_task_s, fits):
    run = load(
        f"""
        class Caller(FastHttpUser):
            wait_time = between(0.04, 0.06)
            @task
            def ask(self):
                self.client.get("/sleep/0.02")
                self.client.get("/sleep/0.03")
                gevent.sleep({in_task_s})
        """,
        users=5,
        duration="4s",
    )

    law = run.measurement.law
    assert law.users == 5
    assert law.think_s == pytest.approx(0.05, abs=0.01)
    assert 0.05 < law.response_s < 0.15
    assert (abs(law.residual) < 0.1) is fits, law


def test_a_shape_and_a_count_contradict_each_other(load):
    run = load(SHAPE + textwrap.dedent(COUNTED), count=50, users=5)

    assert "both say when the load ends" in run.closing.problem


def test_a_count_that_is_not_reached_is_nobody_s_fault_where_the_generator_was(load):
    run = load(COUNTED, count=100_000, users=2, duration="2s")
    checks = tuple(check.model_copy(update={"ok": False}) for check in run.measurement.checks)

    assert of_load(run.closing, run.recording.plan, run.measurement.model_copy(update={"checks": checks})) == ()

"""What an instrument gets wrong without anybody noticing: times, shares and owners of requests in unusual locustfiles."""

import time

import numpy as np
import pytest

from locustfiles.ml_loadtest import contract

from .test_load import failed_checks


def every_failed_check(run):
    """Those that ask about the machine as well."""
    return {check.name for check in run.measurement.checks if not check.ok}


def starts(run):
    """When measured requests began, in seconds since the window did."""
    samples = run.samples
    return (samples[samples["segment"] == 0]["start_s"] - run.closing.spans[0].start_s).to_numpy()


@pytest.mark.parametrize(
    "users",
    [
        "class Caller(FastHttpUser):\n    wait_time = constant_pacing(1)\n    @task\n    def ask(self): self.client.get('/a')\n",
        "class Asking(TaskSet):\n    wait_time = constant(1)\n    @task\n    def ask(self): self.client.get('/a')\n"
        "class Caller(FastHttpUser):\n    tasks = [Asking]\n",
    ],
    ids=["constant_pacing", "wait_time of a TaskSet"],
)
def test_users_that_start_together_fall_out_of_step(load, users):
    run = load("from locust import constant_pacing\n" + users, users=40, duration="3s", warm_up="2s")

    tenths = np.histogram(starts(run) % 1.0, bins=10, range=(0, 1))[0]
    assert tenths.max() < 0.4 * tenths.sum()
    assert len(starts(run)) == pytest.approx(120, abs=15)


def test_constant_pacing_is_kept_in_turns_of_several_targets(both):
    run = both(
        "from locust import constant_pacing\n"
        "class Caller(FastHttpUser):\n    wait_time = constant_pacing(1)\n    @task\n    def ask(self): self.client.get('/a')\n",
        users=20,
        duration="6s",
    )

    counts = run.samples[run.samples["segment"] >= 0]["target"].value_counts()
    assert counts[0] == pytest.approx(120, abs=25)
    assert counts[1] == pytest.approx(120, abs=25)


def test_a_stall_at_the_end_of_the_window_is_the_generator_s(load):
    """The loop stands still across the end: whatever was in flight looks slow, and the service is not to blame."""
    run = load(
        """
        began = time.perf_counter()
        class Caller(FastHttpUser):
            wait_time = constant(0.02)
            @task
            def ask(self): self.client.get("/a")
        class Blocker(FastHttpUser):
            fixed_count = 1
            wait_time = constant(0.01)
            done = False
            @task
            def block(self):
                self.client.get("/b")
                if not Blocker.done and time.perf_counter() - began > 4.0:
                    Blocker.done = True
                    until = time.perf_counter() + 1.8
                    while time.perf_counter() < until: pass
        """,
        users=3,
        duration="3s",
        warm_up="2s",
    )

    assert "longest-stall" in every_failed_check(run)


@pytest.mark.parametrize(
    "fired",
    [
        "response=object(), response_length=1",
        "response=type('R', (), {'status_code': None})(), response_length=None",
        "response=type('R', (), {'status_code': 'OK'})(), response_length=12.5",
        "response=None, response_length=-1",
    ],
)
def test_a_client_of_any_kind_may_report_what_it_likes(load, fired):
    run = load(
        f"""
        class Custom(User):
            wait_time = constant(0.05)
            @task
            def call(self):
                events.request.fire(request_type="RPC", name="call", response_time=3.5, exception=None, context={{}}, {fired})
        """,
        duration="1s",
    )

    assert set(run.outcomes("RPC call")) == {"ok"}
    assert not failed_checks(run)


def test_a_request_reported_from_a_greenlet_of_the_task_belongs_to_the_task(load):
    run = load(
        """
        class Socket(User):
            wait_time = constant(0.05)
            @task
            def call(self):
                def receive():
                    events.request.fire(request_type="WS", name="got", response_time=5000.0, response_length=1,
                                        exception=ValueError("bad"), context={})
                gevent.spawn(receive).join()
        """,
        duration="1s",
    )

    assert run.measurement.endpoints["WS got"].failures > 5
    assert not failed_checks(run)


def test_a_request_that_nobody_made_makes_the_run_invalid(load):
    run = load(
        """
        class Caller(FastHttpUser):
            wait_time = constant(0.05)
            @task
            def ask(self): self.client.get("/a")
        def stray():
            while True:
                time.sleep(0.2)
                events.request.fire(request_type="WS", name="stray", response_time=1.0, response_length=1, exception=None,
                                    context={})
        @events.test_start.add_listener
        def begin(**_): gevent.spawn(stray)
        """
    )

    assert "complete" in failed_checks(run)
    assert "'stray' was reported from outside any task" in run.closing.problem


def test_the_wait_for_a_free_user_is_the_first_request_s_whichever_ends_first(load):
    run = load(
        """
        class Caller(FastHttpUser):
            @task
            def both(self):
                slow = gevent.spawn(self.client.get, "/sleep/0.3", name="slow")
                gevent.sleep(0)
                fast = gevent.spawn(self.client.get, "/sleep/0.02", name="fast")
                gevent.joinall([slow, fast])
        """,
        users=1,
        arrival_rate=5,
        arrival="constant",
        duration="3s",
    )

    samples = run.samples
    window = samples[samples["segment"] == 0]
    times = window.groupby("endpoint", observed=True)["response_ms"].median()
    assert times["GET slow"] > 600
    assert times["GET fast"] < 200


@pytest.mark.parametrize(
    ("task", "late"),
    [
        ("gevent.sleep(0.1); self.client.get('/a')", False),
        ("with self.client.get('/sleep/0.05', catch_response=True): self.client.get('/a')", False),
        ("[self.client.get('/a') for _ in range(3)]", False),
    ],
)
def test_what_a_task_does_before_its_request_is_not_the_generator_s_lateness(load, task, late):
    run = load(
        f"""
        class Caller(FastHttpUser):
            @task
            def ask(self):
                {task}
        """,
        users=8,
        arrival_rate=10,
    )

    assert ("lateness" in every_failed_check(run)) is late
    assert run.samples["late_ms"].notna().sum() < len(run.samples) or "range" not in task


def test_a_generator_that_is_late_fails_however_many_requests_a_task_makes(load):
    run = load(
        """
        class Caller(FastHttpUser):
            @task
            def ask(self):
                for _ in range(3): self.client.get("/a")
                until = time.perf_counter() + 0.06
                while time.perf_counter() < until: pass
        """,
        users=8,
        arrival_rate=14,
        duration="3s",
    )

    assert "lateness" in every_failed_check(run)


def test_a_worker_without_users_gets_no_share_of_the_rate(load):
    run = load(
        "class Caller(FastHttpUser):\n    @task\n    def ask(self): self.client.get('/a')\n",
        users=1,
        workers=2,
        arrival_rate=20,
        duration="3s",
    )

    span = run.closing.spans[0]
    assert span.tickets == pytest.approx(span.due, abs=2)
    assert span.due == pytest.approx(60, abs=35)
    assert "arrivals" not in failed_checks(run)


def test_every_ticket_of_a_poisson_schedule_is_accounted_for(load):
    run = load(
        "class Caller(FastHttpUser):\n    @task\n    def ask(self): self.client.get('/a')\n", users=8, arrival_rate=50
    )

    span = run.closing.spans[0]
    assert abs(span.tickets - span.due) <= 1
    assert span.due == pytest.approx(100, abs=45)


def test_open_load_without_a_user_of_a_class_is_refused(load):
    run = load(
        """
        class Often(FastHttpUser):
            weight = 10
            @task
            def ask(self): self.client.get("/a")
        class Seldom(FastHttpUser):
            @task
            def ask(self): self.client.get("/b")
        """,
        arrival_rate=20,
    )

    assert "no user of class Seldom" in run.closing.problem


def test_more_users_on_several_targets_in_mid_run_are_refused_at_once(both):
    steps = {0: contract.Step(2, 6), 1: None}
    began = time.monotonic()
    run = both(
        "class Caller(FastHttpUser):\n    wait_time = constant(0.05)\n    @task\n    def ask(self): self.client.get('/a')\n",
        users=2,
        duration="2s",
        decide=lambda block: steps[block.number],
    )

    assert "they all have to be there from the start" in run.closing.problem
    assert time.monotonic() - began < 30


def test_a_secret_that_looks_like_a_number_or_a_word_of_ours_spoils_nothing(load):
    run = load(
        """
        class Caller(FastHttpUser):
            wait_time = constant(0.02)
            @task
            def ask(self): self.client.get("/a", name="true or 1.0e3")
        """,
        environment=[("CI", "true"), ("YEAR", "2024"), ("USERS", "users")],
        load_environment=["CI", "YEAR", "USERS"],
    )

    assert run.closing.complete
    assert set(run.samples["endpoint"]) == {"GET *** or 1.0e3"}
    assert not failed_checks(run)


def test_what_a_user_raises_is_told_short_and_harmless(load):
    run = load(
        """
        class Caller(FastHttpUser):
            def on_start(self): raise ValueError("Bearer abcdefghijkl\\n::error::\\x1b[2J\\u202e" + "x" * 10**6)
            @task
            def ask(self): self.client.get("/a")
        """
    )

    assert len(run.closing.problem) < 600
    assert "abcdefghijkl" not in run.closing.problem
    assert run.closing.problem.isprintable()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_listener_of_the_locustfile_s_knows_the_host(load, web, workers):
    run = load(
        """
        seen = []
        @events.test_start.add_listener
        def begin(environment, **_): seen.append(environment.host)
        class Caller(FastHttpUser):
            wait_time = constant(0.05)
            @task
            def ask(self): self.client.get("/a", name=seen[0])
        """,
        duration="1s",
        workers=workers,
    )

    assert set(run.samples["endpoint"]) == {f"GET {web.url}"}


def test_a_user_that_leaves_in_the_warm_up_makes_the_run_invalid(load):
    run = load(
        """
        class Caller(FastHttpUser):
            wait_time = constant(0.02)
            left = False
            @task
            def ask(self):
                self.client.get("/a")
                if not Caller.left:
                    Caller.left = True
                    raise StopUser()
        """,
        users=3,
        warm_up="2.5s",
    )

    assert failed_checks(run) == {"users-at-work"}

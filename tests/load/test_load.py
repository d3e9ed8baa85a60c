"""Real Locust, a real server, every request accounted for."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest

from entrypoint.errors import LoadError, SettingsError
from entrypoint.interruption import Interrupted, interruptible
from entrypoint.load import interpreter
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import tail
from entrypoint.measurement.samples import DTYPE
from locustfiles.ml_loadtest import contract

from .conftest import HEADER

PLAIN = """
class Caller(FastHttpUser):
    wait_time = between(0.02, 0.05)
    @task
    def ask(self):
        self.client.get("/a")
"""


def ours():
    """Locust processes that this process started."""
    return [child for child in psutil.Process().children(recursive=True) if "launch.py" in " ".join(child.cmdline())]


# What the machine's neighbours do to the generator is not what these tests are about; tests/measurement has it.
OF_THE_MACHINE = {"generator-cpu", "event-loop-lag", "run-queue", "steal", "lateness"}


def failed_checks(run):
    return {check.name for check in run.measurement.checks if not check.ok} - OF_THE_MACHINE


def test_every_request_of_a_closed_load_is_a_sample_and_the_counts_agree(load, web):
    run = load(PLAIN)

    assert run.closing.complete
    assert run.closing.started == run.closing.recorded == len(run.samples) == web.asked["/a"]
    assert run.closing.response_sum_ms == run.closing.locust_sum_ms
    assert not failed_checks(run)
    assert run.closing.measured_s() == pytest.approx(2, abs=0.2)
    assert (run.folder / "results/locust/locust.log").stat().st_size
    assert not (run.folder / "__pycache__").exists()
    assert ours() == []


def test_http_user_task_set_weights_fixed_count_on_start_and_custom_clients_work_unchanged(load, web):
    run = load(
        """
        class Steps(TaskSet):
            @task(3)
            def many(self):
                self.client.get("/many")
            @task
            def leave(self):
                self.client.get("/leave")
                self.interrupt()
        class Browser(HttpUser):
            wait_time = constant(0.02)
            tasks = [Steps]
            def on_start(self):
                self.client.get("/login")
        class Watcher(HttpUser):
            fixed_count = 1
            wait_time = constant(0.1)
            @task
            def look(self):
                self.client.get("/health", name="health")
        class Custom(User):
            wait_time = constant(0.05)
            @task
            def call(self):
                events.request.fire(request_type="GRPC", name="predict", response_time=7.5, response_length=3,
                                    exception=None, context={})
        """,
        users=5,
    )

    names = set(run.samples["endpoint"])
    assert names == {"GET /many", "GET /leave", "GET /login", "GET health", "GRPC predict"}
    assert not failed_checks(run)
    assert set(run.samples[run.samples["endpoint"] == "GRPC predict"]["response_ms"]) == {7.5}
    assert set(run.samples[run.samples["endpoint"] == "GET /login"]["segment"]) == {contract.SET_UP}
    assert "GET /login" not in run.measurement.endpoints


def test_each_way_to_fail_has_an_outcome_of_its_own(load):
    run = load(
        """
        class Caller(FastHttpUser):
            network_timeout = 0.3
            wait_time = constant(0.02)
            @task
            def ok(self): self.client.get("/a")
            @task
            def wrong(self):
                with self.client.get("/wrong", catch_response=True) as response:
                    if "error" in response.text:
                        response.failure("a 200 with an error body, Bearer abcdefghijkl")
            @task
            def expected(self):
                with self.client.get("/status/400", catch_response=True) as response:
                    response.success()
            @task
            def refused(self): self.client.get("/status/404")
            @task
            def broken(self): self.client.get("/status/500")
            @task
            def hangs(self): self.client.get("/sleep/1")
            @task
            def closes(self): self.client.post("/close", data=b"x")
            @task
            def raises(self):
                with self.client.get("/raise", catch_response=True):
                    raise ValueError("the answer has no prediction")
            @task
            def raises_later(self):
                self.client.get("/later")
                raise KeyError("prediction")
        """,
        users=8,
        duration="3s",
    )

    expected = {
        "GET /a": "ok", "GET /wrong": "invalid", "GET /status/400": "expected rejection",
        "GET /status/404": "unexpected rejection", "GET /status/500": "server error", "GET /sleep/1": "timeout",
        "POST /close": "connection", "GET /raise": "invalid", "GET /later": "invalid",
    }  # fmt: skip
    assert {endpoint: set(run.outcomes(endpoint)) for endpoint in expected} == {
        name: {o} for name, o in expected.items()
    }
    assert not failed_checks(run)
    messages = {failure.name: failure.message for failure in run.closing.failures}
    assert messages["/wrong"] == "a 200 with an error body, Bearer ***"
    assert messages["/raise"] == "the answer has no prediction"


def test_http_user_failures_have_the_same_outcomes(load):
    run = load(
        """
        class Caller(HttpUser):
            wait_time = constant(0.02)
            @task
            def refused(self): self.client.get("/status/404")
            @task
            def broken(self): self.client.get("/status/503")
            @task
            def hangs(self): self.client.get("/sleep/1", timeout=0.2)
            @task
            def closes(self): self.client.get("/close")
        """,
        users=4,
    )

    assert set(run.outcomes("GET /status/404")) == {"unexpected rejection"}
    assert set(run.outcomes("GET /status/503")) == {"server error"}
    assert set(run.outcomes("GET /sleep/1")) == {"timeout"}
    assert set(run.outcomes("GET /close")) == {"connection"}


def test_slow_requests_in_flight_at_the_end_are_waited_for(load):
    run = load(
        """
        class Slow(FastHttpUser):
            wait_time = constant(0)
            @task
            def ask(self): self.client.get("/sleep/1.5")
        """,
        users=8,
        duration="2s",
        warm_up="0.2s",
    )

    assert run.outcomes() == {"ok": run.closing.started}
    assert run.closing.started > 8
    samples = run.samples
    assert ((samples["start_s"] + samples["response_ms"] / 1000) > run.closing.spans[-1].end_s).sum() == 8
    assert not failed_checks(run)


def test_what_is_still_open_after_the_drain_is_unfinished_and_not_lost(load):
    run = load(
        """
        class Slow(FastHttpUser):
            wait_time = constant(0)
            @task
            def ask(self): self.client.get("/sleep/30")
        """,
        users=8,
        duration="1s",
        plan={"drain_s": 0.5},
    )

    assert run.outcomes("GET /sleep/30") == {"unfinished": 8}
    assert (run.closing.started, run.closing.unfinished) == (8, 8)
    assert not failed_checks(run) - {"requests"}


def test_open_load_issues_what_was_asked_for_and_counts_waiting_for_a_user(load):
    run = load(
        """
        class Caller(FastHttpUser):
            @task
            def ask(self): self.client.get("/sleep/0.05")
        """,
        users=1,
        arrival_rate=30,
        arrival="constant",
        duration="2s",
    )

    window = run.samples[run.samples["segment"] == 0]
    assert run.closing.spans[0].tickets == pytest.approx(60, abs=2)
    # One user manages 20 requests of 50 ms a second, so the backlog of 30 a second grows without end.
    assert window["response_ms"].max() > 500
    assert window["late_ms"].median() < 5
    assert not failed_checks(run)


def test_open_load_with_free_users_measures_the_service_and_not_the_pacer(load):
    run = load(
        """
        class Caller(FastHttpUser):
            @task
            def ask(self): self.client.get("/sleep/0.02")
        """,
        users=20,
        arrival_rate=20,
        duration="3s",
    )

    window = run.samples[run.samples["segment"] == 0]
    assert 20 <= window["response_ms"].median() < 30
    assert np.all(window["start_s"] >= window["due_s"] - 1e-6)
    assert not failed_checks(run)


def test_the_same_seed_asks_the_same_things(load, web):
    text = """
    class Caller(FastHttpUser):
        @task
        def ask(self): self.client.post("/a", data=str(random.randrange(10**6)))
    """
    asked = []
    for _ in range(2):
        web.bodies.clear()
        run = load(text, users=5, arrival_rate=25, duration="1s", seed=7)
        for file in (run.folder / "results" / "samples").iterdir():
            file.unlink()
        asked.append(set(web.bodies[:20]))

    # Requests that fall due within a millisecond of each other may reach the server in either order.
    assert len(asked[0] & asked[1]) >= 18
    assert len(asked[0]) > 15


@pytest.mark.parametrize(
    ("text", "message", "log"),
    [
        pytest.param("x = (", "could not be loaded", "SyntaxError", id="syntax error"),
        pytest.param("import nowhere_to_be_found", "could not be loaded", "ModuleNotFoundError", id="import"),
        pytest.param("x = 1", "has no User class", "", id="no user"),
    ],
)
def test_a_locustfile_that_cannot_be_used_is_the_user_s_to_mend(load, text, message, log):
    with pytest.raises(SettingsError, match=message) as caught:
        load(text)

    assert log in caught.value.log
    assert ours() == []


def test_users_that_cannot_start_make_the_run_invalid_and_say_why(load, monkeypatch):
    run = load(PLAIN + "    def on_start(self): raise RuntimeError('no key for the service')\n")

    assert not run.closing.complete
    assert run.closing.problem == (
        "none of 2 users could start: `on_start` raised RuntimeError: no key for the service; mend it, or give it what it needs"
    )
    assert failed_checks(run) == {"complete", "requests", "users-started"}


def test_a_task_that_raises_without_a_request_makes_the_run_invalid(load):
    run = load(PLAIN + "    @task\n    def broken(self): raise RuntimeError('typo')\n")

    assert "complete" in failed_checks(run)
    assert "times where no request was to blame, first with RuntimeError: typo; mend it" in run.closing.problem


def test_locust_killed_leaves_all_samples_but_those_of_the_last_second(load, web):
    asked, killed = [], []

    def watch(progress):
        if progress.phase == "measuring" and not asked:
            Thread(target=note_and_kill).start()

    def note_and_kill():
        while len(asked) < 60:
            asked.append((time.monotonic(), web.asked["/a"]))
            time.sleep(0.05)
        ours()[0].send_signal(signal.SIGKILL)
        killed.append(time.monotonic())

    run = load(PLAIN, watch=watch, duration="30s", users=10)

    assert run.closing is None
    size = (run.recording.exchange / "samples-0.bin").stat().st_size
    # A quarter of a second for the machine, beyond the one that the instrument promises.
    before = max(count for at, count in asked if at < killed[0] - 1.25)
    assert before > 0
    assert size // DTYPE.itemsize >= before
    assert ours() == []


def test_locust_terminated_still_writes_what_it_has_but_calls_it_incomplete(load):
    def terminate(progress):
        if progress.phase == "measuring":
            ours()[0].send_signal(signal.SIGTERM)

    run = load(PLAIN, watch=terminate, duration="30s")

    assert not run.closing.complete
    assert run.closing.problem.startswith("Locust was told to stop before the plan was done")
    assert run.closing.recorded > 0
    assert run.closing.started == len(run.samples) == run.closing.recorded + run.closing.unfinished


def test_an_exception_in_the_conductor_leaves_no_process_behind(load):
    def fail(progress):
        raise RuntimeError("the conductor has a bug")

    with pytest.raises(RuntimeError):
        load(PLAIN, watch=fail)

    assert ours() == []


def test_the_conductor_may_ask_for_another_block_and_silence_means_stop(load):
    blocks = []

    def decide(block):
        blocks.append(block.number)
        return contract.Step(1, 2) if len(blocks) < 3 else None

    run = load(PLAIN, decide=decide, duration="1s")

    assert blocks == [0, 1, 2]
    assert sorted(set(run.samples["segment"])) == [contract.WARM_UP, 0, 1, 2]
    assert run.closing.measured_s() == pytest.approx(3, abs=0.3)
    assert not failed_checks(run)


def test_warm_up_ends_early_once_response_times_are_flat(load):
    began = time.monotonic()
    run = load(PLAIN, warm_up="1s..20s", duration="1s")

    assert run.closing.warm
    assert run.closing.spans[0].start_s < 8
    assert time.monotonic() - began < 15


def test_locust_s_own_configuration_files_and_variables_change_nothing(load, tmp_path):
    (tmp_path / "locust.conf").write_text("users = 50\nrun-time = 1s\n")
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nusers = 60\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('the user has a json.py')")

    run = load(PLAIN, environment=[("LOCUST_USERS", "70")])

    assert run.closing.users_started == 2
    assert not failed_checks(run)


def test_a_locustfile_sees_the_variables_it_was_given_and_no_other(load):
    text = """
    import os
    class Caller(FastHttpUser):
        wait_time = constant(0.05)
        @task
        def ask(self):
            self.client.get("/a", name=f"{'given' if 'API_KEY' in os.environ else None} {os.environ.get('OTHER')}")
            with self.client.get("/b", catch_response=True) as response:
                response.failure(f"refused the key {os.environ['API_KEY']}")
    """
    run = load(text, environment=[("API_KEY", "s3cr3t-key"), ("OTHER", "hidden")], load_environment=["API_KEY"])

    assert set(run.samples["endpoint"]) == {"GET given None", "GET /b"}
    assert run.closing.failures[0].message == "refused the key ***"
    assert not any(b"s3cr3t-key" in path.read_bytes() for path in run.recording.exchange.iterdir())


def test_requirements_go_into_a_copy_of_locust_s_environment(load, tmp_path):
    (tmp_path / "requirements.txt").write_text("iniconfig\n")
    run = load("import iniconfig\n" + PLAIN, requirements=tmp_path / "requirements.txt", duration="1s")

    assert not failed_checks(run)


def unfinished_environments():
    prefix = Path(f"{sys.prefix}-locust")
    return [path for path in prefix.parent.glob(f"{prefix.name}-{'?' * 12}") if not (path / ".complete").exists()]


def test_an_index_that_never_answers_is_waited_for_no_longer_than_that(tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "_LONGEST_S", 2.0)
    (tmp_path / "needs.txt").write_text("some-package\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        with pytest.raises(LoadError, match=r"`needs.txt` were not installed after 2 s"):
            locust_python(tmp_path / "needs.txt", {**os.environ, "UV_DEFAULT_INDEX": index})
    assert unfinished_environments() == []


def test_requirements_that_contradict_our_lock_are_refused(load, tmp_path):
    (tmp_path / "requirements.txt").write_text("locust==2.40.0\n")

    with pytest.raises(SettingsError, match="could not be installed"):
        load(PLAIN, requirements=tmp_path / "requirements.txt")


def test_an_orphaned_locust_stops_by_itself(tmp_path, web):
    """The conductor is killed: within a second or two its load must end."""
    (tmp_path / "users.py").write_text(HEADER + PLAIN)
    script = Path(__file__).with_name("conductor.py")
    conductor = subprocess.Popen([sys.executable, str(script), str(tmp_path), web.url])
    try:
        wait_for(lambda: web.asked["/a"] > 5)
        locusts = psutil.Process(conductor.pid).children()
        conductor.kill()
        conductor.wait()
        wait_for(lambda: not any(locust.is_running() and locust.status() != "zombie" for locust in locusts))
    finally:
        conductor.kill()


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_a_log_s_tail_is_what_is_shown(tmp_path):
    path = tmp_path / "log"
    path.write_text("\n".join(str(number) for number in range(100)))

    assert tail(path, 2) == "98\n99"
    assert tail(tmp_path / "none") == ""


# The signal may come while a file is being written, which is then closed by the collector, with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("delay_s", [0, 0.001, 0.003, 0.01, 0.05])
def test_a_signal_while_locust_is_being_started_leaves_no_process_behind(load, delay_s):
    def interrupted():
        with interruptible(60):
            signal.setitimer(signal.ITIMER_REAL, delay_s or 1e-6)
            load(PLAIN, duration="20s")

    with pytest.raises(Interrupted):
        interrupted()

    assert ours() == []


def test_a_user_that_stops_itself_makes_the_run_invalid_and_wastes_no_time(load):
    run = load(
        """
        class Caller(FastHttpUser):
            wait_time = constant(0.02)
            asked = 0
            @task
            def ask(self):
                self.client.get("/a")
                self.asked += 1
                if self.asked > 70:
                    raise StopUser()
        """,
        duration="4s",
    )

    assert failed_checks(run) == {"users-at-work"}
    assert run.closing.unfinished == 0

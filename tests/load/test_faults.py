"""What goes wrong under load, on the service's side, the locustfile's and the machine's: named for what it is, nothing lost."""

import pytest

from entrypoint.load.interpreter import locust_python

from .test_load import PLAIN, failed_checks, ours

# Of these tests none is about the machine that they run on.
RECORDS = {"complete", "lost-records", "time-sum", "users-started", "requests", "users-at-work"}
BUSY = PLAIN.replace("between(0.02, 0.05)", "constant(0.005)")


def wrong(run):
    """Checks that failed, but for those of the machine."""
    return failed_checks(run) & RECORDS


# The service fails before any user is at work ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "call", "how"),
    [
        ("FastHttpUser", 'get("/status/500")', "GET /status/500 failed in `on_start` (server error)"),
        (
            "HttpUser",
            'get("/status/403").raise_for_status()',
            "GET /status/403 failed in `on_start` (unexpected rejection)",
        ),
        ("FastHttpUser", 'get("/sleep/2")', "GET /sleep/2 failed in `on_start` (timeout)"),
        (
            "HttpUser",
            'get("http://127.0.0.1:1/login")',
            "/login failed in `on_start` (connection)",
        ),
    ],
    ids=["error", "rejection", "time-out", "refusal"],
)
def test_a_log_in_that_the_service_fails_is_its_own_fault_and_names_the_request(load, user, call, how):
    text = f"""
    class Caller({user}):
        network_timeout = 0.3
        def on_start(self):
            self.token = self.client.{call}.json()["token"]
        @task
        def ask(self):
            self.client.get("/a")
    """
    run = load(text)

    assert run.closing.fault.startswith("none of 2 users could start: GET ")
    assert how in run.closing.fault
    assert (run.closing.complete, run.closing.problem) == (False, "")
    assert not wrong(run)
    assert run.closing.started == len(run.samples) == 2


def test_a_log_in_inside_a_with_block_is_judged_by_its_status(load):
    run = load(
        PLAIN
        + """
    def on_start(self):
        with self.client.post("/status/503", data=b"", catch_response=True) as response:
            self.token = response.json()["token"]
"""
    )

    assert "POST /status/503 failed in `on_start` (server error)" in run.closing.fault


def test_a_service_that_never_answers_a_log_in_keeps_users_from_starting(load):
    run = load(PLAIN + '    def on_start(self): self.client.get("/sleep/20")\n', plan={"spawn_grace_s": 1.0})

    assert run.closing.fault.endswith("users could start: GET /sleep/20 had no answer yet in `on_start`")
    assert run.outcomes() == {"unfinished": 2}
    assert not wrong(run)


def test_an_on_start_that_takes_its_time_is_the_locustfile_s_fault(load):
    run = load(PLAIN + "    def on_start(self): gevent.sleep(20)\n", plan={"spawn_grace_s": 1.0})

    assert "`on_start` does not end, or `spawn-rate` is more than Locust can do" in run.closing.problem
    assert not run.closing.fault
    assert {"complete", "users-started"} <= wrong(run)


def test_some_users_turned_away_by_the_service_with_workers_are_its_fault_too(load):
    text = PLAIN + '    def on_start(self): assert self.client.get("/every/3").status_code < 400\n'
    run = load(text, workers=2, users=4)

    assert run.closing.fault.startswith(
        "only 3 of 4 users could start: GET /every/3 failed in `on_start` (server error)"
    )
    assert not wrong(run)


@pytest.mark.parametrize(
    "before",
    [
        'self.client.get("/a")',
        'self.client.get("/every/1", name="login"); self.client.get("/a", name="login")',
    ],
    ids=["answered", "answered at the second try"],
)
def test_an_on_start_that_raises_for_no_failed_request_is_the_locustfile_s_fault(load, before):
    run = load(PLAIN + f"    def on_start(self):\n        {before}\n        raise KeyError('token')\n")

    assert run.closing.fault == ""
    assert "`on_start` raised KeyError: 'token'; mend it" in run.closing.problem
    assert "complete" in failed_checks(run)


# The service fails under load -------------------------------------------------------------------------------------------


def test_a_service_that_never_answers_gives_time_outs_and_none_is_lost(load, web):
    run = load(PLAIN.replace('get("/a")', 'get("/sleep/20")') + "    network_timeout = 0.2\n", users=4)

    assert run.outcomes() == {"timeout": run.closing.started}
    assert run.closing.started == len(run.samples) == web.asked["/sleep/20"]
    assert run.measurement.endpoints["GET /sleep/20"].requests > 10
    assert not wrong(run)


def test_a_service_that_closes_connections_gives_connection_failures_and_none_is_lost(load, web):
    run = load(PLAIN.replace('get("/a")', 'post("/close", data=b"x")'))

    assert run.outcomes() == {"connection": run.closing.started}
    assert run.closing.started == len(run.samples) == web.asked["/close"]
    assert not wrong(run)


def test_one_answer_in_twenty_that_fails_is_found_to_be_so(load, web):
    run = load(BUSY.replace("/a", "/every/20"), users=4, duration="3s")

    asked = web.asked["/every/20"]
    assert run.outcomes() == {"ok": asked - asked // 20, "server error": asked // 20}
    measured = run.measurement.endpoints["GET /every/20"]
    # The service fails every twentieth request, so in any stretch the count is right but for one at its edge.
    assert measured.failures == pytest.approx(measured.requests / 20, abs=1)
    assert measured.requests > 200
    assert not wrong(run)


def test_a_service_that_hangs_before_the_window_and_through_all_of_it_is_seen(load):
    text = PLAIN.replace('get("/a")', 'get("/sleep/20")') + "    network_timeout = 3.5\n"
    run = load(text, users=4, duration="1s", warm_up="1s")

    assert run.outcomes() == {"timeout": 4}
    assert (run.measurement.hanging, run.measurement.endpoints) == (4, {})
    assert not wrong(run)


def test_a_window_in_which_nothing_was_due_says_what_to_change(load):
    run = load(PLAIN.replace("between(0.02, 0.05)", "constant(60)"), duration="1s")

    assert (wrong(run), run.measurement.hanging) == ({"requests"}, 0)
    check = next(check for check in run.measurement.checks if check.name == "requests")
    assert check.text == "No requests were due in the measured window; measure for longer, or let the users wait less."


# The disk takes no more -------------------------------------------------------------------------------------------------


@pytest.fixture
def small_files(tmp_path):
    """Locust's interpreter where no file can have more than 12 KiB."""
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nulimit -f 24\nexec "{locust_python(None, {})}" "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


@pytest.mark.parametrize("workers", [{}, {"workers": 2}], ids=["alone", "with workers"])
def test_samples_that_cannot_be_written_end_the_run_and_those_before_are_kept(load, small_files, workers):
    run = load(BUSY, wrapper=small_files, users=8, **workers, duration="30s")

    assert run.closing.problem == (
        "the samples could not be written: File too large; make room where the results go, or name another place with `--out`"
    )
    assert failed_checks(run) >= {"complete", "lost-records"}
    assert len(run.samples) > 150
    assert set(run.outcomes()) == {"ok"}
    assert ours() == []

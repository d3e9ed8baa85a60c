"""What a person sees while the load runs: one line that changes in a terminal, a line now and then in a log."""

import io

import pytest

from entrypoint import console
from entrypoint.console import Console, describe
from locustfiles.ml_loadtest.contract import Progress


def progress(phase="measuring", left_s=30.0, **more):
    values = {"users": 20, "rate": 99.6, "p50_ms": 4.5, "p95_ms": 12.0, "failures": 0}
    return Progress(phase=phase, left_s=left_s, **{**values, **more})


class Log:
    """A console that is no terminal, and a clock that is told what time it is."""

    def __init__(self, monkeypatch):
        self.said, self.now = [], 0.0
        monkeypatch.setattr(console.time, "monotonic", lambda: self.now)
        self.console = Console(io.StringIO(), self.said.append)

    def after(self, seconds, phase="measuring"):
        self.now += seconds
        self.console.progress(progress(phase))


@pytest.fixture
def log(monkeypatch):
    return Log(monkeypatch)


def test_a_line_says_phase_time_left_users_rate_and_percentiles():
    assert describe(progress()) == "  measuring  30 s left, 20 users, 100 requests/s, p50 4.50 ms, p95 12.0 ms"


def test_failures_are_told_where_there_are_some_and_a_single_user_is_one():
    assert describe(progress(failures=3)).endswith(", 3 failed in the last 5 s")
    assert ", 1 user, " in describe(progress(users=1))


def test_what_is_not_known_yet_is_not_a_number():
    assert "p50 n/a" in describe(progress(p50_ms=float("nan"), p95_ms=float("nan")))


def test_a_log_has_a_line_every_ten_seconds(log):
    for _ in range(25):
        log.after(1.0)
    assert len(log.said) == 3


def test_each_phase_is_told_at_once(log):
    log.after(1.0, "warm-up")
    log.after(1.0, "measuring")
    log.after(1.0, "draining")
    assert [line.split()[0] for line in log.said] == ["warm-up", "measuring", "draining"]


def test_turns_of_two_targets_do_not_flood_the_log(log):
    for second in range(8):
        log.after(1.0, f"measuring {'base' if second % 2 else 'candidate'}")
    assert len(log.said) == 1


def test_a_terminal_has_a_single_line_that_ends_before_anything_else_is_said(monkeypatch):
    class Stream(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    stream, said = Stream(), []
    shown = Console(stream, said.append)
    shown.progress(progress(left_s=30.0))
    shown.progress(progress(left_s=29.0))
    shown.say("done")
    assert said == ["done"]
    assert "measuring" in stream.getvalue()
    assert shown._live is None

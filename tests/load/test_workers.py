"""Locust's master and its workers on this machine: not one request less, and nobody missed in silence."""

import os
import signal
import subprocess
import time

import psutil
import pytest

from entrypoint.load import locust
from entrypoint.load.interpreter import locust_python

from .conftest import HEADER
from .test_load import PLAIN, failed_checks, ours


def workers():
    return [process for process in ours() if "--worker" in process.cmdline()]


def test_two_workers_lose_nothing_and_their_samples_are_files_of_their_own(load, web):
    run = load(PLAIN, workers=2, users=5, duration="3s")

    assert run.closing.complete, run.closing.problem
    assert run.closing.started == run.closing.recorded == len(run.samples) == web.asked["/a"]
    assert run.closing.response_sum_ms == pytest.approx(run.closing.locust_sum_ms, rel=1e-9)
    assert run.closing.users_started == run.closing.users_planned == 5
    sizes = [path.stat().st_size for path in sorted(run.recording.exchange.glob("samples-*.bin"))]
    assert len(sizes) == 2
    assert min(sizes) > 0.3 * max(sizes)
    assert {path.name for path in run.recording.exchange.glob("health-*")} == {
        "health-0.jsonl", "health-1.jsonl", "health-master.jsonl"
    }  # fmt: skip
    assert not failed_checks(run)
    assert ours() == []


def test_slow_requests_in_flight_at_the_end_are_samples_with_workers_too(load):
    run = load(
        """
        class Slow(FastHttpUser):
            wait_time = constant(0)
            @task
            def ask(self): self.client.get("/sleep/1.5")
        """,
        users=8,
        workers=2,
        duration="2s",
        warm_up="0.2s",
    )

    assert run.outcomes() == {"ok": run.closing.started}
    samples = run.samples
    assert ((samples["start_s"] + samples["response_ms"] / 1000) > run.closing.spans[-1].end_s).sum() == 8
    assert not failed_checks(run)


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
def test_workers_share_an_arrival_rate(load, arrival):
    run = load(PLAIN, workers=2, users=6, arrival_rate=40, arrival=arrival, duration="4s")

    slack = 3 if arrival == "constant" else 50
    assert run.closing.spans[0].tickets == pytest.approx(160, abs=slack)
    assert not failed_checks(run)
    if arrival == "constant":
        window = run.samples[run.samples["segment"] == 0]
        gaps = window["due_s"].sort_values().diff().dropna()
        # The two workers' arrivals interleave, as well as two clocks agree.
        assert gaps.median() == pytest.approx(1 / 40, abs=0.02)


def test_workers_follow_stages(load):
    run = load(PLAIN, workers=2, stages="2x2s, 8x2s", users=8)

    low, high = run.measurement.stages
    assert high.requests == pytest.approx(4 * low.requests, rel=0.4)
    assert not failed_checks(run)


@pytest.mark.parametrize(("number", "silent"), [(signal.SIGKILL, "died, froze"), (signal.SIGSTOP, "died, froze")])
def test_a_worker_that_is_lost_or_frozen_ends_the_run_at_once_and_by_name(load, number, silent):
    hit = []

    def strike(progress):
        if progress.phase == "measuring" and not hit:
            hit.append(time.monotonic())
            workers()[0].send_signal(number)

    run = load(PLAIN, workers=2, users=4, duration="30s", watch=strike)

    assert time.monotonic() - hit[0] < 15
    assert not run.closing.complete
    assert "worker " in run.closing.problem
    assert silent in run.closing.problem
    assert "complete" in failed_checks(run)
    assert len(run.samples) > 10
    assert ours() == []


def test_a_worker_that_stands_still_for_two_seconds_makes_the_run_invalid(load):
    stopped = []

    def strike(progress):
        if progress.phase == "measuring" and not stopped:
            stopped.append(workers()[0])
            stopped[0].suspend()
        elif stopped and stopped[0].status() == psutil.STATUS_STOPPED:
            if len(stopped) == 2:
                stopped[0].resume()
            stopped.append(stopped[0])

    run = load(PLAIN, workers=2, users=4, duration="8s", watch=strike)

    assert failed_checks(run) & {"longest-stall", "complete"}


def test_a_master_that_is_killed_takes_its_workers_with_it(load):
    def kill(progress):
        if progress.phase == "measuring":
            next(process for process in ours() if "--master" in process.cmdline()).kill()

    run = load(PLAIN, workers=2, users=4, duration="30s", watch=kill)

    assert run.closing is None
    assert len(run.samples) > 0
    assert ours() == []


def joining(tmp_path, text, port):
    """A worker as another machine would start it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "users.py").write_text(HEADER + text)
    command = locust.worker_command_line(
        locust_python(None, {}), tmp_path / "elsewhere" / "users.py", "127.0.0.1", port
    )
    with (tmp_path / "joining.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=tmp_path, env=locust.select_environment(os.environ, []), stdout=log, stderr=log
        )


def test_a_worker_from_elsewhere_joins(load, tmp_path, web):
    worker = joining(tmp_path, PLAIN, 15557)
    try:
        run = load(PLAIN, workers=1, remote_workers=1, master="127.0.0.1:15557", users=4)
        assert worker.wait(10) == 0
    finally:
        worker.kill()

    assert run.closing.complete, run.closing.problem
    assert len(list(run.recording.exchange.glob("samples-*.bin"))) == 2
    assert run.closing.started == len(run.samples) == web.asked["/a"]
    assert not failed_checks(run)


def test_a_worker_with_another_locustfile_is_refused_and_both_sides_say_so(load, tmp_path):
    worker = joining(tmp_path, PLAIN + "# another\n", 15558)
    try:
        run = load(PLAIN, workers=0, remote_workers=1, master="127.0.0.1:15558")
        assert worker.wait(10) == 3
    finally:
        worker.kill()

    assert "its locustfile is not the master's" in run.closing.problem
    assert "its locustfile is not the master's" in (tmp_path / "joining.log").read_text()

"""A window in stretches, from samples alone."""

import math
import time

import numpy as np
import pytest

from entrypoint.measurement.samples import DTYPE
from entrypoint.measurement.soak import memory, read_stretches, response_times, stretches_of
from entrypoint.measurement.validity import check_constant
from locustfiles.ml_loadtest import contract
from locustfiles.ml_loadtest.contract import Outcome

from .recording import SPAN, closing, write

NAMES = ["GET /a", "GET /b"]


def table(samples):
    """Samples as (endpoint, due second, ms); a negative time is a failure."""
    found = np.zeros(len(samples), DTYPE)
    for number, (endpoint, due, ms) in enumerate(samples):
        found[number]["endpoint"], found[number]["due_s"], found[number]["start_s"] = endpoint, due, due
        found[number]["response_ms"] = abs(ms)
        found[number]["outcome"] = Outcome.SERVER_ERROR if ms < 0 else Outcome.OK
    return found


def cut(samples, seconds=600.0, start_s=0.0):
    return stretches_of(table(samples), NAMES, start_s, start_s + seconds)


@pytest.mark.parametrize(
    ("seconds", "count", "length"),
    [(60, 40, 1.5), (300, 40, 7.5), (600, 40, 15), (900, 60, 15), (3600, 60, 60), (86_400, 60, 1440)],
)
def test_a_stretch_is_a_quarter_of_a_minute_or_a_sixtieth_of_the_window(seconds, count, length):
    found = cut([(0, 0.5, 10)], seconds)
    assert (found.count, found.seconds) == (count, pytest.approx(length))


def test_a_request_belongs_to_the_stretch_in_which_it_was_due_and_a_failure_is_infinitely_slow():
    # The last one was noted an instant before the window began.
    found = cut([(0, 101.0, 20), (0, 114.9, 5), (0, 115.0, -7), (0, 399.99, 40_000), (1, 99.9999, 3)], start_s=100.0)
    assert [list(times) for times in found.times["GET /a"][:2]] == [[5, 20], [math.inf]]
    assert list(found.times["GET /a"][19]) == [40_000]
    assert list(found.times["GET /b"][0]) == [3]
    # Of successes alone, when the answer came, be it after the window.
    assert found.answered_s == pytest.approx([0.0029, 1.02, 14.905, 339.99])


def steady(ms, endpoint=0, each=20, stretches=range(40)):
    return [(endpoint, 15.0 * number + 15 * part / each, ms) for number in stretches for part in range(each)]


def test_the_response_time_of_the_service_is_the_mean_of_its_endpoints_percentiles():
    found = cut(steady(10) + steady(100, endpoint=1))
    assert response_times(found, "p50") == tuple((7.5 + 15 * number, 55.0) for number in range(40))


def test_who_is_asked_how_often_in_a_stretch_moves_nothing():
    """The median of all requests would jump from 10 to 100 ms."""
    often = steady(100, endpoint=1, each=60, stretches=range(20, 40)) + steady(100, 1, 20, range(20))
    values = {value for _, value in response_times(cut(steady(10, each=40) + often), "p50")}
    assert len(values) == 1


def test_an_endpoint_with_too_few_requests_counts_for_nothing_and_without_any_there_is_no_figure():
    rare = steady(500, endpoint=1, each=5)
    assert {value for _, value in response_times(cut(steady(10) + rare), "p50")} == {10}
    assert response_times(cut(rare), "p50") == ()
    assert response_times(cut(steady(10)), "p95") == ()  # twenty of the 130 it needs


def test_stretches_that_failed_or_that_had_too_few_requests_are_left_out():
    failed, kept_waiting = steady(-1, stretches=[4]), steady(9000, each=2, stretches=[5])
    rest = steady(10, stretches=[number for number in range(40) if number not in (4, 5)])
    found = response_times(cut(rest + failed + kept_waiting), "p50")
    assert len(found) == 38
    assert {4 * 15 + 7.5, 5 * 15 + 7.5}.isdisjoint(second for second, _ in found)


def test_memory_is_the_sum_of_the_services_medians_where_each_was_looked_at():
    stretches = cut(steady(10))
    first = [(float(second), 100.0 + (40.0 if second % 10 == 0 else 0.0)) for second in range(-3, 610)]
    second = [(float(second), 50.0 if second != 7 else None) for second in range(240)]
    found = memory([first, second], stretches)
    assert found == tuple((7.5 + 15 * number, 150.0) for number in range(16))
    assert memory([], stretches) == ()
    ended = [(float(second), 100.0 if second < 300 else 0.0) for second in range(600)]
    assert memory([ended], stretches) == tuple((7.5 + 15 * number, 100.0) for number in range(20))


def test_a_recording_is_read_without_its_warm_up_and_without_a_window_there_is_nothing(tmp_path):
    samples = [(0, Outcome.OK, -1, 0.5, 9.0), (0, Outcome.OK, 0, 1.5, 10.0), (1, Outcome.OK, 0, 2.5, 20.0)]
    write(tmp_path, samples)
    found = read_stretches(tmp_path, closing(samples))
    assert found.seconds * found.count == pytest.approx(SPAN.end_s - SPAN.start_s)
    assert sorted(found.times) == ["GET /a", "POST /b"]
    assert sum(map(len, found.times["GET /a"])) == 1
    nothing = read_stretches(tmp_path, closing(samples, spans=(), steps=()))
    assert (nothing.count, response_times(nothing, "p50"), contract.Outcome.OK) == (0, (), 0)


def test_it_is_known_since_when_somebody_waited_for_each_success():
    """Users who think for a minute leave a service in peace; a failure, or a request that hangs, is one that waits."""
    thinking = cut([(0, 1.0, 500), (0, 61.0, 500), (0, 121.0, 500)])
    assert list(thinking.asked_s) == [1, 61, 121, math.inf]
    in_vain = cut([(0, 1.0, 500), (0, 3.0, -1), (0, 61.0, 500), (0, 70.0, -500_000)])
    assert list(in_vain.asked_s) == [1, 3, 70]
    overlapping = cut([(0, 1.0, 30_000), (0, 2.0, 500), (0, 40.0, 500)])
    assert list(overlapping.asked_s) == [1, 1, 40, math.inf]


def test_in_open_load_a_response_time_counts_from_when_the_request_was_due():
    """The users were busy for 59 s; its answer came 10 ms after it was sent, and not a minute after that."""
    backlog = table([(0, 100.0, 59_010), (0, 160.0, 20)])
    backlog["start_s"][0] = 159.0
    backlog["late_ms"] = [0.0, math.nan]
    found = stretches_of(backlog, NAMES, 0.0, 600.0, open_load=True)
    assert found.answered_s == pytest.approx([159.01, 160.02])
    assert stretches_of(backlog, NAMES, 0.0, 600.0).answered_s == pytest.approx([160.02, 218.01])


def test_how_a_recording_counts_its_times_is_read_from_its_plan(tmp_path):
    samples = [(0, Outcome.OK, 0, 1.5, 10.0)]
    write(tmp_path, samples)
    rows = np.fromfile(tmp_path / "samples-0.bin", DTYPE)
    rows["start_s"] += 2.0
    rows.tofile(tmp_path / "samples-0.bin")
    for rate, answered_s in ((None, 2.51), (5.0, 0.51)):
        read = read_stretches(tmp_path, closing(samples, steps=(contract.Step(10, 2, arrival_rate=rate),)))
        assert read.answered_s == pytest.approx([answered_s])


def test_two_hundred_endpoints_are_cut_in_one_go():
    """A mask for each endpoint and stretch took 1.7 s for a hundredth of what a long soak has."""
    rows = np.zeros(1_000_000, DTYPE)
    rows["due_s"] = np.linspace(0, 3599, len(rows))
    rows["endpoint"] = np.arange(len(rows)) % 200
    began = time.process_time()
    found = stretches_of(rows, [f"GET /{number}" for number in range(200)], 0.0, 3600.0)
    assert time.process_time() - began < 5
    assert sum(len(one) for times in found.times.values() for one in times) == len(rows)


def test_a_load_that_a_shape_changed_is_no_soak():
    assert check_constant("").ok
    failed = check_constant("Steps")
    assert not failed.ok
    assert "`Steps`, a LoadTestShape, changed the load. Leave it out" in failed.text

"""Courses that a soak may take, from samples to what is said of them."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from entrypoint.judgement.soak import with_soak
from entrypoint.judgement.wording import silent
from entrypoint.measurement.model import Silence
from entrypoint.measurement.samples import DTYPE
from entrypoint.measurement.soak import stretches_of
from entrypoint.settings.model import Threshold
from locustfiles.ml_loadtest.contract import Outcome

from .building import measurement

WINDOW_S = 600.0


def requests(due_s, ms=20.0, failed=False, endpoint=0):
    """Requests of closed load, as the instrument writes them; `due_s` of shape (n,), the rest of that shape or one for all."""
    rows = np.zeros(len(due_s), DTYPE)
    rows["due_s"] = rows["start_s"] = due_s
    rows["response_ms"], rows["endpoint"] = ms, endpoint
    rows["outcome"] = np.where(failed, Outcome.SERVER_ERROR, Outcome.OK)
    return rows


def soaked(*rows, limits=(), looks=()):
    together = np.concatenate(rows)
    names = [f"GET /{number}" for number in range(int(together["endpoint"].max()) + 1)]
    stretches = stretches_of(together, names, 0.0, WINDOW_S)
    return with_soak(measurement(), stretches, looks, [Threshold.model_validate(limit) for limit in limits], 0.01)


def each(seconds, begin=0.0, end=WINDOW_S):
    return np.arange(begin, end, seconds)


def test_users_who_think_all_at_once_are_no_silence_of_the_service():
    """A hundred users ask within a second, and think for half a minute: 29 s without a success, and nobody waits."""
    bursts = np.concatenate([begin + np.linspace(0, 1, 100) for begin in each(30.0, 0.0, 580.0)])
    assert soaked(requests(bursts)).soak.silence is None
    silent = requests(bursts, failed=bursts >= 300)
    assert soaked(silent).soak.silence == Silence(after_s=300.0, seconds=None)


def test_a_load_of_one_request_a_second_is_no_silence_and_a_minute_without_is():
    assert soaked(requests(each(1.0))).soak.silence is None
    found = soaked(requests(each(1.0), failed=(each(1.0) >= 200) & (each(1.0) < 260))).soak.silence
    assert (found.after_s, found.seconds) == pytest.approx((200.0, 60.02), abs=0.03)


def test_a_service_that_is_dead_at_first_and_comes_back_was_silent_from_the_beginning():
    found = soaked(requests(each(0.1), failed=each(0.1) < 300)).soak.silence
    assert (found.after_s, found.seconds) == pytest.approx((0.0, 300.02), abs=0.05)


def test_where_every_request_fails_it_was_silent_all_the_time():
    found = soaked(requests(each(0.1), failed=True)).soak
    assert (found.silence, found.growth, found.rate) == (Silence(after_s=0.0, seconds=None), (), 0.0)


def test_a_request_that_hangs_is_silence_since_it_was_asked():
    hanging = requests([400.0], ms=230_000.0, failed=True)
    assert soaked(requests(each(0.1, 0.0, 300.0)), hanging).soak.silence == Silence(after_s=400.0, seconds=None)


P95 = {"endpoint": "*", "p95": {"max": "100ms"}, "failures": {"max": "1%"}}


def test_limits_that_no_stretch_has_requests_enough_for_are_counted_and_not_said_to_hold():
    """Two hundred endpoints of which each is asked twice a minute, every one of them five times too slow."""
    rare = [requests(each(30.0, 0.1 * number), 500.0, endpoint=number) for number in range(200)]
    found = soaked(*rare, limits=[P95]).soak
    assert (found.broken, found.limits, found.unseen) == ((), 400, 400)
    often = requests(each(0.1), endpoint=200)
    found = soaked(*rare, often, limits=[P95]).soak
    assert (found.broken, found.limits, found.unseen) == ((), 402, 400)


def test_one_slow_stretch_is_told_though_the_whole_window_keeps_the_limit():
    slow = (each(0.1) >= 300) & (each(0.1) < 315)
    (broken,) = soaked(requests(each(0.1), np.where(slow, 400.0, 20.0)), limits=[P95]).soak.broken
    assert (broken.metric, broken.after_s, broken.times, broken.stretches) == ("p95", 300.0, 1, 20)


def test_an_endpoint_that_comes_in_the_second_half_broke_its_limit_there():
    late = requests(each(0.1, 300.0), 500.0, endpoint=1)
    found = soaked(requests(each(0.1)), late, limits=[P95]).soak
    assert [(one.endpoint, one.metric, one.after_s, one.times) for one in found.broken] == [
        ("GET /1", "p95", 300.0, 20)
    ]
    # It has no course of its own to grow by, and nothing of it is taken for growth of the other.
    assert {one.of: one.per_hour for one in found.growth} == {"p50": 0.0, "p95": 0.0}


def memory(curve):
    noise = np.random.default_rng(1).normal(0, 0.3, int(WINDOW_S))
    return soaked(
        requests(each(0.1)), looks=[[(float(s), curve(s) + noise[s]) for s in range(int(WINDOW_S))]]
    ).soak.growth[-1]


def test_memory_that_grows_ever_more_slowly_is_told_from_a_leak():
    leak, filling = (
        memory(lambda second: 100 + second / 6),
        memory(lambda second: 100 + 100 * (1 - math.exp(-second / 300))),
    )
    assert (leak.word, leak.slowed) == ("grew", False)
    assert (filling.word, filling.slowed) == ("grew", True)


@pytest.mark.parametrize("every_s", [100, 300])
def test_memory_that_falls_back_with_each_restart_has_not_grown_for_certain(every_s):
    assert memory(lambda second: 100 + 100 * (second % every_s) / every_s).word == "steady"


def test_a_stall_is_seen_in_open_load_whose_queue_waited_as_long():
    """Ten a second are due; for half a minute nothing is answered, and then the queue is worked off within a second."""
    due = each(0.1)
    stalled = (due >= 300) & (due < 330)
    rows = requests(due, np.where(stalled, 1000 * (330 - due) + 50, 20.0))
    rows["start_s"][stalled] = 330.0
    stretches = stretches_of(rows, ["GET /0"], 0.0, WINDOW_S, open_load=True)
    silence = with_soak(measurement(), stretches, (), [], 0.01).soak.silence
    assert (silence.after_s, silence.seconds) == pytest.approx((300.0, 30.05), abs=0.1)


@pytest.mark.parametrize(
    ("after_s", "words"),
    [
        (0.0, "No request succeeded at all"),
        (1.0, "No request succeeded any more after 1 s, until the end"),
        (3391.4, "No request succeeded any more after 56 min, until the end"),
    ],
)
def test_a_silence_until_the_end_in_words(after_s, words):
    assert silent(after_s) == words


@pytest.mark.parametrize("seconds", [-1.0, 1e11, math.inf, math.nan])
def test_a_silence_that_no_run_can_have_had_is_refused(seconds):
    with pytest.raises(ValidationError):
        Silence(after_s=seconds, seconds=None)
    with pytest.raises(ValidationError):
        Silence(after_s=0.0, seconds=seconds)

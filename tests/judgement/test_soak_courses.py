"""Courses that a soak may take, from samples to what is said of them."""

import math

import numpy as np
import pytest

from entrypoint.judgement.soak import with_soak
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

"""Levels of load that are held by themselves, as a search for the highest needs them."""

import random

import pytest

from entrypoint.load.plan import block_s, describe, fingerprint, level_of_search, make_plan
from entrypoint.settings.model import Load
from locustfiles.ml_loadtest import contract
from locustfiles.ml_loadtest.overload import Overload

from .test_load import PLAIN, failed_checks
from .test_stages import SHAPE

# Answers 50 requests a second, one after the other.
QUEUED = """
class Caller(FastHttpUser):
    @task
    def ask(self): self.client.get("/queue/0.02")
"""


def by_itself(rate, seconds=3):
    return contract.Step(seconds, 200, rate, by_itself=True)


def test_a_level_knows_nothing_of_the_overload_before_it_which_ended_early(load):
    steps = [by_itself(20.0), by_itself(100.0, seconds=20), by_itself(20.0), None]
    run = load(
        QUEUED,
        decide=lambda block: steps[block.number + 1],
        plan={"step": steps[0], "warm_up_max_s": 15.0},
        arrival_rate=20,
        users=200,
    )

    _, over, after = run.closing.spans
    assert [span.overloaded for span in run.closing.spans] == [False, True, False]
    assert over.end_s - over.start_s < 10
    # All its requests were waited for before the next level began, and are on record.
    queued = run.samples[run.samples["segment"] == over.segment]
    assert len(queued) == over.tickets
    assert (queued["due_s"] + queued["response_ms"] / 1000).max() <= after.start_s
    first, _, third = run.measurement.stages
    assert third.p95_ms < 3 * first.p95_ms
    assert run.closing.unfinished == 0
    assert not failed_checks(run)


def test_a_shape_and_levels_that_somebody_else_chooses_are_refused_together(load):
    run = load(PLAIN + SHAPE, plan={"step": contract.Step(2, 2, by_itself=True)})

    assert "complete" in failed_checks(run)
    assert "mode: capacity" in run.closing.problem


def seen(looks, rate=50):
    overload = Overload(rate)
    return [overload.look(*look) for look in looks][-1]


def test_a_queue_that_grows_without_end_is_seen_after_six_looks():
    looks = [(20 * second, 100.0 * second) for second in range(1, 9)]
    assert not seen(looks[:5])
    assert seen(looks[:6])


def test_what_was_seen_stays_seen():
    overload = Overload(50)
    for second in range(1, 8):
        overload.look(20 * second, 100.0 * second)
    assert overload.look(0, 1.0)


@pytest.mark.parametrize(
    "looks",
    [
        [(20 * second, 100.0) for second in range(1, 20)],  # more in flight, and nobody waits longer
        [(20, 100.0 * second) for second in range(1, 20)],  # slower, but nothing piles up
        [(9 * second, 100.0 * second) for second in range(1, 20)],  # less than a fifth piles up
        [(20 * second - 25 * (second == 4), 100.0 * second) for second in range(1, 7)],  # it recovered once
    ],
)
def test_what_is_no_overload_is_not_taken_for_one(looks):
    assert not seen(looks)


def test_a_second_without_any_answer_counts_as_slower_than_all():
    assert seen([(20 * second, None if second > 3 else 100.0 * second) for second in range(1, 7)])


def test_a_busy_queue_that_holds_is_rarely_taken_for_an_overload():
    """A single server at 95 % of its rate, looked at for a minute, 200 times: at most one in a hundred may end early."""
    chance, overloads = random.Random(3), []
    for _ in range(200):
        queue, overload = 0, Overload(47.5)
        for _ in range(60):
            for _ in range(50):  # services a second
                queue = max(0, queue + sum(chance.random() < 0.475 for _ in range(2)) - 1)
            overload.look(queue + 1, 20.0 * (queue + 1))
        overloads.append(overload.seen)
    assert sum(overloads) <= 2


def plan_of(**load):
    return Load.model_validate({"locustfile": __file__, "duration": "20s", **load})


def test_a_search_by_other_limits_is_another_plan_and_one_by_none_is_no_search():
    load, limits = plan_of(users=4), [{"endpoint": "*", "p95": {"max": "100ms"}}]
    plans = {fingerprint(load), fingerprint(load, limits=limits), fingerprint(load, limits=[{"endpoint": "*"}])}
    assert len(plans) == 3
    assert fingerprint(load, limits=()) == fingerprint(load)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            {"users": 1},
            "closed load, 1 user and more: search for the highest that holds every limit, 20 s at each level",
        ),
        ({"users": 50, "arrival-rate": 8}, "open load, 8 requests/s and more (poisson, 50 users at most): search"),
    ],
)
def test_a_search_says_where_it_begins(load, words):
    assert describe(plan_of(**load), searching=True).startswith(words)


def test_a_level_by_itself_has_time_to_start_its_users_to_warm_up_and_to_drain():
    targets = (contract.Target("candidate", "http://127.0.0.1:1"),)
    load = plan_of(users=10, **{"spawn-rate": 5, "warm-up": "3s..7s"})
    plan = make_plan(load, targets, first=level_of_search(load, 10.0, 0.25))
    assert plan.step.by_itself
    assert block_s(plan, plan.step) == 10 / 5 + plan.spawn_grace_s + 7 + plan.drain_s + 20
    assert block_s(plan, contract.Step(20, 10)) == 20


def test_in_open_load_nobody_waits_for_a_user_before_a_limit_is_long_broken():
    load = plan_of(users=20, **{"arrival-rate": 10})
    assert level_of_search(load, 10.0, 0.25).users == 20
    assert level_of_search(load, 320.0, 0.25).users == 160
    assert level_of_search(plan_of(users=20), 40.0, 0.25) == contract.Step(20, 40, by_itself=True)


def test_before_its_first_answers_a_slow_service_is_not_overloaded():
    """Eight seconds for each answer, and ten requests a second: what is in flight grows until the first come back."""
    assert not seen([(10 * second, None) for second in range(1, 9)])

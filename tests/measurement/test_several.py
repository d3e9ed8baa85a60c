"""Several levels of load, several targets and several generations, from recordings."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.measurement.generations import whole
from entrypoint.measurement.measure import measure_recording, measure_so_far, timeline_of_turns
from entrypoint.measurement.model import FailureKind, Law, Paired
from entrypoint.measurement.pairs import Pairs, Side, Trouble, joined, read_pairs, troubles
from entrypoint.measurement.samples import DTYPE, MeasuredTimes
from entrypoint.measurement.validity import cores_of_generator, inside, until_end
from locustfiles.ml_loadtest import contract
from locustfiles.ml_loadtest.contract import Outcome

from .recording import PLAN, SPAN, closing, failed_checks, measured, write

STEPS = (contract.Step(10, 2), contract.Step(10, 9), contract.Step(10, 2))
LEVELS = tuple(
    dataclasses.replace(SPAN, segment=number, block=number, start_s=1.0 + 10 * number, end_s=11.0 + 10 * number)
    for number in range(3)
)
TARGETS = (contract.Target("candidate", "http://127.0.0.1:1"), contract.Target("base", "http://127.0.0.1:2"))


def level(number, ms, count=20):
    return [(0, 0, number, 2.0 + 10 * number, ms)] * count


def test_every_level_has_endpoints_of_its_own_and_all_are_one_window(tmp_path):
    samples = [*level(0, 10.0), *level(1, 30.0), *level(2, 12.0)]
    write(tmp_path, samples)

    found = measured(tmp_path, samples, steps=STEPS, spans=LEVELS)

    assert {name: part.metrics["p50"] for name, part in found.endpoints.items()} == {
        "GET /a @ 2 users": 10.0, "GET /a @ 9 users": 30.0, "GET /a @ 2 users (2)": 12.0,
    }  # fmt: skip
    assert found.window_s == 30.0
    assert [stage.requests for stage in found.stages] == [20, 20, 20]
    assert sum(line[1] for line in found.timeline) == 60
    assert not failed_checks(found)


def test_a_level_that_was_never_reached_is_none(tmp_path):
    samples = level(0, 10.0)
    write(tmp_path, samples)

    found = measured(tmp_path, samples, steps=STEPS, spans=LEVELS[:1])

    assert [stage.label for stage in found.stages] == ["2 users"]
    assert list(found.endpoints) == ["GET /a @ 2 users"]


def test_what_follows_a_level_that_the_generator_could_not_drive_is_not_judged(tmp_path):
    samples = [*level(0, 10.0), *level(1, 30.0), *level(2, 12.0)]
    busy = contract.Health(at_s=15.0, cpu=0.99, lag_ms=1.0, waiting=0, steal=0, users=2)
    write(tmp_path, samples, health=[dataclasses.replace(busy, at_s=5.0, cpu=0.1), busy])

    found = measured(tmp_path, samples, steps=STEPS, spans=LEVELS)

    assert list(found.endpoints) == ["GET /a @ 2 users"]
    assert [stage.ok for stage in found.stages] == [True, False, True]
    assert found.valid


def test_a_run_without_measured_time_is_invalid_and_no_crash(tmp_path):
    samples = [(0, Outcome.TIMEOUT, contract.WARM_UP, 0.5, 9000.0)]
    write(tmp_path, samples, health=[contract.Health(at_s=0.9, cpu=1.0, lag_ms=0, waiting=0, steal=0, users=2)])

    found = measured(tmp_path, samples, spans=())

    assert failed_checks(found) == {"requests"}
    assert not found.valid
    assert (found.endpoints, found.timeline, found.hanging, found.law) == ({}, (), 0, None)
    assert found.window_s > 0


def test_of_no_measured_time_nothing_is_known_of_the_generator():
    health = np.ones(3, [("at_s", "f8"), ("process", "i4")])
    assert len(inside(health, ())) == len(until_end(health, ())) == 0
    assert len(until_end(health, (SPAN,))) == 3


def test_a_level_of_a_load_that_still_goes_on_is_measured_by_itself(tmp_path):
    write(tmp_path, [*level(0, 10.0), *level(1, 30.0), (1, 0, 1, 12.5, 7.0), (0, 0, contract.WARM_UP, 12.5, 900.0)])

    found = measure_so_far(tmp_path, STEPS[1], LEVELS[1:2]).endpoints

    assert {name: (one.requests, one.quantiles["1"]) for name, one in found.items()} == {
        "GET /a": (20, 30.0), "POST /b": (1, 7.0),
    }  # fmt: skip
    assert found["GET /a"].metrics["rate"] == 2.0


def test_what_all_processes_of_the_generator_used_is_summed():
    """Two processes; the mean of each one's seconds that end within, the end itself included."""
    entries = [(1.0, 0.9, 0), (2.0, 0.2, 0), (3.0, 0.4, 0), (2.5, 0.5, 1), (3.5, 0.9, 1)]
    health = np.array(entries, [("at_s", "f8"), ("cpu", "f8"), ("process", "i4")])
    assert cores_of_generator(health, 1.0, 3.0) == pytest.approx(0.3 + 0.5)
    assert cores_of_generator(health, 9.0, 10.0) == 0.0


def test_a_load_that_fell_below_any_before_has_nothing_to_recover_to(tmp_path):
    samples = [*level(0, 10.0), *level(1, 10.0)]
    write(tmp_path, samples)

    found = measured(tmp_path, samples, steps=STEPS[1:], spans=LEVELS[:2])

    assert [stage.recovery_s for stage in found.stages] == [None, None]


def counted(tmp_path, tickets):
    samples = [(0, 0, 0, 1.5, 10.0), (0, 0, 0, 4.0, 250.0), (0, 0, 0, 4.1, 20.0)]
    write(tmp_path, samples)
    steps, span = (contract.Step(10, 2, count=3),), dataclasses.replace(SPAN, tickets=tickets)
    return measured(tmp_path, samples, steps=steps, spans=(span,))


def test_a_counted_load_took_until_its_last_answer(tmp_path):
    assert counted(tmp_path, 3).service == {"total-time": pytest.approx(3250.0)}
    assert counted(tmp_path, 3).law is None


def test_a_counted_load_that_was_not_done_in_time_has_no_total_time(tmp_path):
    assert counted(tmp_path, 2).service == {}


def test_closed_load_obeys_its_law(tmp_path):
    samples = [(0, 0, 0, 1.5, 500.0)] * 20
    write(tmp_path, samples)

    law = measured(tmp_path, samples, spans=(dataclasses.replace(SPAN, tickets=20, thought_s=10.0),)).law

    assert (law.users, law.response_s, law.think_s, law.turns_per_s) == (2, 0.5, 0.5, 2.0)
    assert law.expected_per_s == 2.0
    assert law.residual == 0.0


def test_where_nobody_waits_for_anything_the_law_has_no_bound():
    law = Law(users=2, response_s=0.0, think_s=0.0, turns_per_s=5.0)
    assert (law.expected_per_s, law.residual) == (math.inf, -1.0)


def turns(folder, base_ms=20.0):
    """Two targets in two turns each: segments 0 and 1, ten requests to either in both."""
    spans = []
    for target, ms in enumerate((10.0, base_ms)):
        samples = []
        for segment in range(2):
            start_s = 1.0 + 20 * segment + 10 * target
            spans.append(contract.Span(segment, target, 0, start_s, start_s + 5.0, 10))
            samples += [(0, 0, segment, start_s + 0.5, ms)] * 10
        failed = [(0, Outcome.SERVER_ERROR, contract.SET_UP, 0.1, 1.0), (0, Outcome.UNFINISHED, 1, 22.0, 9.0)]
        write(folder, [*samples, *failed[: target + 1]], worker=target, target=target)
    return closing([], spans=tuple(sorted(spans, key=lambda span: span.start_s)))


def test_each_of_two_targets_has_a_line_of_its_own_for_each_turn(tmp_path):
    last = turns(tmp_path)

    assert timeline_of_turns(tmp_path, last, 0) == ((0.0, 2.0, 0.0, 10.0, 10.0), (20.0, 2.0, 0.0, 10.0, 10.0))
    assert timeline_of_turns(tmp_path, last, 1)[0] == (10.0, 2.0, 0.0, 20.0, 20.0)
    assert timeline_of_turns(tmp_path, last, 1)[1][1:3] == (2.2, 0.2)
    assert timeline_of_turns(tmp_path, dataclasses.replace(last, spans=()), 0) == ()


def test_a_turn_without_requests_has_a_line_too(tmp_path):
    write(tmp_path, [(0, 0, 5, 0.0, 1.0)])
    assert timeline_of_turns(tmp_path, closing([], spans=(SPAN,)), 0) == ((0.0, 0.0, 0.0, None, None),)


def test_a_target_is_measured_by_its_own_samples(tmp_path):
    last = turns(tmp_path)
    plan = dataclasses.replace(PLAN, targets=TARGETS)

    ours, theirs = (
        measure_recording(tmp_path, plan, last, plan_key="k", plan_text="t", target=target) for target in (0, 1)
    )

    assert (ours.endpoints["GET /a"].metrics["p50"], theirs.endpoints["GET /a"].metrics["p50"]) == (10.0, 20.0)
    assert (ours.window_s, ours.attached, ours.law) == (10.0, {}, None)
    assert ours.paired == theirs.paired


def asked_of(folder, target, tickets):
    """What tickets asked a target, in the order in which it was recorded: (ticket, endpoint, digest) each."""
    packed = [contract.SAMPLE.pack(target, 0, e, t, 0, 0, digest, 2.0, 2.0, 5.0, 0.0) for t, e, digest in tickets]
    (folder / f"samples-{target}.bin").write_bytes(b"".join(packed))
    (folder / f"endpoints-{target}.jsonl").write_text('[0, "GET", "/a"]\n[1, "GET", "/b"]\n')


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ([(1, 0, 7), (2, 1, 8)], [(2, 1, 8), (1, 0, 7)], (2, 2)),  # whoever was answered first
        ([(1, 0, 7), (2, 0, 8)], [(1, 0, 7)], (1, 1)),  # what one alone was asked
        ([(1, 0, 7)], [(1, 1, 7)], (1, 0)),  # another endpoint
        ([(1, 0, 7)], [(1, 0, 9)], (1, 0)),  # another body
        ([(1, 0, 7), (1, 0, 7)], [(1, 0, 7)], (1, 0)),  # twice
        ([(1, 0, 7), (1, 1, 8)], [(1, 1, 8), (1, 0, 7)], (1, 0)),  # in another order
        ([(1, 0, 7), (2, 0, 6), (1, 1, 8)], [(1, 0, 7), (1, 1, 8), (2, 0, 5)], (2, 1)),  # one of two tickets alike
        ([(1, 0, 7), (1, 1, 8)], [(1, 0, 9), (1, 1, 9)], (1, 0)),  # a ticket of two requests is one ticket
        ([], [(1, 0, 7)], (0, 0)),
        ([], [], (0, 0)),
    ],
)
def test_tickets_that_both_had_ask_the_same_request_by_request(tmp_path, ours, theirs, found):
    asked_of(tmp_path, 0, ours)
    asked_of(tmp_path, 1, theirs)
    plan, last = dataclasses.replace(PLAN, targets=TARGETS), closing([], spans=(SPAN,))

    measurement = measure_recording(tmp_path, plan, last, plan_key="k", plan_text="t")

    assert measurement.paired == Paired(tickets=found[0], same=found[1])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.1, 100), st.booleans()), min_size=1, max_size=40),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.floats(0.01, 1.0),
)
def test_what_is_drawn_is_as_if_each_pair_had_been_measured_so_often(samples, often, p):
    samples = sorted(samples, key=lambda sample: math.inf if sample[2] else sample[1])
    rows = np.zeros(len(samples), DTYPE)
    rows["response_ms"] = [ms for _, ms, _ in samples]
    rows["outcome"] = [Outcome.SERVER_ERROR if failed else Outcome.OK for *_, failed in samples]
    pair, window_s = np.array([number for number, *_ in samples]), np.array([1.0, 2.0, 3.0, 4.0])
    times = np.repeat([math.inf if failed else ms for _, ms, failed in samples], np.array(often)[pair])

    drawn = Side(rows, pair, window_s).drawn(np.array(often))

    assert len(drawn) == len(times)
    if len(times):
        copied = MeasuredTimes(times, float(np.dot(often, window_s)))
        assert (drawn.quantile(p), drawn.ok_rate) == (copied.quantile(p), copied.ok_rate)
        assert drawn.ok_quantile(p) == pytest.approx(copied.ok_quantile(p), rel=0, abs=0, nan_ok=True)
        assert drawn.mean_ok_ms == pytest.approx(copied.mean_ok_ms, rel=1e-12, nan_ok=True)


def test_nothing_is_drawn_of_an_endpoint_that_was_not_asked():
    assert len(Side(np.zeros(0, DTYPE), np.zeros(0, np.intp), np.ones(2)).drawn(np.array([1, 1]))) == 0


def test_what_went_wrong_outside_of_shares_is_counted_for_each_target(tmp_path):
    turns(tmp_path)

    assert troubles(tmp_path) == (Trouble(set_up=1, unfinished=0), Trouble(set_up=1, unfinished=1))


def generation(folder, name):
    folder.mkdir()
    last = turns(folder)
    for worker in range(2):
        (folder / f"endpoints-{worker}.jsonl").write_text(f'[0, "GET", "{name}"]\n')
    return read_pairs(folder, last)


def test_an_endpoint_that_one_generation_has_stays_with_its_pairs(tmp_path):
    first, second = generation(tmp_path / "1", "/a"), generation(tmp_path / "2", "/b")

    both = joined([first, second])

    assert len(both) == 4
    ours, theirs = both.endpoints["GET /b"]
    assert set(ours.pair.tolist()) == {2, 3}
    assert (len(ours.rows), len(theirs.rows)) == (20, 21)
    assert ours.window_s.tolist() == [5.0] * 4
    assert set(both.endpoints["GET /a"][0].pair.tolist()) == {0, 1}


def test_a_generation_that_asked_nothing_adds_its_pairs(tmp_path):
    asked = generation(tmp_path / "1", "/a")
    idle = Pairs(endpoints={}, candidate_first=np.array([True]))

    ours, _ = joined([idle, asked]).endpoints["GET /a"]

    assert set(ours.pair.tolist()) == {1, 2}
    assert ours.window_s.tolist() == [0.0, 5.0, 5.0]


def test_generations_are_summed_and_failures_of_a_kind_counted_together(tmp_path):
    pairs = generation(tmp_path / "1", "/a")
    samples = [(0, 0, 0, 1.5, 10.0)] * 20
    write(tmp_path, samples)

    def kind(count, message, exception="Timeout"):
        return FailureKind(endpoint="GET /a", outcome="timeout", exception=exception, message=message, count=count)

    one = measured(tmp_path, samples).model_copy(
        update={"failures": (kind(2, "first"), kind(1, "other", "Reset")), "paired": Paired(tickets=9, same=8)}
    )
    two = one.model_copy(update={"failures": (kind(5, "second"),), "hanging": 3, "paired": None})

    found = whole([one, two], pairs)

    assert found.failures == (kind(7, "first"), kind(1, "other", "Reset"))
    assert (found.started, found.recorded, found.window_s, found.hanging) == (40, 40, 20.0, 3)
    assert found.paired == Paired(tickets=9, same=8)
    assert found.endpoints["GET /a"].requests == 20
    assert len(found.checks) == len(one.checks)


def test_a_figure_of_which_more_is_better_is_worst_where_it_is_least(tmp_path):
    samples = [(0, 0, 0, 1.5, 10.0)] * 20
    write(tmp_path, samples)
    pairs = joined([generation(tmp_path / "1", "/a")])
    some = [
        measured(tmp_path, samples).model_copy(update={"service": {"rate": rate, "peak-memory": 1000 / rate}})
        for rate in (90.0, 100.0)
    ]

    assert whole(some, pairs).service == {"rate": 90.0, "peak-memory": pytest.approx(1000 / 90)}


def test_of_levels_that_were_held_by_themselves_each_counts_that_the_generator_could_drive(tmp_path):
    samples = [*level(0, 10.0), *level(1, 30.0), *level(2, 12.0)]
    busy = contract.Health(at_s=15.0, cpu=0.99, lag_ms=1.0, waiting=0, steal=0, users=2)
    write(tmp_path, samples, health=[dataclasses.replace(busy, at_s=5.0, cpu=0.1), busy])
    by_itself = tuple(dataclasses.replace(step, by_itself=True) for step in STEPS)

    found = measured(tmp_path, samples, steps=by_itself, spans=LEVELS)

    assert list(found.endpoints) == ["GET /a @ 2 users", "GET /a @ 2 users (2)"]
    assert found.valid


def test_requests_that_outlast_a_level_are_counted_with_it(tmp_path):
    samples = [
        *level(0, 10.0),
        *level(1, 30.0),
        (0, 0, contract.WARM_UP, 10.5, 11_000.0),  # asked between the levels, answered after the second
        (0, 0, contract.WARM_UP, 10.5, 9_000.0),  # answered within it
        (0, 0, 1, 20.0, 9_000.0),  # its own
    ]
    write(tmp_path, samples)

    found = measured(tmp_path, samples, steps=STEPS[:2], spans=LEVELS[:2])

    assert [stage.outlasting for stage in found.stages] == [0, 1]

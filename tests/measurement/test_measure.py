import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.errors import LoadError
from entrypoint.measurement.generations import whole
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.metrics import METRICS, nearest_rank
from entrypoint.measurement.pairs import Ratio, joined, read_pairs, turns_of
from entrypoint.measurement.samples import DTYPE, read_rows, read_samples
from entrypoint.settings.model import Validity
from locustfiles.ml_loadtest import contract
from locustfiles.ml_loadtest.contract import Outcome

from .recording import PLAN, SPAN, closing, failed_checks, label, measured, write


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values, p):
    found = nearest_rank(np.sort(np.array(values)), p)

    assert found in values
    assert sum(value <= found for value in values) >= p * len(values) - 1e-6
    assert sum(value < found for value in values) < p * len(values) + 1e-6


@pytest.mark.parametrize(("p", "rank"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_nearest_rank_of_a_hundred_is_the_rank_itself(p, rank):
    assert nearest_rank(np.arange(1.0, 101.0), p) == rank


def test_only_requests_due_in_the_window_count(tmp_path):
    samples = [(0, 0, contract.WARM_UP, 0.5, 900.0), *[(0, 0, 0, 1.5, 10.0)] * 20, (0, 0, contract.SET_UP, 2.0, 900.0)]
    write(tmp_path, samples)

    endpoint = measured(tmp_path, samples).endpoints["GET /a"]

    assert endpoint.requests == 20
    assert endpoint.metrics["p50"] == 10.0
    assert endpoint.quantiles["1"] == 10.0


def test_failures_count_as_infinitely_slow_and_stand_apart_as_well(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 180 + [(0, Outcome.SERVER_ERROR, 0, 2.0, 0.5)] * 20
    write(tmp_path, samples)

    endpoint = measured(tmp_path, samples).endpoints["GET /a"]

    assert endpoint.failures == 20
    assert endpoint.outcomes == {"ok": 180, "server error": 20}
    assert endpoint.metrics["p95"] == math.inf
    assert (endpoint.metrics["p50"], endpoint.metrics["p95-ok"], endpoint.metrics["mean"]) == (10.0, 10.0, 10.0)
    assert endpoint.metrics["failures"] == pytest.approx(0.1)
    assert endpoint.metrics["rate"] == pytest.approx(18.0)


def test_an_expected_rejection_is_an_answer_like_any_other(tmp_path):
    samples = [(0, Outcome.EXPECTED_REJECTION, 0, 2.0, 10.0)] * 20
    write(tmp_path, samples)

    assert measured(tmp_path, samples).endpoints["GET /a"].failures == 0


def test_a_percentile_that_too_few_requests_would_carry_is_not_printed(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 129 + [(1, 0, 0, 2.0, 10.0)] * 130
    write(tmp_path, samples)

    endpoints = measured(tmp_path, samples).endpoints

    assert endpoints["GET /a"].metrics["p95"] is None
    assert endpoints["POST /b"].metrics["p95"] == 10.0
    assert METRICS["p99"].minimum == 662


def test_workers_number_endpoints_by_themselves_and_are_read_as_one(tmp_path):
    write(tmp_path, [(0, 0, 0, 2.0, 1.0)] * 3)
    write(tmp_path, [(0, 0, 0, 2.0, 2.0)] * 4, endpoints=(("POST", "/b"), ("GET", "/a")), worker=1)

    rows, names = read_rows(tmp_path)
    table = read_samples(tmp_path)

    assert names == ["GET /a", "POST /b"]
    assert len(rows) == 7
    assert dict(table["endpoint"].value_counts()) == {"GET /a": 3, "POST /b": 4}
    assert set(table["outcome"]) == {"ok"}


def test_a_name_that_is_no_text_can_still_be_written(tmp_path):
    samples = [(0, 0, 0, 2.0, 1.0)]
    write(tmp_path, samples, endpoints=(("GET", "/half\ud83d"),))

    assert "GET /half?" in measured(tmp_path, samples).model_dump_json()


def test_a_sample_takes_at_most_64_bytes():
    assert DTYPE.itemsize == contract.SAMPLE.size <= 64


@pytest.mark.parametrize("cut", [1, contract.SAMPLE.size - 1])
def test_half_a_sample_at_the_end_is_missed_and_the_rest_is_kept(tmp_path, cut):
    samples = [(0, 0, 0, 2.0, 1.0)] * 20
    write(tmp_path, samples)
    write(tmp_path, samples, worker=1)
    path = tmp_path / "samples-0.bin"
    path.write_bytes(path.read_bytes()[:-cut])

    rows, _ = read_rows(tmp_path)

    assert len(rows) == 39
    assert set(rows["response_ms"]) == {1.0}
    assert failed_checks(measured(tmp_path, [*samples, *samples])) == {"lost-records"}


def test_samples_of_an_endpoint_without_a_name_are_refused(tmp_path):
    write(tmp_path, [(7, 0, 0, 2.0, 1.0)])

    with pytest.raises(LoadError, match="endpoint without a name"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, set()),
        ({"started": 21}, {"lost-records"}),
        ({"locust_count": 19}, {"lost-records"}),
        ({"response_sum_ms": 6.0}, {"time-sum"}),
        ({"complete": False, "problem": "the load was interrupted"}, {"complete"}),
        ({"users_started": 1}, {"users-started"}),
    ],
)
def test_whatever_the_records_do_not_agree_with_makes_the_run_invalid(tmp_path, changes, failed):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    write(tmp_path, samples)

    assert failed_checks(measured(tmp_path, samples, **changes)) == failed


def test_a_window_without_requests_is_invalid(tmp_path):
    samples = [(0, 0, contract.WARM_UP, 2.0, 10.0)]
    write(tmp_path, samples)

    measurement = measured(tmp_path, samples)

    assert failed_checks(measurement) == {"requests"}
    assert measurement.endpoints == {}


def test_a_busy_generator_is_invalid_whatever_the_service_did(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    busy = [
        contract.Health(at_s=second, cpu=0.97, lag_ms=80.0, waiting=0, steal=0.2, users=2) for second in range(2, 12)
    ]
    write(tmp_path, samples, health=busy)

    assert failed_checks(measured(tmp_path, samples)) == {"generator-cpu", "event-loop-lag", "steal"}


@pytest.mark.parametrize(
    ("values", "failed"),
    [
        ({"lag_ms": 4.4, "waiting": 0.05}, set()),  # p50 off by 3 %
        ({"lag_ms": 4.4, "waiting": 0.113}, set()),  # by 7 %
        ({"lag_ms": 5.9, "waiting": 0.27}, {"run-queue"}),  # by 8 %, and p95 by 14 %
        ({"lag_ms": 19.8, "waiting": 0.14}, {"event-loop-lag"}),  # by 8 %, and p95 by 129 %
    ],
)
def test_the_limits_lie_where_response_times_become_wrong(tmp_path, values, failed):
    """docs/measuring.md has the measurements."""
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    health = [
        contract.Health(**{"at_s": second, "cpu": 0.2, "steal": 0, "users": 2, **values}) for second in range(2, 12)
    ]
    write(tmp_path, samples, health=health)

    assert failed_checks(measured(tmp_path, samples)) == failed


def test_one_long_stall_is_enough(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    stalls = (1.0, 1.0, 600.0, 1.0, 1.0)
    health = [
        contract.Health(at_s=2.0 + n, cpu=0.2, lag_ms=ms, waiting=0, steal=0, users=2) for n, ms in enumerate(stalls)
    ]
    write(tmp_path, samples, health=health)

    assert failed_checks(measured(tmp_path, samples)) == {"longest-stall"}


def test_the_user_may_say_what_the_generator_is_allowed(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    busy = [
        contract.Health(at_s=second, cpu=0.97, lag_ms=80.0, waiting=0, steal=0.2, users=2) for second in range(2, 12)
    ]
    write(tmp_path, samples, health=busy)
    limits = Validity.model_validate({"generator-cpu": "99%", "event-loop-lag": "0.1s", "steal": "30%"})

    found = measure_recording(tmp_path, PLAN, closing(samples), plan_key="k", plan_text="t", limits=limits)

    assert not failed_checks(found)


def test_a_user_that_left_makes_the_run_invalid(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    lines = [
        contract.Health(at_s=2.0 + n, cpu=0.1, lag_ms=1, waiting=0, steal=0, users=users)
        for n, users in enumerate((2, 1, 2))
    ]
    write(tmp_path, samples, health=lines)

    assert failed_checks(measured(tmp_path, samples)) == {"users-at-work"}


def test_a_user_that_left_in_the_warm_up_is_missed_in_the_window(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    lines = [
        contract.Health(at_s=0.2 + n * 0.4, cpu=0.1, lag_ms=1, waiting=0, steal=0, users=users)
        for n, users in enumerate((1, 2, 1, 1, 1))
    ]
    write(tmp_path, samples, health=lines)

    assert failed_checks(measured(tmp_path, samples)) == {"users-at-work"}


def arriving(tmp_path, *, tickets, late_ms=0.0):
    """Open load of 10 requests a second for 10 s, of which `tickets` were issued."""
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    write(tmp_path, samples)
    rows = np.fromfile(tmp_path / "samples-0.bin", DTYPE)
    rows["late_ms"] = late_ms
    rows.tofile(tmp_path / "samples-0.bin")
    step = contract.Step(10, 2, 10.0)
    plan = dataclasses.replace(PLAN, step=step, arrival="constant")
    last = closing(samples, steps=(step,), spans=(dataclasses.replace(SPAN, tickets=tickets, due=100),))
    return failed_checks(measure_recording(tmp_path, plan, last, plan_key="k", plan_text="t"))


def test_an_open_load_that_was_not_issued_or_too_late_is_invalid(tmp_path):
    assert arriving(tmp_path, tickets=100) == set()
    assert arriving(tmp_path, tickets=90) == {"arrivals"}
    assert arriving(tmp_path, tickets=100, late_ms=6.0) == {"lateness"}


def test_what_the_generator_did_before_the_window_does_not_count(tmp_path):
    samples = [(0, 0, 0, 2.0, 10.0)] * 20
    write(tmp_path, samples, health=[contract.Health(at_s=0.9, cpu=1.0, lag_ms=900.0, waiting=0, steal=0.9, users=2)])

    assert not failed_checks(measured(tmp_path, samples))


def test_the_timeline_has_a_line_for_each_second(tmp_path):
    samples = [(0, 0, 0, 1.2, 10.0), (0, Outcome.TIMEOUT, 0, 1.4, 10.0), (0, 0, 0, 3.7, 30.0)]
    write(tmp_path, samples)

    assert measured(tmp_path, samples).timeline == (
        (0.0, 2.0, 1.0, 10.0, math.inf),
        (1.0, 0.0, 0.0, None, None),
        (2.0, 1.0, 0.0, 30.0, 30.0),
    )


def test_the_share_of_right_predictions_counts_those_with_a_label(tmp_path):
    samples = [(0, 0, 0, 1.5, 10.0)] * 8 + [(1, 0, 0, 1.5, 10.0)] * 2
    write(tmp_path, samples)
    label(tmp_path, [1, 1, 1, 0, None, None, None, None, None, None])

    found = measured(tmp_path, samples).endpoints

    assert found["GET /a"].metrics["accuracy"] == 0.75
    assert found["GET /a"].share("accuracy") == (1, 4)
    assert "accuracy" not in found["POST /b"].metrics
    assert found["GET /a"].failures == 0


def test_labels_of_several_workers_stay_with_their_samples(tmp_path):
    write(tmp_path, [(0, 0, 0, 1.5, 10.0)] * 3)
    write(tmp_path, [(0, 0, 0, 1.5, 10.0)] * 5, worker=1, endpoints=(("POST", "/b"),))
    label(tmp_path, [0, 0, 0, 1, 1], worker=1)

    rows, names = read_rows(tmp_path)

    right = rows["correct"][rows["endpoint"] == names.index("POST /b")]
    assert right.tolist() == [0, 0, 0, 1, 1]
    assert np.isnan(rows["correct"][rows["endpoint"] == names.index("GET /a")]).all()


@pytest.mark.parametrize(
    ("asked", "counts", "distinct"),
    [((7,), (9, 10), 0.1), (tuple(range(1, 11)), (0, 10), 1.0), ((5, 0), (4, 5), 0.2), ((0,), (0, 0), None)],
)
def test_the_share_of_distinct_payloads_counts_those_that_were_looked_at(tmp_path, asked, counts, distinct):
    samples = [(0, 0, 0, 1.5, 10.0)] * 10
    write(tmp_path, samples, asked=asked)

    found = measured(tmp_path, samples).endpoints["GET /a"]

    assert found.share("distinct") == counts
    assert found.metrics.get("distinct") == (None if distinct is None else pytest.approx(distinct))


def test_attached_numbers_of_the_window_are_summed_up(tmp_path):
    samples = [(0, 0, contract.WARM_UP, 0.5, 10.0)] + [(0, 0, 0, 1.5, 10.0)] * 19
    write(tmp_path, samples)
    lines = [json.dumps([i, {"replica": i % 2, "size": i + 0.5, **({"correct": 1} if i else {})}]) for i in range(20)]
    (tmp_path / "extras-0.jsonl").write_text("\n".join(lines) + "\n")

    found = measured(tmp_path, samples).attached

    assert set(found) == {"replica", "size"}
    assert found["replica"].shares == {"0": 9, "1": 10}
    assert (found["size"].count, found["size"].highest, found["size"].shares) == (19, 19.5, {})
    assert found["size"].p50 == 10.5


def test_distinct_payloads_are_counted_among_the_first_thousand_however_long_a_run_is(tmp_path):
    samples = [(0, 0, 0, 1.5 + number / 1000, 10.0) for number in range(5000)]
    # Every payload of the first thousand once; then those again and again.
    write(tmp_path, samples, asked=tuple(range(1, 1001)))

    assert measured(tmp_path, samples).endpoints["GET /a"].share("distinct") == (0, 1000)


def test_a_window_without_any_ticket_has_no_law(tmp_path):
    samples = [(0, 0, 0, 1.5, 10.0)] * 20
    write(tmp_path, samples)

    found = measured(tmp_path, samples, spans=(dataclasses.replace(SPAN, tickets=0),))

    assert found.law is None


def test_generations_of_which_one_has_labels_are_joined(tmp_path):
    generations = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, [(0, 0, 0, 1.5, 10.0)] * 4)
        if number:
            label(folder, [1, 0, None, None])
        generations.append(read_pairs(folder, closing([], spans=(SPAN, dataclasses.replace(SPAN, target=1)))))

    ours, _ = joined(generations).endpoints["GET /a"]

    assert ours.samples.wrong == (1, 2)


def test_of_the_service_s_figures_the_worst_of_all_generations_counts(tmp_path):
    samples = [(0, 0, 0, 1.5, 10.0)] * 20
    write(tmp_path, samples)
    pairs = read_pairs(tmp_path, closing([], spans=(SPAN, dataclasses.replace(SPAN, target=1))))
    cold, cached = (
        measured(tmp_path, samples).model_copy(update={"service": {"time-to-ready": ready_ms}})
        for ready_ms in (4300.0, 200.0)
    )

    assert whole([cold, cached], pairs).service == {"time-to-ready": 4300.0}


def test_numbers_that_no_request_of_the_window_has_are_no_figure(tmp_path):
    samples = [(0, 0, contract.WARM_UP, 0.5, 10.0)] + [(0, 0, 0, 1.5, 10.0)] * 19
    write(tmp_path, samples)
    (tmp_path / "extras-0.jsonl").write_text('[0, {"size": 3}]\n')

    assert measured(tmp_path, samples).attached == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('[2, {"size": 3}]', "has no sample 2, but numbers of one"),
        ('[-1, {"size": 3}]', "has no sample -1, but numbers of one"),
        ('[0, {"size"', "`extras-0.jsonl` cannot be read"),
    ],
)
def test_numbers_of_no_sample_are_refused(tmp_path, line, reason):
    write(tmp_path, [(0, 0, 0, 1.5, 10.0)] * 2)
    (tmp_path / "extras-0.jsonl").write_text(f"{line}\n")

    with pytest.raises(LoadError, match=reason):
        read_rows(tmp_path)


def test_failures_are_kept_with_an_example_that_can_be_written(tmp_path):
    samples = [(0, 0, 0, 1.5, 10.0)] * 2
    write(tmp_path, samples)
    failure = contract.Failure("GET", "/a\ud83d", Outcome.TIMEOUT, "Timeout", "half \ud83d", 3)

    (found,) = measured(tmp_path, samples, failures=(failure,)).failures

    assert (found.endpoint, found.outcome, found.exception, found.message, found.count) == (
        "GET /a?", "timeout", "Timeout", "half ?", 3,
    )  # fmt: skip


def test_requests_that_hung_through_the_whole_window_are_counted(tmp_path):
    samples = [
        (0, Outcome.TIMEOUT, contract.WARM_UP, 0.5, 12_000.0),  # from before the window until after it
        (0, 0, contract.WARM_UP, 0.5, 12_000.0),  # answered at last
        (0, Outcome.TIMEOUT, contract.WARM_UP, 0.5, 9_000.0),  # within it
        (0, Outcome.TIMEOUT, contract.WARM_UP, 1.5, 12_000.0),  # begun in it
    ]
    write(tmp_path, samples)

    found = measured(tmp_path, samples)

    assert found.hanging == 1
    assert not failed_checks(found)


def turns(*targets, length=2.0, begin=10.0):
    """Spans of two seconds whose unmeasured beginning takes 0.1 s, 0.05 s after the end of the one before."""
    return tuple(
        contract.Span(
            number // 2,
            target,
            0,
            begin + number * (length + 0.15) + 0.1,
            begin + number * (length + 0.15) + 0.1 + length,
            9,
        )
        for number, target in enumerate(targets)
    )


def test_a_turn_lasts_from_its_opening_to_the_next_ones_and_the_last_until_its_last_answer():
    rows = np.zeros(3, DTYPE)
    rows["due_s"] = rows["start_s"] = (10.05, 14.45, 16.5)
    rows["response_ms"] = (5.0, 5.0, 200.0)
    found = turns_of(rows, closing([], spans=turns(0, 1, 1)), 0.1)

    ends = [(round(turn.begin_s, 3), round(turn.end_s, 3)) for turn in found]
    assert ends == [(10.0, 12.15), (12.15, 14.3), (14.3, 16.7)]
    assert [(turn.idle_before, turn.idle_after) for turn in found] == [(True, True), (True, False), (False, True)]


def test_before_the_first_turn_the_last_target_was_warmed_up():
    found = turns_of(np.zeros(0, DTYPE), closing([], spans=turns(1, 0, 0, 1)), 0.1)

    assert [turn.idle_before for turn in found] == [False, True, False, True]
    assert turns_of(np.zeros(0, DTYPE), closing([], spans=()), 0.1) == []


def test_cpu_time_of_a_turn_goes_with_the_requests_of_its_unmeasured_beginning_and_without_failures(tmp_path):
    spans = turns(0, 1, 1, 0, 0)
    packed = [
        contract.SAMPLE.pack(span.target, outcome, 0, 0, segment, 0, 0, span.start_s + at, span.start_s + at, 5.0, 0.0)
        for span in spans
        for at, segment, outcome in (
            (-0.05, contract.WARM_UP, Outcome.OK), (0.5, span.segment, Outcome.SERVER_ERROR),
            (0.5, span.segment, Outcome.OK), (1.0, span.segment, Outcome.OK),
        )
    ]  # fmt: skip
    write(tmp_path, [])
    (tmp_path / "samples-0.bin").write_bytes(b"".join(packed))

    pairs = read_pairs(
        tmp_path, closing([], spans=spans), 0.1, lambda turn: None if turn.segment else 0.3 + turn.target
    )
    ours, theirs = pairs.service["cpu-per-request"]

    assert len(pairs) == 2  # the fifth turn has no other
    assert (ours.count.tolist(), theirs.count.tolist()) == ([3, 3], [3, 3])
    assert (ours.amount[0], theirs.amount[0]) == (pytest.approx(300), pytest.approx(1300))
    assert pairs.known_of_service("cpu-per-request").tolist() == [True, False]
    assert pairs.figures_of_service() == {"cpu-per-request": pytest.approx(100)}


def test_side_by_side_cpu_time_is_that_of_turns_or_none(tmp_path):
    write(tmp_path, [])
    found = [
        measured(tmp_path, []).model_copy(update={"service": {"cpu-per-request": 8.0, "peak-memory": 9.0}})
        for _ in range(2)
    ]
    spans = turns(0, 1)
    blind = read_pairs(tmp_path, closing([], spans=spans), 0.1)

    assert whole(found, blind).service == {"peak-memory": 9.0}
    ratio = Ratio(np.array([300.0]), np.array([30.0]))
    assert (
        whole(found, dataclasses.replace(blind, service={"cpu-per-request": (ratio, ratio)})).service["cpu-per-request"]
        == 10.0
    )


@pytest.mark.parametrize(
    "sample", [(0, 99, 0, 1.5, 10.0), (0, 0, 0, 1e12, 10.0), (0, 0, 0, 1.5, -1e12), (0, 0, 0, 1.5, float("nan"))]
)
def test_samples_that_cannot_be_are_refused(tmp_path, sample):
    """An outcome that there is not, times beyond any run, and none at all."""
    write(tmp_path, [(0, 0, 0, 1.5, 10.0), sample])

    with pytest.raises(LoadError, match=r"`samples-0.bin` has samples that cannot be"):
        read_rows(tmp_path)

"""What a search found: levels judged by the limits, one figure, and what can be said where it did not come to its end."""

import pytest

from entrypoint.baseline.runs import as_run
from entrypoint.judgement.capacity import became, breaking_hold, held, knee, longest_limit_s, replicas, with_capacity
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.search import Held
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import SERVICE
from entrypoint.measurement.model import Capacity, EndpointMeasurement, Stage
from entrypoint.settings.model import Threshold

from .building import group, several

LIMITS = [Threshold.model_validate({"p95": {"max": "100ms"}})]


def endpoint(p95, requests=1000, failures=0, few=()):
    metrics = {"p50": p95 / 2, "p95": p95 if not few else None, "failures": failures / requests, "rate": requests / 10}
    return EndpointMeasurement(
        requests=requests, failures=failures, outcomes={}, metrics=metrics, quantiles={}, few=few
    )


def searched(*levels, model="closed"):
    """A measurement of (level, p95 of `GET /`) in the order of a search; p95 None where the generator could not drive it."""
    stages, endpoints = [], {}
    for number, (load, p95) in enumerate(levels):
        label = f"{load} ({number})"
        stages.append(Stage(
            label=label, load=load, start_s=5.0 + 20 * number, end_s=15.0 + 20 * number, requests=1000, failures=0,
            rate=float(load), p50_ms=(p95 or 1000.0) / 2, p95_ms=p95, ok=p95 is not None,
        ))  # fmt: skip
        if p95 is not None:
            endpoints[f"GET / @ {label}"] = endpoint(p95)
    found = several(endpoints).model_copy(update={"stages": tuple(stages), "model": model})
    return with_capacity(found, LIMITS, 0.01, wanted_rate=300.0)


SETTLED = [(10, 20.0), (20, 30.0), (40, 500.0), (30, 60.0), (31, 400.0), (30, 70.0), (31, 420.0)]


def test_the_figures_are_those_of_the_last_hold_of_the_highest_level_that_held():
    found = searched(*SETTLED)
    assert found.capacity == Capacity(
        metric="capacity-users", passed=30, failed=31, settled=True, rate=30.0, knee=20, wanted_rate=300.0, begin_s=100.0,
        end_s=110.0,
    )  # fmt: skip
    assert found.endpoints == {"GET /": endpoint(70.0)}
    assert found.counted == (100.0, 110.0)
    assert found.window_s == 10.0
    assert found.service == {"capacity-users": 30}
    assert [bool(stage.broken) for stage in found.stages] == [False, False, True, False, True, False, True]
    assert breaking_hold(found) is found.stages[6]


def test_open_load_has_its_capacity_in_requests_a_second():
    assert searched(*SETTLED, model="open").service == {"capacity-rate": 30}


def test_where_nothing_held_the_lowest_level_is_shown_and_there_is_no_figure():
    found = searched((2, 300.0), (1, 200.0), (1, 210.0))
    assert (found.capacity.passed, found.capacity.failed) == (0, 1)
    assert found.endpoints == {"GET /": endpoint(210.0)}
    assert found.service == {}
    assert found.capacity.rate == 0.0


def test_the_figures_are_those_of_a_hold_that_kept_the_limits():
    """Ten users were too many once, of three times: neither that hold is shown, nor one that the generator could not drive."""
    found = searched((10, 20.0), (20, 300.0), (10, 200.0), (10, 30.0), (10, None))
    assert found.capacity.passed == 10
    assert found.endpoints == {"GET /": endpoint(30.0)}


def test_a_search_in_which_the_generator_could_drive_nothing_has_no_figures():
    found = searched((10, None), (10, None), (5, None))
    assert (found.capacity.passed, found.capacity.failed, found.capacity.settled) == (0, None, False)
    assert (found.endpoints, found.service, found.counted) == ({}, {}, (40.0, 50.0))


def test_a_level_that_the_generator_could_not_drive_says_nothing_of_the_service():
    found = searched((10, 20.0), (20, 30.0), (40, None), (40, None))
    assert (found.capacity.passed, found.capacity.failed, found.capacity.by_generator) == (20, None, True)
    assert not found.capacity.settled
    assert breaking_hold(found) is None


def test_a_run_that_ended_before_its_second_level_stays_as_it_is():
    found = several({"GET /": endpoint(20.0)})
    assert with_capacity(found, LIMITS, 0.01) is found


FEW = "p95 of GET /: 60 of the 130 requests it needs."


@pytest.mark.parametrize(
    ("found", "overloaded", "how", "why"),
    [
        (endpoint(99.0), False, Held.PASSED, ""),
        (endpoint(101.0), False, Held.FAILED, "p95 of GET / is 101 ms, over the limit of 100 ms."),
        (endpoint(20.0, failures=40), False, Held.FAILED, "share of failed requests of GET / is 4.00 %, over"),
        (endpoint(20.0, failures=12), False, Held.PASSED, ""),  # over 1 %, and by less than chance explains
        (endpoint(20.0), True, Held.FAILED, "ended early"),
        (endpoint(101.0), True, Held.FAILED, "p95 of GET / is 101 ms"),
        # Too few for a p95, and even the bound that they give is over the limit.
        (endpoint(900.0, requests=60, few=(900.0,) * 60), False, Held.FAILED, "p95 of GET / is 900 ms"),
        (endpoint(20.0, requests=60, few=(20.0,) * 60), False, Held.UNKNOWN, FEW),
        (endpoint(20.0, requests=60, few=(20.0,) * 60), True, Held.FAILED, "ended early"),
    ],
)
def test_a_level_holds_if_no_limit_is_broken_and_there_were_enough_requests_to_tell(found, overloaded, how, why):
    found_how, found_why = became({"GET /": found}, LIMITS, 0.01, overloaded=overloaded)
    assert found_how is how
    assert why in found_why
    assert bool(why) == bool(found_why)


def test_users_who_waited_through_all_of_a_level_are_not_forgotten():
    """They were asked for before it, so none of its requests is theirs."""
    how, why = became({"GET /": endpoint(20.0)}, LIMITS, 0.01, overloaded=False, outlasting=3)
    assert (how, why) == (Held.FAILED, "3 requests from before the level had no answer in all of it.")
    assert became({}, LIMITS, 0.01, overloaded=False, outlasting=1)[1].startswith("1 request from")

    (stage, *others) = searched((10, 20.0), (20, 30.0)).stages
    measured = several({"GET / @ 10 (0)": endpoint(20.0), "GET / @ 20 (1)": endpoint(30.0)})
    stages = (stage.model_copy(update={"outlasting": 3}), *others)
    found = with_capacity(measured.model_copy(update={"stages": stages}), LIMITS, 0.01)
    assert [held(one) for one in found.stages] == [Held.FAILED, Held.PASSED]
    assert found.stages[0].broken == why


def test_where_nothing_was_asked_nobody_knows():
    assert became({}, LIMITS, 0.01, overloaded=False) == (Held.UNKNOWN, "No request was due in it.")
    one = [*LIMITS, Threshold.model_validate({"endpoint": "POST /b", "p95": {"max": "1s"}})]
    how, why = became({"GET /": endpoint(20.0)}, one, 0.01, overloaded=False)
    assert (how, why) == (Held.UNKNOWN, "Nothing was asked of POST /b, which has a limit.")


@pytest.mark.parametrize(
    "limit", [{"peak-memory": {"max": "9GiB"}}, {"throttled": {"max": "5%"}}, {"capacity-users": {"min": 9}}]
)
def test_limits_of_the_service_as_a_whole_wait_for_the_end(limit):
    limits = [*LIMITS, Threshold.model_validate({"endpoint": "*", **limit})]
    assert became({"GET /": endpoint(20.0)}, limits, 0.01, overloaded=False) == (Held.PASSED, "")


def test_the_longest_limit_is_that_of_a_response_time():
    said = {"p50": {"max": "50ms"}, "p95": {"max": "0.4s"}, "failures": {"max": "100%"}}
    assert longest_limit_s([*LIMITS, Threshold.model_validate(said)]) == 0.4
    assert longest_limit_s([]) == 0.0


def rows(found, *before, thresholds=LIMITS):
    """The comparison with runs that had these capacities."""
    runs = group(*[{}] * len(before))
    known = tuple(
        run.model_copy(update={"service": {"capacity-users": value}})
        for run, value in zip(runs.runs, before, strict=True)
    )
    compared = compare(found, Committed(runs.model_copy(update={"runs": known})), thresholds, 0.01)
    return {(change.endpoint, change.metric): change for change in compared.changes}, compared


def test_a_capacity_that_fell_is_accused_and_endpoints_are_held_against_their_limits_alone():
    """The baseline's endpoints were measured at another level, and one of them is not asked for any more."""
    changes, compared = rows(searched(*SETTLED), 60, 61, 59, 60, 62)
    assert changes[SERVICE, "capacity-users"].status is Status.REGRESSED
    assert changes["GET /", "p95"].status is Status.WITHIN_LIMIT
    assert changes["GET /", "p50"].status is Status.REPORTED
    assert all(row.baseline is None for key, row in changes.items() if key[0] == "GET /")
    assert not any(row.status is Status.MISSING for row in compared.changes)
    assert compared.quantiles == {}


def test_the_same_capacity_is_unchanged():
    changes, _ = rows(searched(*SETTLED), 30, 31, 30, 29, 30)
    assert changes[SERVICE, "capacity-users"].status is Status.UNCHANGED


GENERATOR = "the load generator could not drive more"
CUT_SHORT = "the search did not come to its end"


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ([(10, 20.0), (20, 30.0), (40, None), (40, None)], GENERATOR),
        ([(10, 20.0), (20, 30.0), (40, 500.0)], CUT_SHORT),
    ],
)
@pytest.mark.parametrize("asked", [{}, {"capacity-users": {"min": 100}}])
def test_a_capacity_that_may_be_higher_accuses_nobody(levels, why, asked):
    limits = [*LIMITS, *([Threshold.model_validate(asked)] if asked else [])]
    change = rows(searched(*levels), 60, 61, 59, 60, 62, thresholds=limits)[0][SERVICE, "capacity-users"]
    assert (change.status, change.interval) == (Status.UNRESOLVED, None)
    assert sentence(change) == f"capacity of the service: at least 20 users, for {why}; the baseline has 60 users."
    # What is enough is enough, however much more there may be.
    enough = rows(searched(*levels), *[20] * 5)[0][SERVICE, "capacity-users"]
    assert enough.status is Status.UNCHANGED


@pytest.mark.parametrize("levels", [[(40, 300.0)], [(40, 300.0), (20, 200.0)]])
def test_a_search_that_found_nothing_that_holds_and_did_not_try_all_is_in_doubt(levels):
    """Time ran out above one user: neither is a limit exceeded, nor are endpoints held against a baseline of another level."""
    changes, _ = rows(searched(*levels), 60, 61, 59, 60, 62)
    assert sentence(changes[SERVICE, "capacity-users"]) == f"capacity of the service: not known, for {CUT_SHORT}."
    assert (changes["GET /", "p95"].status, changes["GET /", "p95"].baseline) == (Status.UNRESOLVED, None)
    assert not any(change.status in (Status.OVER_LIMIT, Status.REGRESSED) for change in changes.values())


def test_a_search_that_tried_even_one_user_exceeds_its_limit():
    found = searched((2, 300.0), (1, 200.0), (1, 210.0))
    assert found.capacity.none
    assert rows(found, 60, 61, 59, 60, 62)[0]["GET /", "p95"].status is Status.OVER_LIMIT


@pytest.mark.parametrize(("now", "before", "status"), [(2, 3, Status.UNCHANGED), (1, 3, Status.REGRESSED)])
def test_one_user_fewer_is_the_width_of_a_step_and_nobody_s_fault(now, before, status):
    """Searches of an unchanged service give the same whole number again and again; that is no proof of a noise of nothing."""
    levels = [(now, 20.0), (now + 1, 300.0), (now, 20.0), (now + 1, 300.0)]
    change = rows(searched(*levels), *[before] * 5)[0][SERVICE, "capacity-users"]
    assert change.status is status


def test_a_step_of_the_search_is_in_the_interval():
    """Five searches gave the same, so that all that is not known is the step of a twentieth: a fall by that would show."""
    row = rows(searched(*SETTLED), *[30] * 5)[0][SERVICE, "capacity-users"]
    assert row.interval == (pytest.approx(1 / 1.05 - 1), pytest.approx(0.05))
    assert row.resolution == pytest.approx(1 / 1.05 - 1)


def test_a_capacity_that_may_be_higher_is_no_baseline():
    provenance = {"occasion": "1", "commit": "", "date": "2026-01-01"}
    assert as_run(searched(*SETTLED), **provenance).service == {"capacity-users": 30}
    assert as_run(searched((10, 20.0), (20, None), (20, None)), **provenance).service == {}


@pytest.mark.parametrize(
    ("state", "how"),
    [
        ({}, Held.PASSED),
        ({"broken": "p95 is over the limit."}, Held.FAILED),
        ({"undecided": "too few requests."}, Held.UNKNOWN),
        ({"ok": False, "broken": "p95 is over the limit."}, Held.GENERATOR),
    ],
)
def test_what_became_of_a_level_is_read_back_from_it(state, how):
    stage = searched(*SETTLED).stages[0]
    assert held(stage.model_copy(update=state)) is how


def test_the_knee_is_where_another_request_begins_to_cost_more_than_it_brings():
    def stage(load, rate, p50, *, ok=True, overloaded=False):
        return Stage(
            label=str(load), load=load, start_s=0, end_s=1, requests=1, failures=0, rate=rate, p50_ms=p50, p95_ms=p50, ok=ok,
            overloaded=overloaded,
        )  # fmt: skip

    steady = [stage(10, 100, 10), stage(20, 190, 12), stage(40, 220, 40)]
    assert knee(steady) == 20
    assert knee(steady[:2]) is None
    assert knee([*steady, stage(80, 9999, 1, ok=False), stage(160, 9999, 1, overloaded=True)]) == 20


@pytest.mark.parametrize(("wanted", "many"), [(None, 0), (21.0, 1), (21.1, 2), (300.0, 15)])
def test_services_are_counted_so_that_none_is_used_beyond_what_is_wanted_of_it(wanted, many):
    capacity = searched(*SETTLED).capacity.model_copy(update={"wanted_rate": wanted})
    assert replicas(capacity, 0.7) == many


def test_of_a_service_that_answers_nothing_no_number_would_do():
    silent = searched(*SETTLED).capacity.model_copy(update={"rate": 0.0})
    assert replicas(silent, 0.7) == 0


def test_what_a_level_was_is_written_beside_it():
    """Few requests, overload and a recovery that a search does not ask about; the window is the shown level's own."""
    few = endpoint(20.0, requests=60, few=(20.0,) * 60)
    stage = searched(*SETTLED).stages[0].model_copy(update={"recovery_s": 3.0})
    stages = [
        stage.model_copy(update={"label": label, "load": load, "start_s": 0.0, "end_s": 12.0, **more})
        for label, load, more in (
            ("a", 10, {}),
            ("b", 20, {"overloaded": True}),
            ("c", 15, {}),
            ("d", 40, {"ok": False}),
        )
    ]
    endpoints = {"GET / @ a": endpoint(20.0), "GET / @ b": endpoint(20.0), "GET / @ c": few}
    found = with_capacity(several(endpoints).model_copy(update={"stages": tuple(stages)}), LIMITS, 0.01)

    assert [held(one) for one in found.stages] == [Held.PASSED, Held.FAILED, Held.UNKNOWN, Held.GENERATOR]
    assert "ended early" in found.stages[1].broken
    assert (found.stages[2].broken, found.stages[2].undecided) == ("", FEW)
    assert {one.recovery_s for one in found.stages} == {None}
    assert (found.window_s, found.capacity.passed) == (12.0, 10)


def test_the_hold_that_broke_is_one_of_the_lowest_level_that_did():
    found = searched((10, 20.0), (20, 400.0), (40, 500.0))
    assert breaking_hold(found) is found.stages[1]
    assert breaking_hold(several({})) is None

import pytest

from entrypoint.errors import ExitCode
from entrypoint.judgement.model import Change, Comparison, Outcome, Status
from entrypoint.judgement.verdict import Findings, judge, not_measured
from entrypoint.measurement.model import Capacity, Check
from entrypoint.settings.model import CompareWith, Policy

GOOD = Check(name="complete", value=1, limit=1, unit="", ok=True, text="All is well.")
BAD = Check(name="generator-cpu", value=1, limit=0.9, unit="", ok=False, text="The generator was too busy.")
DIED = (("exited", "api exited with code 137."),)


def change(status, **values):
    defaults = {"baseline": 10.0, "candidate": 15.0, "change": 0.5, "interval": (0.4, 0.6), "gated": True}
    return Change(**{"endpoint": "GET /", "metric": "p50", "unit": "ms", "status": status, **defaults, **values})


def verdict(
    *statuses,
    checks=(GOOD,),
    faults=(),
    baseline="found",
    with_=CompareWith.COMMITTED,
    rows=1,
    policy=None,
    capacity=None,
):
    statuses = statuses or ((Status.UNCHANGED,) if rows else ())
    comparison = Comparison(changes=tuple(change(status) for status in statuses), rows=rows, alpha=0.01)
    findings = Findings(
        checks=checks,
        comparison=comparison,
        faults=faults,
        baseline=baseline,
        compare_with=with_,
        capacity=capacity,
    )
    return judge(findings, policy or Policy())


@pytest.mark.parametrize(
    ("case", "outcome", "code"),
    [
        pytest.param({"checks": (GOOD, BAD)}, Outcome.INVALID, 3, id="an invalid run says nothing, not even of limits"),
        pytest.param(
            {"faults": DIED, "checks": (BAD,)}, Outcome.LIMIT_EXCEEDED, 1, id="a service that died has failed"
        ),
        pytest.param({}, Outcome.PASS, 0, id="nothing changed"),
        pytest.param({"baseline": "none"}, Outcome.NO_BASELINE, 0, id="nothing to compare with"),
        pytest.param({"baseline": "none", "with_": CompareWith.NONE}, Outcome.PASS, 0, id="nothing asked for"),
        pytest.param({"baseline": "other"}, Outcome.INCONCLUSIVE, 0, id="another machine"),
        pytest.param({"rows": 0}, Outcome.INCONCLUSIVE, 0, id="no row could be judged"),
        pytest.param(
            {"baseline": "none", "policy": Policy(**{"on-no-baseline": "fail"})},
            Outcome.NO_BASELINE,
            1,
            id="strict, none",
        ),
        pytest.param(
            {"baseline": "other", "policy": Policy(**{"on-inconclusive": "fail"})}, Outcome.INCONCLUSIVE, 1, id="strict"
        ),
    ],
)
def test_verdict_of_a_run_without_changes(case, outcome, code):
    found = verdict(**case)

    assert (found.outcome, found.exit_code) == (outcome, code)
    assert all(reason.text.endswith(".") for reason in found.reasons)
    assert found.reasons


ORDER = [Status.OVER_LIMIT, Status.REGRESSED, Status.UNRESOLVED, Status.IMPROVED, Status.UNCHANGED]
OUTCOMES = [Outcome.LIMIT_EXCEEDED, Outcome.REGRESSION, Outcome.INCONCLUSIVE, Outcome.IMPROVEMENT, Outcome.PASS]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_worst_row_decides(first):
    assert verdict(*ORDER[first:]).outcome is OUTCOMES[first]


def test_the_largest_change_is_named_first_and_one_of_unknown_size_last():
    def named(*changes):
        comparison = Comparison(changes=changes, rows=len(changes), alpha=0.01)
        findings = Findings(
            checks=(), comparison=comparison, faults=(), baseline="found", compare_with=CompareWith.COMMITTED
        )
        return [reason.text.split(" of ")[1].split(" ")[0] for reason in judge(findings, Policy()).reasons]

    sizes = {"small": 0.2, "unknown": None, "falls": -0.7, "large": 0.9}
    assert named(*(change(Status.REGRESSED, endpoint=name, change=size) for name, size in sizes.items())) == [
        "large", "falls", "small", "unknown",
    ]  # fmt: skip


def test_what_died_is_said_before_limits_and_limits_before_regressions():
    found = verdict(Status.REGRESSED, Status.OVER_LIMIT, faults=DIED)
    assert [reason.code for reason in found.reasons] == ["service-exited", "over-limit", "regressed"]


@pytest.mark.parametrize(
    ("case", "code", "text"),
    [
        ({}, "unchanged", "None of 1 judged figures changed beyond its threshold."),
        ({"with_": CompareWith.NONE}, "within-limits", "Every limit was kept."),
        ({"baseline": "none"}, "no-baseline", "There is no baseline yet, so nothing could be compared."),
        (
            {"baseline": "other"},
            "not-comparable",
            "The baseline has no run on this kind of machine with this load, so nothing could be compared.",
        ),
        ({"rows": 0}, "no-gated-row", "No endpoint had enough requests to be judged; measure for longer."),
    ],
)
def test_a_run_without_changes_says_why_in_a_code_and_a_sentence(case, code, text):
    assert [(reason.code, reason.text) for reason in verdict(**case).reasons] == [(code, text)]


def capacity(passed, *, settled=True):
    return Capacity(metric="capacity-rate", passed=passed, failed=370.0, settled=settled, begin_s=0.0, end_s=10.0)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ({"with_": CompareWith.NONE, "capacity": capacity(360.0)}, "Every limit was kept up to 360/s."),
        (
            {"with_": CompareWith.NONE, "capacity": capacity(360.0, settled=False)},
            "Every limit was kept up to 360/s at least.",
        ),
        ({"with_": CompareWith.NONE, "capacity": capacity(0.0)}, "Every limit was kept."),
        (
            {"capacity": capacity(360.0)},
            "None of 1 judged figures changed beyond its threshold; every limit was kept up to 360/s.",
        ),
        (
            {"baseline": "none", "capacity": capacity(360.0)},
            "There is no baseline yet, so nothing could be compared; every limit was kept up to 360/s.",
        ),
    ],
)
def test_a_search_without_changes_says_how_much_it_can_take(case, text):
    assert [reason.text for reason in verdict(**case).reasons] == [text]


def test_a_missing_endpoint_is_never_passed_silently():
    found = verdict(Status.UNCHANGED, Status.MISSING)

    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reasons[0].code == "missing"


def test_an_ungated_row_that_is_unresolved_decides_nothing():
    changes = (change(Status.UNRESOLVED, gated=False), change(Status.UNCHANGED))
    comparison = Comparison(changes=changes, rows=1, alpha=0.01)
    findings = Findings(
        checks=(), comparison=comparison, faults=(), baseline="found", compare_with=CompareWith.COMMITTED
    )

    assert judge(findings, Policy()).outcome is Outcome.PASS


def test_a_threshold_that_guards_nothing_is_said():
    comparison = Comparison(changes=(change(Status.UNCHANGED),), rows=1, alpha=0.01, unmatched=("GET /tpyo",))
    findings = Findings(checks=(), comparison=comparison, faults=(), baseline="none", compare_with=CompareWith.NONE)

    found = judge(findings, Policy())
    assert (found.outcome, found.reasons[0].code) == (Outcome.INCONCLUSIVE, "threshold-unmatched")


def test_rows_of_failures_alone_are_no_comparison():
    failures = change(Status.WITHIN_LIMIT, metric="failures", unit="%", interval=None)
    comparison = Comparison(changes=(failures,), rows=1, alpha=0.01)
    findings = Findings(
        checks=(), comparison=comparison, faults=(), baseline="found", compare_with=CompareWith.COMMITTED
    )

    assert judge(findings, Policy()).reasons[0].code == "no-gated-row"


def test_the_reason_says_what_happened_in_figures():
    text = verdict(Status.REGRESSED).reasons[0].text

    assert text == "p50 of GET / rose from 10.0 ms to 15.0 ms (+50 %, ± 10 %)."


def test_nothing_measured_is_invalid():
    found = not_measured("service-not-ready", "It never answered.")

    assert (found.outcome, found.exit_code) == (Outcome.INVALID, ExitCode.NOTHING_ASSERTED)


PROBLEM = "The base 1234567 could not be measured: it does not build."


@pytest.mark.parametrize(
    ("statuses", "baseline", "outcome", "place"),
    [
        pytest.param((Status.WITHIN_LIMIT,), "none", Outcome.INCONCLUSIVE, 0, id="no baseline either: never a pass"),
        pytest.param((Status.WITHIN_LIMIT,), "other", Outcome.INCONCLUSIVE, 0, id="a baseline of another machine"),
        pytest.param((Status.OVER_LIMIT,), "none", Outcome.LIMIT_EXCEEDED, -1, id="limits need no base"),
        pytest.param((Status.UNCHANGED,), "found", Outcome.PASS, -1, id="the committed baseline decides"),
        pytest.param((Status.REGRESSED,), "found", Outcome.REGRESSION, -1, id="and accuses"),
    ],
)
def test_a_base_that_could_not_be_measured_is_always_said_once(statuses, baseline, outcome, place):
    comparison = Comparison(changes=tuple(change(status) for status in statuses), rows=1, alpha=0.01)
    findings = Findings(
        checks=(GOOD,),
        comparison=comparison,
        faults=(),
        baseline=baseline,
        compare_with=CompareWith.BASE,
        base_problem=PROBLEM,
    )

    found = judge(findings, Policy())

    assert found.outcome is outcome
    said = [reason for reason in found.reasons if reason.code == "base-unavailable"]
    assert said == [found.reasons[place]]
    instead = " The committed baseline was used instead." if baseline == "found" else ""
    assert said[0].text == f"{PROBLEM}{instead}"

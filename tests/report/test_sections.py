"""The small parts of a report: the closed-loop law, and what weakens a run."""

import pytest

from entrypoint.judgement.model import Outcome, Status
from entrypoint.measurement.model import Attached, Law
from entrypoint.report.headline import meaning
from entrypoint.report.neutral import MarkdownNeutral
from entrypoint.report.sections import caveats, facts
from entrypoint.settings.model import CompareWith
from tests.report.results import change, endpoint, measurement, passed, regression


def said(turns_per_s):
    law = Law(users=200, response_s=0.364, think_s=1.5, turns_per_s=turns_per_s)
    shown = passed().model_copy(update={"measurement": measurement().model_copy(update={"law": law})})
    return next(part.text for part in facts(shown, MarkdownNeutral()) if part.label == "Closed-loop law")


def test_the_law_of_closed_load_is_shown_beside_what_was_counted():
    # The published run of the click scorer: 107.3 by the law, 104.3 measured.
    text = said(104.3)
    assert "200 users who wait 364 ms and think 1,500 ms make 107/s turns" in text.replace("\xa0", " ").replace(
        "\\", ""
    )
    assert "counted were 104/s" in text.replace("\xa0", " ")
    assert "beside the requests" not in text


def test_where_the_law_does_not_hold_it_says_why_that_may_be():
    assert "users spend time in their tasks beside the requests" in said(70.0)


def test_more_turns_than_the_law_says_come_from_requests_side_by_side():
    assert "several requests at once, whose times overlap" in said(200.0)


def test_without_a_law_there_is_no_such_line():
    assert not [part for part in facts(passed(), MarkdownNeutral()) if part.label == "Closed-loop law"]


@pytest.mark.parametrize(
    ("name", "shares", "warned"),
    [
        ("POST /predict", (499, 500), True),
        ("POST /predict", (498, 500), False),
        ("POST /predict", (49, 50), False),
        ("POST /predict", (0, 0), False),
        ("GET /health", (499, 500), False),
    ],
)
def test_one_body_over_and_over_is_said(name, shares, warned):
    found = endpoint(10.0).model_copy(update={"shares": {"distinct": shares}})
    shown = passed().model_copy(update={"measurement": measurement({name: found})})
    assert [text for text in caveats(shown) if f"Every request of {name} sent the same" in text] == (
        [f"Every request of {name} sent the same, which a cache may have answered; draw what is sent from many."]
        * warned
    )


def test_a_few_kinds_of_an_attached_number_are_shown_as_shares():
    numbers = {
        "replica": Attached(count=200, mean=0.5, p50=0, p95=1, highest=1, shares={"0": 110, "1": 90}),
        "batch": Attached(count=200, mean=17.25, p50=16, p95=32, highest=64),
    }
    shown = passed().model_copy(update={"measurement": measurement().model_copy(update={"attached": numbers})})
    texts = [part.text.replace("\xa0", " ").replace("\\", "") for part in facts(shown, MarkdownNeutral())]
    assert "replica: 0 55.00 % (110); 1 45.00 % (90)" in texts
    assert "batch: 200 numbers, mean 17.2, p50 16.0, p95 32.0, highest 64.0" in texts


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (0.18, "It computes more: CPU time for each success +18 %."),
        (0.02, "CPU time for each success is what it was (+2.0 %), so it waits longer"),
        (0.07, ""),
        (None, ""),
    ],
)
def test_a_regression_says_whether_the_service_computes_more_or_waits(used, said):
    slower = regression()
    told = meaning(slower)
    cpu = change("(service)", "cpu-per-request", Status.REPORTED, 2.0).model_copy(update={"change": used})
    explained = meaning(slower.model_copy(update={"changes": (*slower.changes, cpu)}))
    assert explained == told if not said else said in explained


@pytest.mark.parametrize(
    ("used", "interval", "said"),
    [
        (0.18, (0.14, 0.22), "It computes more: CPU time for each success +18 %, +14 to +22 %."),
        (0.07, (0.02, 0.12), "It computes more: CPU time for each success +7.0 %, +2.0 to +12 %."),
        (0.18, (-0.02, 0.40), ""),
        (0.02, (-0.02, 0.06), "CPU time for each success is what it was (+2.0 %, -2.0 to +6.0 %), so it waits longer"),
        (0.02, (-0.10, 0.16), ""),
        (-0.30, (-0.40, -0.20), ""),
    ],
)
def test_side_by_side_the_interval_of_cpu_time_says_whether_the_service_computes_more_or_waits(used, interval, said):
    slower = regression()
    beside = slower.model_copy(update={"compared": slower.compared.model_copy(update={"with_": CompareWith.BASE})})
    told = meaning(beside)
    cpu = change("(service)", "cpu-per-request", Status.REPORTED, 2.0)
    cpu = cpu.model_copy(update={"change": used, "interval": interval})
    explained = meaning(beside.model_copy(update={"changes": (*beside.changes, cpu)}))
    assert explained == told if not said else said in explained


def test_nothing_is_explained_where_cpu_time_alone_has_risen():
    quiet = passed()
    cpu = change("(service)", "cpu-per-request", Status.REGRESSED, 2.0, before=1.0)
    dearer = quiet.model_copy(update={"verdict": Outcome.REGRESSION, "changes": (*quiet.changes, cpu)})
    assert "computes more" not in meaning(dearer)

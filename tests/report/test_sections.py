"""The small parts of a report: the closed-loop law, and what weakens a run."""

import json

import pytest

from entrypoint.errors import SettingsError
from entrypoint.judgement.model import Change, Outcome, Status
from entrypoint.measurement.model import Attached, Law, Silence
from entrypoint.report.endurance import growth
from entrypoint.report.headline import meaning, reassurance
from entrypoint.report.neutral import HtmlNeutral, MarkdownNeutral
from entrypoint.report.result import parse_result
from entrypoint.report.rows import make_row
from entrypoint.report.sections import caveats, facts
from entrypoint.run import stretches
from entrypoint.settings.model import CompareWith
from tests.report.results import change, endpoint, measurement, passed, points, regression, soak


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


def test_a_figure_that_the_settings_chose_has_its_own_name_direction_and_plain_number():
    """It is in no list of ours: the result alone says what it is."""
    hits = Change(endpoint="(service)", metric="cache-hits", unit="", status=Status.REGRESSED, gated=True, higher_is_better=True,
                  baseline=0.5, candidate=0.000246, change=-0.9995, threshold=0.1, limit=0.4)  # fmt: skip
    row = make_row(0, hits, MarkdownNeutral())
    assert (row.metric, row.now) == ("`cache-hits`", "0.000246")
    assert row.allowed.replace("\xa0", " ") == "-10 %; at least 0.4"


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


def test_a_fall_that_would_have_shown_is_told_by_its_size():
    """Of a capacity less is worse: the smallest fall that shows is the least that all figures together would have shown."""
    capacity = change("(service)", "capacity-rate", Status.UNCHANGED, 285.0, before=290.0, half=0.15)
    p50 = change("GET /", "p50", Status.UNCHANGED, 10.0, before=10.0, half=0.05)
    quiet = passed().model_copy(update={"changes": (capacity, p50)})
    (*_, seen) = reassurance(quiet, MarkdownNeutral())
    assert seen.replace("\N{NO-BREAK SPACE}", " ").startswith("A worsening of 21 % or more would have shown")


def told(**changes):
    """The facts of a soak, and its lines of growth."""
    shown = soak()
    found = shown.measurement.soak.model_copy(update=changes)
    measured = shown.measurement.model_copy(update={"soak": found})
    text = next(
        part.text
        for part in facts(shown.model_copy(update={"measurement": measured}), HtmlNeutral())
        if part.label == "Soak"
    )
    return text.replace("\xa0", " "), growth(measured, MarkdownNeutral())


def test_a_soak_says_which_limit_was_broken_first_and_how_often_since():
    text, _ = told()
    assert text == (
        "p95 of <code>POST /recommend</code> was first over its limit of 100 ms after 23 min, and in 35 of the 37 stretches of "
        "60 s from there on. Limits are judged by the whole window. No request succeeded any more after 56 min, until the end."
    )


def test_a_soak_that_broke_nothing_and_a_silence_that_passed_are_said_to_be():
    text, _ = told(broken=(), silence=None)
    assert text == (
        "No stretch of 60 s broke a limit by more than chance explains. The service never stopped answering."
    )
    assert told(silence=Silence(after_s=0.2, seconds=41.2))[0].endswith(
        "It stopped answering from the beginning on: no request succeeded for 41 s."
    )
    assert told(silence=Silence(after_s=23.0, seconds=181.0))[0].endswith("after 23 s: no request succeeded for 3 min.")
    assert told(silence=Silence(after_s=0.0, seconds=None))[0].endswith("whole window. No request succeeded at all.")


def test_a_soak_says_what_it_cannot_tell():
    text, _ = told(broken=(), silence=None, limits=200, unseen=200, growth=())
    assert text == (
        "For 200 of the 200 limits, stretches of 60 s have too few requests to tell. "
        "Growth of p50 and p95 is not known: too few stretches have enough successes. "
        "Growth of memory is not known: it was not read often enough. The service never stopped answering."
    )
    some, _ = told(broken=(), silence=None, limits=3, unseen=1)
    assert "No stretch of 60 s broke a limit by more than chance explains. For 1 of the 3 limits, stretches" in some
    assert told(broken=(), limits=1, unseen=1)[0].startswith("For the limit, stretches of 60 s have too few requests")
    assert told(limits=3, unseen=1)[0].count("stretch") == 2
    assert told(broken=(), limits=0)[0].startswith("No percentile and no share of failures has a limit")


@pytest.mark.parametrize("seconds", [0.0, 5e-324, 1e10])
def test_a_soak_of_another_version_or_of_nobody_is_shown_whatever_its_stretches(seconds):
    assert told(stretch_s=seconds)[1][0].result == "grew"


@pytest.mark.parametrize(("several", "words"), [(3, ""), (4, "1 more limit was"), (6, "3 more limits were")])
def test_of_many_broken_limits_the_first_are_named(several, words):
    broken = soak().measurement.soak.broken[0]
    text, _ = told(broken=(broken.model_copy(update={"metric": "unheard-of"}), *[broken] * (several - 1)))
    assert text.startswith("Unheard-of of ")
    assert text.count("was first over") == 3
    assert f"{words} broken later" in text if words else "broken later" not in text


@pytest.mark.parametrize(
    ("found", "interval", "result"),
    [
        ({"low": 47.2, "high": 49.3}, "+47.2 to +49.3 MiB", "grew"),
        ({"low": -49.3, "high": -47.2, "word": "fell", "slowed": True}, "-49.3 to -47.2 MiB", "fell"),
        ({"low": -1.0, "high": 2.0, "word": "steady"}, "-1.00 to +2.00 MiB", "no certain growth; at most +2.00 MiB"),
        (
            {"low": 0.5, "high": 0.9, "word": "steady"},
            "+0.500 to +0.900 MiB",
            "no growth to speak of; at most +0.900 MiB",
        ),
        ({"low": 47.2, "high": 49.3, "slowed": True}, "+47.2 to +49.3 MiB", "grew, more slowly in the second half"),
        (
            {"low": 47.2, "high": 49.3, "points": points(79.0, 48.1)[:30]},
            "+47.2 to +49.3 MiB",
            "grew (in 30 of 60 stretches)",
        ),
        ({"low": -2.0, "high": -1.0, "word": "steady"}, "-2.00 to -1.00 MiB", "no growth"),
    ],
)
def test_growth_in_words(found, interval, result):
    memory = soak().measurement.soak.growth[2].model_copy(update=found)
    line = told(growth=(memory,))[1][0]
    assert line.interval.replace("\xa0", " ") == interval
    assert line.result.replace("\xa0", " ") == result


@pytest.mark.parametrize(
    ("per_hour", "words"), [(10.2, "+10.2 ms (+39 %)"), (-13.0, "-13.0 ms (-50 %)"), (-32.0, "-32.0 ms")]
)
def test_no_response_time_falls_by_more_than_all_of_it(per_hour, words):
    """An hour is the unit and no forecast."""
    p50 = soak().measurement.soak.growth[0].model_copy(update={"per_hour": per_hour})
    assert told(growth=(p50,))[1][0].change.replace("\xa0", " ") == words


def test_memory_is_told_for_a_thousand_requests_too_where_any_succeeded():
    memory = soak().measurement.soak.growth[2:]
    assert [line.what for line in told(growth=memory)[1]] == ["memory, in an hour", "memory, in 1,000 requests"]
    assert [line.what for line in told(growth=memory, rate=0.0)[1]] == ["memory, in an hour"]


def test_the_page_marks_when_a_soak_first_failed():
    found = soak().measurement
    timing = {"warm-up": 5.0}
    assert [(one.begin_s, one.end_s, one.label) for one in stretches(found, timing)] == [
        (-5.0, 0.0, ""),
        (0.0, 1380.0, ""),
        (1380.0, 3600.0, "after the first broken limit or silence"),
    ]
    at_once = found.soak.model_copy(update={"silence": Silence(after_s=0.0, seconds=20.0)})
    assert len(stretches(found.model_copy(update={"soak": at_once}), timing)) == 2
    quiet = found.soak.model_copy(update={"silence": None, "broken": ()})
    assert stretches(found.model_copy(update={"soak": quiet}), timing) == ()


@pytest.mark.parametrize(
    "damage",
    [
        {"points": [[30.0, 1.0]] * 61},
        {"points": [[30.0, 1.0], [30.0, 2.0]]},
        {"points": [[30.0, "Infinity"]]},
        {"points": [["Infinity", 1.0]]},
        {"word": "<b>grew</b>"},
        {"of": "p17"},
    ],
)
def test_a_soak_from_elsewhere_that_cannot_be_is_refused(damage):
    whole = soak().model_dump(mode="json")
    whole["measurement"]["soak"]["growth"][0] |= damage
    with pytest.raises(SettingsError, match="is not a result of this version"):
        parse_result(json.dumps(whole).encode(), "result.json")

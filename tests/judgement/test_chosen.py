"""Figures of the service that the settings chose: judged like our own, where a threshold asks."""

import pytest

from entrypoint.baseline.model import Baseline
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.edits import describe_edits
from entrypoint.judgement.model import Change, Status
from entrypoint.judgement.thresholds import as_written
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS, SERVICE, Direction
from entrypoint.measurement.model import Chosen
from entrypoint.settings.model import Threshold

from .building import FINGERPRINT, group, measurement

INFERENCE = Chosen(key="inference-time", unit="ms")
HITS = Chosen(key="cache-hits", better="higher")


def runs(key, *values, made_of=""):
    """A baseline of occasions with a figure of the service each."""
    plain = group(*[{}] * len(values))
    made = {"made_of": {key: made_of}}
    known = zip(plain.runs, values, strict=True)
    return plain.model_copy(
        update={"runs": tuple(run.model_copy(update={"service": {key: v}, **made}) for run, v in known)}
    )


def row(chosen, value, said=None, before=()):
    """The row of a chosen figure, by a threshold and a baseline of these values."""
    service = {} if value is None else {chosen.key: value}
    found = measurement().model_copy(update={"service": service, "chosen": (chosen,)})
    written = [{"endpoint": SERVICE, chosen.key: said}] if said is not None else []
    limits = [Threshold.model_validate(one, context=found.metrics) for one in written]
    compared = compare(
        found, Committed(runs(chosen.key, *before, made_of=chosen.made_of)) if before else None, limits, 0.01
    )
    return next(change for change in compared.changes if change.metric == chosen.key)


@pytest.mark.parametrize(
    ("chosen", "value", "status"),
    [
        (INFERENCE, 12.1, Status.UNCHANGED),
        (INFERENCE, 30.0, Status.REGRESSED),
        (INFERENCE, 4.0, Status.IMPROVED),
        (HITS, 12.1, Status.UNCHANGED),
        (HITS, 4.0, Status.REGRESSED),
        (HITS, 30.0, Status.IMPROVED),
    ],
)
def test_it_is_held_against_the_baseline_in_its_own_direction_where_a_threshold_asks(chosen, value, status):
    before = (12.0, 12.1, 11.9, 12.05, 12.0)
    found = row(chosen, value, {"gate": True}, before)
    assert (found.status, found.gated, found.unit, found.threshold) == (status, True, chosen.unit, 0.25)
    assert found.resolution is not None
    shown = row(chosen, value, None, before)
    assert (shown.status, shown.gated, shown.baseline) == (Status.REPORTED, False, found.baseline)


@pytest.mark.parametrize(
    ("chosen", "said", "value", "status"),
    [
        (INFERENCE, {"max": "20ms"}, 20.5, Status.OVER_LIMIT),
        (INFERENCE, {"max": "20ms"}, 19.5, Status.WITHIN_LIMIT),
        (HITS, {"min": 0.5}, 0.4, Status.OVER_LIMIT),
        (HITS, {"min": 0.5}, 0.6, Status.WITHIN_LIMIT),
    ],
)
def test_a_limit_needs_no_baseline(chosen, said, value, status):
    assert row(chosen, value, said).status is status


def test_one_without_a_value_says_why_and_raises_doubt_only_where_a_threshold_asks():
    lost = INFERENCE.model_copy(update={"missing": "the page has no series `x`"})
    shown = row(lost, None)
    assert (shown.status, shown.gated, shown.note) == (Status.REPORTED, False, "the page has no series `x`")
    for said in ({"gate": True}, {"max": "20ms"}):
        asked = row(lost, None, said, (12.0,))
        assert (asked.status, asked.gated) == (Status.UNRESOLVED, True)
        assert sentence(asked) == "inference-time of the service: the page has no series `x`."


@pytest.mark.parametrize(
    ("chosen", "said", "status"),
    [
        (HITS, {"gate": True}, Status.UNRESOLVED),
        (HITS, {"max-decrease": "10%"}, Status.UNRESOLVED),
        (HITS, {"max": 9}, Status.UNRESOLVED),
        (HITS, {"min": 0}, Status.WITHIN_LIMIT),
        (HITS, {"min": 0.5}, Status.OVER_LIMIT),
        (INFERENCE, {"gate": True}, Status.REPORTED),
        (INFERENCE, {"max": "20ms"}, Status.WITHIN_LIMIT),
    ],
)
def test_nothing_at_all_has_no_ratio_and_is_never_taken_for_new(chosen, said, status):
    found = row(chosen, 0.0, said, (12.0,) * 5)
    told = said.keys() & ({"min"} if chosen is HITS else {"max"})
    assert (found.status, found.gated) == (status, True)
    shown = f"0.000{f' {chosen.unit}' if chosen.unit else ''}"
    assert found.note == f"{shown} has no ratio to the baseline{'' if told else '; a limit would tell'}"
    assert row(chosen, 0.0, None, (12.0,) * 5).status is Status.REPORTED


@pytest.mark.parametrize(
    ("chosen", "said", "value", "status"),
    [
        (INFERENCE, {"max-increase": "20%"}, 3.0, Status.UNRESOLVED),
        (INFERENCE, {"max-increase": "20%"}, 0.5, Status.UNRESOLVED),
        (INFERENCE.model_copy(update={"made_of": "x"}), {"max-increase": "20%"}, 3.0, Status.UNRESOLVED),
        (INFERENCE, {"max": "20ms"}, 3.0, Status.WITHIN_LIMIT),
        (INFERENCE, {"max": "2ms"}, 3.0, Status.OVER_LIMIT),
        (INFERENCE, {"gate": True}, 0.0, Status.REPORTED),
        (HITS, {"gate": True}, 3.0, Status.REPORTED),
        (HITS, {"gate": True}, 0.0, Status.REPORTED),
    ],
)
def test_something_where_there_was_nothing_never_passes_as_new(chosen, said, value, status):
    found = row(chosen, value, said, (0.0,) * 5)
    assert (found.status, found.gated) == (status, status is not Status.REPORTED)
    assert found.note == "there is no ratio to a baseline of 0" + ("" if "max" in said else "; a limit would tell")
    assert row(chosen, value, {"gate": True}).note == ""


def test_a_baseline_that_is_nothing_in_some_runs_alone_is_not_one_of_nothing():
    assert row(HITS, 0.0, {"gate": True}, (0.0, 12.0)).note == "0.000 has no ratio to the baseline; a limit would tell"


@pytest.mark.parametrize("value", [0.5, 20.0])
def test_a_figure_whose_noise_nobody_knows_has_a_ratio_and_no_interval(value):
    found = measurement().model_copy(update={"service": {"disk-per-request": value}})
    limits = [Threshold.model_validate({"endpoint": SERVICE, "disk-per-request": {"max-increase": "10%"}})]
    compared = compare(found, Committed(runs("disk-per-request", 0.5, 0.5)), limits, 0.01)
    new = next(change for change in compared.changes if change.metric == "disk-per-request")
    assert (new.status, new.interval, new.note) == (Status.NEW, None, "")


def test_a_figure_that_is_made_of_something_else_is_another_one_and_new():
    """In seconds for milliseconds it would be a thousandth, which is no improvement."""
    made_of = "inference_seconds_sum per inference_seconds_count, in s, lower is better"
    known = runs("inference-time", 12.0, 12.1, 11.9, 12.05, 12.0, made_of=made_of)
    statuses = {}
    for now in (made_of, made_of.replace("in s", "in numbers"), ""):
        chosen = INFERENCE.model_copy(update={"made_of": now})
        found = measurement().model_copy(update={"service": {"inference-time": 12.0}, "chosen": (chosen,)})
        limits = [
            Threshold.model_validate({"endpoint": SERVICE, "inference-time": {"gate": True}}, context=found.metrics)
        ]
        rows = compare(found, Committed(known), limits, 0.01).changes
        statuses[now] = next((one.status, len(one.history)) for one in rows if one.metric == "inference-time")
    assert list(statuses.values()) == [(Status.UNCHANGED, 5), (Status.NEW, 0), (Status.NEW, 0)]


def test_a_row_knows_its_name_and_direction_without_the_settings():
    """A report is made of the result alone; what is in our list goes by the list, whatever the row says."""
    hits = row(HITS, 3.0)
    assert (hits.label, hits.direction) == ("cache-hits", Direction.HIGHER_IS_BETTER)
    assert row(INFERENCE, 3.0).direction is Direction.LOWER_IS_BETTER
    ours = Change(endpoint="GET /", metric="p50", unit="ms", status=Status.NEW, gated=True, higher_is_better=True)
    assert (ours.label, ours.direction) == ("p50", Direction.LOWER_IS_BETTER)


def test_none_takes_the_place_of_one_of_ours():
    found = measurement().model_copy(update={"chosen": (Chosen(key="p50"), HITS)})
    assert found.metrics["p50"] is METRICS["p50"]
    assert list(found.metrics) == [*METRICS, "cache-hits"]


def test_a_threshold_of_one_is_written_in_its_unit():
    known = measurement().model_copy(update={"chosen": (INFERENCE, HITS)}).metrics
    written = {"endpoint": SERVICE, "inference-time": {"max": "20ms"}, "cache-hits": {"min": 0.5}}
    assert as_written(Threshold.model_validate(written, context=known), known) == written
    with pytest.raises(ValueError, match="there is no metric 'cache-hits'; the metrics are p50, p90"):
        Threshold.model_validate({"endpoint": SERVICE, "cache-hits": {"min": 0.5}})
    with pytest.raises(ValueError, match="cache-hits guards nothing there, for it is a figure of the service"):
        Threshold.model_validate({"endpoint": "GET /", "cache-hits": {"min": 1}}, context=known)


def test_a_baseline_that_was_changed_is_told_of_it_too():
    before, after = (Baseline(groups=(runs("cache-hits", value),)) for value in (12.0, 6.0))
    known = {"cache-hits": HITS.metric}
    asked = [Threshold.model_validate({"endpoint": SERVICE, "cache-hits": {"gate": True}}, context=known)]
    assert "cache-hits of (service) from 12.0 to 6.00 (-50 %)" in describe_edits(
        before, after, FINGERPRINT, asked, known
    )

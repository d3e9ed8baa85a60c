"""Figures of the service that the settings chose: judged like our own, where a threshold asks."""

import math
from dataclasses import replace

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


GATE, FROM_0 = {"gate": True}, (0.0,) * 5


@pytest.mark.parametrize(
    ("chosen", "said", "before", "now", "status", "note"),
    [
        (HITS, GATE, (12.0,) * 5, 0.0, Status.UNRESOLVED, "0.000 has no ratio to 12.0 in the baseline; a limit would tell"),
        (HITS, {"max-decrease": "10%"}, (12.0,) * 5, 0.0, Status.UNRESOLVED, None),
        (HITS, {"max": 5.0, "gate": True}, (12.0,) * 5, 0.0, Status.UNRESOLVED, None),
        (HITS, {"min": 0.0}, (12.0,) * 5, 0.0, Status.WITHIN_LIMIT, "0.000 has no ratio to 12.0 in the baseline"),
        (HITS, {"min": 1.0}, (12.0,) * 5, 0.0, Status.OVER_LIMIT, "0.000 has no ratio to 12.0 in the baseline"),
        (HITS, GATE, FROM_0, 3.0, Status.REPORTED, "3.00 has no ratio to 0.000 in the baseline"),
        (HITS, GATE, FROM_0, 0.0, Status.REPORTED, "0.000 has no ratio to 0.000 in the baseline"),
        (HITS, GATE, (0.0, 12.0), 0.0, Status.REPORTED, "0.000 has no ratio to 0.000 in the baseline"),
        (HITS, GATE, (-1.0,) * 5, -5.0, Status.UNRESOLVED, None),
        (INFERENCE, GATE, (12.0,) * 5, 0.0, Status.REPORTED, "0.000 ms has no ratio to 12.0 ms in the baseline"),
        (INFERENCE, {"max": "20ms"}, (12.0,) * 5, 0.0, Status.WITHIN_LIMIT, None),
        (INFERENCE, {"max": "20ms"}, FROM_0, 3.0, Status.WITHIN_LIMIT, None),
        (INFERENCE, {"max": "2ms"}, FROM_0, 3.0, Status.OVER_LIMIT, None),
        (INFERENCE, GATE, FROM_0, 0.5, Status.UNRESOLVED, None),
        (INFERENCE, {"max-increase": "20%", "floor": "1ms"}, FROM_0, 1.0, Status.REPORTED, None),
        (INFERENCE, {"max-increase": "20%", "floor": "1ms"}, FROM_0, 1.1, Status.UNRESOLVED, None),
        (INFERENCE, GATE, (0.0,) * 8 + (40.0, 41.0, 40.5), 42.0, Status.UNRESOLVED, None),
        (INFERENCE, GATE, (0.0,) * 8 + (40.0, 41.0, 40.5), 41.0, Status.REPORTED, None),
        (INFERENCE, GATE, (-10.0,) * 5, -1.0, Status.UNRESOLVED, None),
        (INFERENCE.model_copy(update={"made_of": "x"}), GATE, FROM_0, 3.0, Status.UNRESOLVED, None),
    ],
)  # fmt: skip
def test_what_has_no_ratio_never_passes_where_it_is_worse_than_in_every_run(chosen, said, before, now, status, note):
    found = row(chosen, now, said, before)
    assert (found.status, found.change, found.interval) == (status, None, None)
    assert note is None or found.note == note
    if status is not Status.REPORTED:
        assert found.gated
    unasked = row(chosen, now, None, before)
    assert (unasked.status, unasked.gated, unasked.note) == (Status.REPORTED, False, "")


def test_what_no_run_had_is_new():
    assert row(HITS, 3.0, GATE, ()).status is Status.REPORTED
    other = runs("another", 1.0, 1.0)
    found = measurement().model_copy(update={"service": {"cache-hits": 0.0}, "chosen": (HITS,)})
    limits = [Threshold.model_validate({"endpoint": SERVICE, "cache-hits": GATE}, context=found.metrics)]
    rows = compare(found, Committed(other), limits, 0.01).changes
    assert next(one.status for one in rows if one.metric == "cache-hits") is Status.NEW


@pytest.mark.parametrize("metric", ["disk-per-request", "memory-growth"])
@pytest.mark.parametrize("key", ["max-increase", "floor"])
def test_a_figure_whose_noise_nobody_knows_is_held_against_no_baseline_and_the_settings_say_so(metric, key):
    with pytest.raises(ValueError, match=f"{key} does nothing on {metric}; what works there is max, min, gate"):
        Threshold.model_validate({"endpoint": SERVICE, metric: {key: "10%" if key == "max-increase" else "1KiB"}})


def test_a_change_that_could_not_have_been_seen_at_all_stays_without_bound():
    class Blind(Committed):
        def hold(self, *arguments):
            found = super().hold(*arguments)
            return found and replace(found, resolution=math.inf)

    for chosen in (HITS, INFERENCE):
        found = measurement().model_copy(update={"service": {chosen.key: 12.0}, "chosen": (chosen,)})
        rows = compare(found, Blind(runs(chosen.key, 12.0, 12.1)), [], 0.01).changes
        assert next(one.resolution for one in rows if one.metric == chosen.key) == math.inf


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

"""Figures of the service as a whole, which no endpoint has."""

import pytest

from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS, SERVICE
from entrypoint.settings.model import Threshold

from .building import group, measurement, several

ASKED = {"endpoint": SERVICE, "time-to-ready": {"gate": True}}


def changes(ready_ms, *thresholds, baseline_ms=None):
    runs = group(*[{}] * 5)
    if baseline_ms:
        known = tuple(run.model_copy(update={"service": {"time-to-ready": baseline_ms}}) for run in runs.runs)
        runs = runs.model_copy(update={"runs": known})
    found = measurement().model_copy(update={"service": {"time-to-ready": ready_ms} if ready_ms else {}})
    compared = compare(found, Committed(runs), [Threshold.model_validate(each) for each in thresholds], 0.01)
    return {(change.endpoint, change.metric): change for change in compared.changes}, compared


@pytest.mark.parametrize(
    ("ready_ms", "status"),
    [(4000, Status.UNCHANGED), (4400, Status.UNCHANGED), (80_000, Status.REGRESSED), (300, Status.IMPROVED)],
)
def test_the_time_to_ready_is_held_against_the_baseline_and_judged_where_asked(ready_ms, status):
    rows, _ = changes(ready_ms, ASKED, baseline_ms=4000.0)
    assert (rows[SERVICE, "time-to-ready"].status, rows[SERVICE, "time-to-ready"].gated) == (status, True)
    shown = changes(ready_ms, baseline_ms=4000.0)[0][SERVICE, "time-to-ready"]
    assert (shown.status, shown.gated, shown.baseline) == (Status.REPORTED, False, pytest.approx(4000.0))


def test_a_slower_start_reads_as_one():
    rows, _ = changes(80_000, ASKED, baseline_ms=4000.0)
    assert sentence(rows[SERVICE, "time-to-ready"]).startswith(
        "time to ready of the service rose from 4,000 ms to 80.0 s"
    )


def test_less_than_the_floor_is_never_accused():
    assert changes(450.0, ASKED, baseline_ms=20.0)[0][SERVICE, "time-to-ready"].status is Status.UNCHANGED


def test_a_limit_needs_no_baseline():
    rows, compared = changes(4000, {"endpoint": SERVICE, "time-to-ready": {"max": "3s"}})
    assert rows[SERVICE, "time-to-ready"].status is Status.OVER_LIMIT
    assert compared.unmatched == ()


def test_a_service_that_was_running_has_no_such_row_unless_a_threshold_asks():
    assert (SERVICE, "time-to-ready") not in changes(None, baseline_ms=4000.0)[0]
    asked = changes(None, {"endpoint": "*", "time-to-ready": {"max": "3s"}})[0][SERVICE, "time-to-ready"]
    assert (asked.status, asked.note) == (Status.UNRESOLVED, "the service was running already")
    gated = changes(None, ASKED, baseline_ms=4000.0)[0][SERVICE, "time-to-ready"]
    assert (gated.status, gated.gated) == (Status.UNRESOLVED, True)


def test_endpoints_and_the_service_have_metrics_of_their_own():
    rows, _ = changes(4000)
    assert {metric for endpoint, metric in rows if endpoint == SERVICE} == {"time-to-ready"}
    assert ("GET /", "time-to-ready") not in rows
    assert all(metric.optional for metric in METRICS.values() if metric.is_of(SERVICE))


@pytest.mark.parametrize(
    ("asked", "mib", "status"),
    [
        ({"gate": True}, 360.0, Status.REGRESSED),
        ({"gate": True}, 205.0, Status.REGRESSED),
        ({"gate": True}, 180.0, Status.UNCHANGED),
        ({}, 360.0, Status.REPORTED),
    ],
)
def test_images_are_told_apart_on_the_first_occasion_where_a_threshold_asks(asked, mib, status):
    """Twenty judged rows share the error rate, and the baseline is a single run."""
    endpoints = {f"GET /{number}": measurement().endpoints["GET /"] for number in range(10)}
    one = group({}).runs[0]
    values = dict.fromkeys(endpoints, one.endpoints["GET /"])
    runs = group({}).model_copy(
        update={"runs": (one.model_copy(update={"endpoints": values, "service": {"image-size": 180.0}}),)}
    )
    found = several(endpoints).model_copy(update={"service": {"image-size": mib}})
    thresholds = [Threshold.model_validate({"endpoint": SERVICE, "image-size": asked})]

    compared = compare(found, Committed(runs), thresholds, 0.01)

    assert compared.rows >= 20
    row = next(change for change in compared.changes if change.metric == "image-size")
    assert row.status is status
    if asked and mib == 360.0:
        assert sentence(row).startswith("size of all images of the service rose from 180 MiB to 360 MiB (+100 %")

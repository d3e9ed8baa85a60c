"""Rules from thresholds, and thresholds as they are written."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.judgement.thresholds import as_written, log_of_allowed, matches, rule_for, unmatched
from entrypoint.measurement.metrics import METRICS, OF_ENDPOINTS
from entrypoint.measurement.model import AT_STAGE
from entrypoint.settings.model import Threshold, working_keys

NUMBERS = st.floats(1e-6, 1e6)
UNITS = {"ms": "ms", "MiB": "MiB", "KiB": "KiB", "%": "%", "1/s": ""}


def read(endpoint="*", **metrics):
    return Threshold.model_validate({"endpoint": endpoint, **metrics})


@pytest.mark.parametrize(
    "written",
    [
        {"endpoint": "POST /predict", "p95": {"max": "250ms", "floor": "2ms", "max-increase": "20%", "gate": True}},
        {"endpoint": "*", "rate": {"min": 12.5, "max-decrease": "7.3%"}},
        {"endpoint": "*", "failures": {"max": "0.5%"}, "accuracy": {"min": "92.5%"}},
        {"endpoint": "(service)", "peak-memory": {"max": "512MiB"}, "network-per-request": {"max": "3KiB"}},
        {"endpoint": "GET *", "p50": {"gate": False}},
    ],
)
def test_a_threshold_is_written_as_the_settings_have_it(written):
    assert as_written(Threshold.model_validate(written)) == written


def test_a_small_limit_is_written_without_an_exponent():
    """One failure in two million, as a percentage."""
    assert as_written(read(failures={"max": "0.00005%"}))["failures"] == {"max": "0.00005%"}
    assert as_written(read(p50={"max-increase": "12.3456789%"}))["p50"] == {"max-increase": "12.3456789%"}


@given(metric=st.sampled_from(sorted(OF_ENDPOINTS)), value=NUMBERS, change=st.floats(0, 1), data=st.data())
def test_whatever_is_written_reads_back(metric, value, change, data):
    keys = data.draw(st.sets(st.sampled_from(sorted(working_keys(METRICS[metric])))))
    amount = f"{min(value, 99.0) if METRICS[metric].unit == '%' else value:f}{UNITS[METRICS[metric].unit]}"
    changes = {"max-increase": f"{change * 100:f}%", "max-decrease": f"{change * 100:f}%", "gate": True}
    said = {key: changes.get(key, amount) for key in keys}
    threshold = read(**{metric: said})

    again = Threshold.model_validate(as_written(threshold))

    before, after = (one.metrics[metric].model_dump(exclude_none=True) for one in (threshold, again))
    assert after == pytest.approx(before, rel=1e-9)


def test_an_allowed_change_is_a_logarithm_towards_worse():
    assert log_of_allowed(0.25, lower_is_better=True) == pytest.approx(math.log(1.25))
    assert log_of_allowed(0.25, lower_is_better=False) == pytest.approx(-math.log(0.75))
    # A fall by all there is would have no logarithm.
    assert log_of_allowed(1.0, lower_is_better=False) == pytest.approx(-math.log(1e-6), rel=1e-6)


def test_a_rule_without_an_allowed_change_allows_any():
    limited = rule_for("GET /", METRICS["p99"], [read(p99={"max": "90ms"})])
    assert (limited.log_threshold, limited.gate, limited.limit_above, limited.limit_asked) == (math.inf, True, 90, True)
    assert rule_for("GET /", METRICS["p99"], []).gate is False


@pytest.mark.parametrize(
    ("metric", "said", "limits", "asked"),
    [
        ("failures", {}, (0.01, None), False),
        ("failures", {"max": "2%"}, (0.02, None), True),
        ("accuracy", {}, (None, None), False),
        ("accuracy", {"min": "90%"}, (None, 0.9), True),
        ("p95", {"min": "1ms"}, (None, 1.0), True),
        ("p95", {"min": "0ms", "max": "0ms"}, (0.0, 0.0), True),
        ("p95", {"max-increase": "10%"}, (None, None), False),
        ("rate", {"max": 50, "min": 10}, (50.0, 10.0), True),
    ],
)
def test_a_limit_is_the_user_s_or_the_metric_s_own(metric, said, limits, asked):
    rule = rule_for("GET /", METRICS[metric], [read(**{metric: said})])
    assert ((rule.limit_above, rule.limit_below), rule.limit_asked) == (limits, asked)


def test_a_metric_s_own_limit_is_in_the_direction_that_is_worse():
    """No metric of which more is better has one yet; a new metric is one entry in the list, and may."""
    at_least, at_most = replace(METRICS["accuracy"], limit=0.9), replace(METRICS["failures"], limit=0.1)
    limits = [rule_for("GET /", metric, []) for metric in (at_least, at_most)]
    assert [(rule.limit_above, rule.limit_below) for rule in limits] == [(None, 0.9), (0.1, None)]


@pytest.mark.parametrize(
    ("metric", "said", "gate"),
    [
        ("p90", {}, False), ("p90", {"max-increase": "10%"}, True), ("p90", {"max": "1s"}, True),
        ("p90", {"min": "1ms"}, True), ("p90", {"floor": "2ms"}, False), ("p90", {"max": "1s", "gate": False}, False),
        ("rate", {"max-decrease": "10%"}, True), ("p50", {}, True), ("p50", {"gate": False}, False),
    ],
)  # fmt: skip
def test_a_metric_that_a_threshold_speaks_of_is_judged(metric, said, gate):
    assert rule_for("GET /", METRICS[metric], [read(**{metric: said})]).gate is gate


def test_an_allowed_change_of_nothing_is_no_missing_one():
    assert rule_for("GET /", METRICS["p50"], [read(p50={"max-increase": "0%", "floor": 0})]).max_change == 0.0
    assert rule_for("GET /", METRICS["p50"], [read(p50={"max-increase": "0%", "floor": 0})]).floor == 0.0
    assert rule_for("GET /", METRICS["p50"], []).floor == 1.0


def test_side_by_side_has_defaults_of_its_own_which_a_threshold_overrides():
    assert [rule_for("GET /", METRICS["p50"], [], paired=paired).max_change for paired in (False, True)] == [0.25, 0.10]
    assert rule_for("GET /", METRICS["p50"], []).max_change == 0.25, "a committed baseline, unless it is said"
    said = [read(p50={"max-increase": "7%"})]
    assert [rule_for("GET /", METRICS["p50"], said, paired=paired).max_change for paired in (False, True)] == [0.07] * 2


def test_an_endpoint_with_the_sign_of_a_stage_in_its_own_name_is_named_whole():
    at_stage = f"GET /a{AT_STAGE}b{AT_STAGE}2 users"
    assert matches(f"GET /a{AT_STAGE}b", at_stage)
    assert not matches("GET /a", at_stage)


def test_a_pattern_that_names_nothing_is_found():
    said = [read("GET *"), read("POST *"), read("GET /b")]
    assert unmatched(said, iter(["GET /a", f"GET /b{AT_STAGE}2 users"])) == ["POST *"]

"""Figures and rows in words."""

import math

import pytest

from entrypoint.judgement.model import Change, Status
from entrypoint.judgement.wording import figure, interval, percent, sentence, spread
from entrypoint.measurement.metrics import SERVICE


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "n/a"),
        (math.nan, "ms", "n/a"),
        (math.inf, "ms", "not met"),
        (-math.inf, "ms", "-∞"),
        (0.0123, "%", "1.23 %"),
        (10_000.0, "ms", "10.0 s"),
        (9_999.0, "ms", "9,999 ms"),
        (10_000.0, "MiB", "10,000 MiB"),
        (1000.0, "ms", "1,000 ms"),
        (999.0, "ms", "999 ms"),
        (-1500.0, "MiB", "-1,500 MiB"),
        (123.4, "ms", "123 ms"),
        (12.34, "ms", "12.3 ms"),
        (1.234, "ms", "1.23 ms"),
        (0.1234, "ms", "0.123 ms"),
        (0.01234, "ms", "0.012 ms"),
        (-0.1234, "MiB", "-0.123 MiB"),
        (0.0, "ms", "0.000 ms"),
        (0.5, "1/s", "0.500/s"),
        (1234.0, "1/s", "1,234/s"),
        (3.0, "", "3.00"),
        (0.0001234, "", "0.000123"),
        (0.0000001234, "", "0.000000"),
        (0.0001234, "ms", "0.000 ms"),
        (1.0, "users", "1 user"),
        (2.0, "users", "2 users"),
    ],
)
def test_a_figure_has_three_digits_and_its_unit(value, unit, text):
    assert figure(value, unit) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "n/a"),
        (math.nan, "n/a"),
        (math.inf, "without bound"),
        (0.123, "+12 %"),
        (0.1, "+10 %"),
        (0.0567, "+5.7 %"),
        (-0.0567, "-5.7 %"),
        (-1.0, "-100 %"),
        (8.99, "+899 %"),
        (9.0, "×10"),
        (9.6, "×11"),
        (12_344.0, "×12,345"),
    ],
)
def test_a_change_has_its_sign_and_a_large_one_is_a_factor(ratio, text):
    assert percent(ratio) == text


def row(status=Status.REGRESSED, **values):
    defaults = {"endpoint": "GET /", "metric": "p50", "unit": "ms", "gated": True, "baseline": 10.0, "candidate": 15.0}
    return Change(**{**defaults, "status": status, "change": 0.5, "interval": (0.4, 0.6), **values})


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        (None, ""),
        ((-0.021, 0.08), "-2.1 to +8.0 %"),
        ((-1.0, math.inf), "-100 % to without bound"),
        ((0.5, 24.0), "+50 % to ×25"),
        ((24.0, 49.0), "×25 to ×50"),
    ],
)
def test_an_interval_has_its_unit_once(ends, text):
    assert interval(row(interval=ends)) == text


@pytest.mark.parametrize(
    ("change", "ends", "text"),
    [
        (0.5, (0.44, 0.56), "± 6 %"),
        (0.5, (-0.4, 1.4), "± 90 %"),
        (0.5, (0.44, 0.57), "± 7 %"),  # the wider side
        (0.5, (0.43, 0.56), "± 7 %"),
        (0.5, (0.44, 0.58), "+44 to +58 %"),  # the sides differ by two percent
        (0.5, (0.42, 0.56), "+42 to +56 %"),
        (0.5, (0.481, 0.517), "± 1.9 %"),
        (0.0, (-0.02, 0.02), "± 2 %"),
        (8.9, (8.84, 8.96), "± 6 %"),
        (9.0, (8.94, 9.06), "+894 % to ×10"),
        (math.inf, (-1.0, math.inf), "-100 % to without bound"),
        (0.5, (-1.0, math.inf), "-100 % to without bound"),
        (None, (0.4, 0.6), "+40 to +60 %"),
        (0.5, None, ""),
    ],
)
def test_the_spread_is_one_number_where_both_sides_are_alike(change, ends, text):
    assert spread(row(change=change, interval=ends)) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "p50 of GET / rose from 10.0 ms to 15.0 ms (+50 %, ± 10 %)."),
        (
            {"status": Status.IMPROVED, "candidate": 5.0, "change": -0.5, "interval": (-0.6, -0.4)},
            "p50 of GET / fell from 10.0 ms to 5.00 ms (-50 %, ± 10 %).",
        ),
        ({"candidate": math.inf, "change": math.inf},
         "p50 of GET / was 10.0 ms and is now not met: more requests failed than it leaves out."),
        (
            {"metric": "failures", "unit": "%", "baseline": 0.0, "candidate": 0.02, "note": "2 of 100"},
            "share of failed requests of GET / rose from 0.00 % to 2.00 % (2 of 100).",
        ),
        (
            {"metric": "accuracy", "unit": "%", "baseline": 0.9, "candidate": 0.0},
            "share of right predictions of GET / fell from 90.00 % to 0.00 %.",
        ),
        ({"status": Status.OVER_LIMIT, "limit": 12.0}, "p50 of GET / is 15.0 ms, over the limit of 12.0 ms."),
        ({"status": Status.OVER_LIMIT, "limit": 0.0, "note": "at least"},
         "p50 of GET / is 15.0 ms, over the limit of 0.000 ms (at least)."),
        (
            {"status": Status.OVER_LIMIT, "limit": 0.0, "candidate": 0.005, "metric": "failures", "unit": "%"},
            "share of failed requests of GET / is 0.50 %, over the limit of 0.00 %.",
        ),
        ({"status": Status.OVER_LIMIT, "limit": 20.0}, "p50 of GET / is 15.0 ms, under the limit of 20.0 ms."),
        ({"status": Status.OVER_LIMIT, "limit": 0.5, "candidate": 0.0, "unit": "%"},
         "p50 of GET / is 0.00 %, under the limit of 50.00 %."),
        (
            {"status": Status.UNRESOLVED, "resolution": 0.3, "note": "noisy"},
            "p50 of GET / went from 10.0 ms to 15.0 ms (+50 %, +40 to +60 %); "
            "this run could only have seen a change of +30 % (noisy).",
        ),
        ({"status": Status.UNRESOLVED, "interval": None, "note": "2 of 9"}, "p50 of GET /: 2 of 9."),
        ({"status": Status.MISSING, "note": "never asked for"}, "p50 of GET /: never asked for."),
        ({"status": Status.TOO_FEW}, "p50 of GET /: too-few."),
        ({"status": Status.NEW}, "p50 of GET /: new."),
        ({"status": Status.UNCHANGED}, "p50 of GET / is 15.0 ms."),
        ({"status": Status.REPORTED, "endpoint": SERVICE, "metric": "peak-memory", "unit": "MiB"},
         "most memory in use of the service is 15.0 MiB."),
        ({"status": Status.WITHIN_LIMIT, "metric": "unknown"}, "unknown of GET / is 15.0 ms."),
    ],
)  # fmt: skip
def test_a_row_is_a_sentence(values, text):
    assert sentence(row(**values)) == text

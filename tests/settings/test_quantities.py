import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.settings.quantities import (
    parse_duration,
    parse_milliseconds_with_unit,
    parse_number,
    parse_percent,
    parse_size,
    parse_truth,
    show_duration,
    show_percent,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("5m", 300), ("250ms", 0.25), ("1h", 3600), ("1.5m", 90), (7, 7), ("7", 7), ("10 s", 10)],
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-5s", "5 parsecs", "ten", True, None, "1e3s", float("inf"), float("nan"), "inf"])
def test_what_is_no_duration_is_refused_by_name(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize("value", ["169h", 10**400, 700_000, "9" * 400, "9" * 400 + "s"])
def test_more_than_seven_days_is_refused(value):
    assert parse_duration("168h") == 604_800
    with pytest.raises(ValueError, match="at most 7 days"):
        parse_duration(value)


def test_limits_in_milliseconds_need_their_unit():
    assert parse_milliseconds_with_unit("250ms") == pytest.approx(250)
    assert parse_milliseconds_with_unit(0) == 0
    for value in (10, "10", 0.5, True, [1]):
        with pytest.raises(ValueError, match="expected a duration with its unit such as 250ms, got"):
            parse_milliseconds_with_unit(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, "1e999", True, None, [1], "90/s"])
def test_what_is_no_finite_number_is_refused(value):
    assert parse_number("2.5") == 2.5
    with pytest.raises(ValueError, match="expected a number"):
        parse_number(value)


@pytest.mark.parametrize("parse", [parse_duration, parse_percent, parse_number, parse_milliseconds_with_unit])
@pytest.mark.parametrize(("value", "told"), [({"a": "sekret"}, "a mapping"), (["sekret"], "a list"), (None, "nothing")])
def test_what_mappings_and_lists_hold_is_not_told(parse, value, told):
    with pytest.raises(ValueError, match=f"got {told}") as caught:
        parse(value)
    assert "sekret" not in str(caught.value)


def test_a_percentage_is_finite():
    with pytest.raises(ValueError, match="expected a percentage"):
        parse_percent("9" * 400 + "%")


def test_a_percentage_needs_its_sign():
    assert parse_percent("10%") == pytest.approx(0.1)
    with pytest.raises(ValueError, match="the sign is needed"):
        parse_percent(10)


@given(st.integers(0, 100_000))
def test_a_shown_duration_reads_back_as_itself(seconds):
    assert parse_duration(show_duration(seconds)) == seconds


@given(st.integers(0, 1000))
def test_a_shown_percentage_reads_back_as_itself(percent):
    assert parse_percent(show_percent(percent / 100)) == pytest.approx(percent / 100)


@pytest.mark.parametrize(
    ("written", "truth"), [("true", True), ("false", False), (True, True), (False, False), ("True", True)]
)
def test_true_and_false_are_read(written, truth):
    assert parse_truth(written) is truth


@pytest.mark.parametrize("written", ["", "yes", "on", "1", 1, 0, None, [], "wahr"])
def test_nothing_else_is_true_or_false(written):
    with pytest.raises(ValueError, match="expected true or false"):
        parse_truth(written)


@pytest.mark.parametrize(
    ("text", "unit", "size"),
    [("512MiB", "MiB", 512), ("1 GiB", "MiB", 1024), ("1.5mib", "KiB", 1536), ("2048KiB", "MiB", 2)],
)
def test_sizes_are_read_in_the_wanted_unit(text, unit, size):
    assert parse_size(text, unit) == pytest.approx(size)


@pytest.mark.parametrize("value", [512, "512", "512MB", "-1MiB", "MiB", True, None, "1e3MiB"])
def test_what_is_no_size_with_its_unit_is_refused(value):
    with pytest.raises(ValueError, match="expected a size with its unit such as 512MiB"):
        parse_size(value, "MiB")

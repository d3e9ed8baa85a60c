import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.settings.quantities import parse_duration, parse_percent, show_duration, show_percent


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("5m", 300), ("250ms", 0.25), ("1h", 3600), ("1.5m", 90), (7, 7), ("7", 7), ("10 s", 10)],
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-5s", "5 parsecs", "ten", True, None, "1e3s"])
def test_what_is_no_duration_is_refused_by_name(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


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

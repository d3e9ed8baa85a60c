"""What a soak says of known truths: growth that was planted, limits that were broken, a service that fell silent."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.soak import growth_of, with_soak
from entrypoint.judgement.wording import after, figure, sentence
from entrypoint.measurement.metrics import METRICS, SERVICE
from entrypoint.measurement.model import Growth
from entrypoint.measurement.soak import Stretches
from entrypoint.settings.model import Threshold

from .building import measurement

COUNT, SECONDS, EACH = 60, 60.0, 300


def course(seed=1, grown=0.0, failing=(), each=EACH, slow=()):
    """An hour of lognormal response times about 20 ms, with machine noise that lasts for minutes.

    Args:
        grown: how many ms are added until the end.
        failing: stretches of which a tenth of the requests fail.
        slow: stretches of which a fifth of the requests take a second.
    """
    draw = np.random.default_rng(seed)
    hour, times = 0.0, []
    for number in range(COUNT):
        hour = 0.5 * hour + 0.05 * draw.standard_normal()
        ms = 20 * np.exp(hour + 0.3 * draw.standard_normal(each)) + grown * number / (COUNT - 1)
        ms[: each // 5] = 1000.0 if number in slow else ms[: each // 5]
        ms[: each // 10] = math.inf if number in failing else ms[: each // 10]
        times.append(np.sort(ms))
    answered = np.linspace(0.1, COUNT * SECONDS - 0.1, COUNT * each)
    return Stretches(seconds=SECONDS, times={"GET /": times}, answered_s=answered)


def looks(mib_an_hour=0.0, seed=1):
    draw = np.random.default_rng(seed)
    return [
        [(float(second), 80 + mib_an_hour * second / 3600 + 0.2 * draw.standard_normal()) for second in range(3600)]
    ]


def soaked(stretches, *thresholds, memory=()):
    limits = [Threshold.model_validate(each) for each in thresholds]
    found = measurement().model_copy(update={"service": {"memory-growth": 99.0, "peak-memory": 90.0}})
    return with_soak(found, stretches, memory, limits, 0.01)


def growth(found):
    return {one.of: one for one in found.soak.growth}


def test_growth_that_was_planted_is_told_with_its_interval():
    found = soaked(course(grown=10.0), memory=looks(60.0))
    told = growth(found)
    assert {of: one.word for of, one in told.items()} == {"p50": "grew", "p95": "grew", "memory": "grew"}
    assert told["p50"].low < 10.0 < told["p50"].high
    assert told["memory"].per_hour == pytest.approx(60.0, rel=0.02)
    assert told["memory"].low <= told["memory"].per_hour <= told["memory"].high
    assert (told["p50"].unit, told["memory"].unit, len(told["p50"].points)) == ("ms", "MiB", COUNT)


def test_the_metrics_of_growth_are_of_the_same_slopes():
    found = soaked(course(grown=10.0), memory=looks(60.0))
    told = growth(found)
    service = found.service
    assert service["response-growth"] == pytest.approx(told["p50"].per_hour / told["p50"].level)
    # 300 successes in each minute: 18,000 in an hour.
    assert service["memory-growth"] == pytest.approx(told["memory"].per_hour / 18)
    assert service["peak-memory"] == 90.0


def test_where_nothing_grows_nothing_is_said_to_over_many_seeds():
    """Of 150 series the interval may be wrong for one in twenty, and only the side that grows is an accusation."""
    words = [one.word for seed in range(50) for one in soaked(course(seed), memory=looks(0.0, seed)).soak.growth]
    assert len(words) == 150
    assert words.count("grew") <= 8


def test_a_trifle_is_not_growth_however_certain():
    told = growth(soaked(course(), memory=looks(0.9)))["memory"]
    assert told.low > 0
    assert told.word == "steady"


def straight(of_memory=0.0, of_times=0.0, each_s=3600.0, per_stretch=3600):
    """Sixty stretches in each of which memory and response times grow by so much, without noise."""
    times = [np.full(20, 20.0 + of_times * number) for number in range(COUNT)]
    answered = np.linspace(0.1, COUNT * each_s - 0.1, COUNT * per_stretch)
    stretches = Stretches(seconds=each_s, times={"GET /": times}, answered_s=answered)
    memory = [[((number + 0.5) * each_s, 80.0 + of_memory * number) for number in range(COUNT)]]
    return soaked(stretches, memory=memory)


@pytest.mark.parametrize(
    ("of", "an_hour", "word"),
    [
        ("of_memory", 1.0, "grew"), ("of_memory", 0.9995, "steady"), ("of_memory", 0.0, "steady"),
        ("of_memory", -0.9995, "steady"), ("of_memory", -1.0, "fell"),
        ("of_times", 0.2842, "grew"), ("of_times", 0.2832, "steady"), ("of_times", -0.3, "fell"), ("of_times", -0.1, "steady"),
    ],
)  # fmt: skip
def test_growth_by_a_mib_or_a_hundredth_in_an_hour_is_no_trifle(of, an_hour, word):
    """Of 20 ms at first: the median of sixty hours is 28.38 ms with 0.2842 ms in each, and 28.35 ms with 0.2832 ms."""
    told = growth(straight(**{of: an_hour}))["memory" if of == "of_memory" else "p50"]
    assert (told.per_hour, told.low, told.high) == pytest.approx((an_hour, an_hour, an_hour))
    assert told.word == word


@pytest.mark.parametrize("sign", [1, -1])
def test_growth_that_may_be_none_is_none(sign):
    """Of so many stretches that are equal, the slope that bounds the interval is zero itself."""
    mib = [80.0 + sign * (number // 16 + number * 5 % 6) for number in range(COUNT)]
    told = growth(soaked(course(), memory=[[(60.0 * number + 30, one) for number, one in enumerate(mib)]]))["memory"]
    assert 0 in (told.low, told.high)
    assert sign * told.per_hour > 1
    assert told.word == "steady"


def test_a_fall_is_one():
    assert growth(soaked(course(), memory=looks(-60.0)))["memory"].word == "fell"


def test_what_cannot_be_known_of_memory_has_no_figure():
    found = soaked(course())
    assert "memory" not in growth(found)
    assert "memory-growth" not in found.service
    silent = Stretches(seconds=SECONDS, times={"GET /": [np.full(20, math.inf)] * COUNT}, answered_s=np.zeros(0))
    assert "memory-growth" not in soaked(silent, memory=looks(60.0)).service


def test_where_nothing_was_measured_nothing_is_said():
    nothing = Stretches(seconds=0.0, times={}, answered_s=np.zeros(0))
    assert soaked(nothing).soak is None


LIMIT = {"endpoint": "*", "p95": {"max": "60ms"}}


def test_the_first_stretch_that_broke_a_limit_is_named():
    found = soaked(course(slow=range(12, COUNT), failing=(20, 22)), LIMIT)
    assert [(one.metric, one.after_s, one.times, one.stretches, one.limit) for one in found.soak.broken] == [
        ("p95", 720.0, 48, 48, 60.0),
        ("failures", 1200.0, 2, 40, 0.01),
    ]


def test_a_limit_that_is_not_judged_is_not_broken():
    shown = {"endpoint": "*", "p95": {"max": "60ms", "gate": False}, "failures": {"gate": False}}
    assert soaked(course(slow=range(12, COUNT), failing=(20,)), shown).soak.broken == ()


def test_chance_breaks_no_limit():
    """A limit at the true p95 itself is exceeded in every second stretch, and in few by more than chance."""
    at_p95 = {"endpoint": "*", "p95": {"max": f"{20 * math.exp(0.3 * 1.645):.3f}ms"}}
    steady = [20 * np.exp(0.3 * np.random.default_rng(seed).standard_normal((COUNT, EACH))) for seed in range(100)]
    stretches = [
        Stretches(seconds=SECONDS, times={"GET /": list(np.sort(ms))}, answered_s=course().answered_s) for ms in steady
    ]
    assert sum(bool(soaked(one, at_p95).soak.broken) for one in stretches) <= 5


def test_few_requests_break_no_limit_though_all_they_say_is_over_it():
    assert soaked(course(slow=[3], each=5), LIMIT).soak.broken == ()


def test_who_takes_the_limit_itself_is_not_over_it():
    at_limit = [np.full(EACH, 60.0)] * COUNT
    stretches = Stretches(seconds=SECONDS, times={"GET /": at_limit}, answered_s=course().answered_s)
    assert soaked(stretches, LIMIT).soak.broken == ()


@pytest.mark.parametrize(("rate", "broken"), [(60 * 2**-20, 1), (59.99 * 2**-20, 0)])
def test_a_stretch_breaks_a_limit_if_chance_does_it_no_more_often_than_its_part_of_the_rate(rate, broken):
    """Twenty requests of twenty are over the median by chance once in 2 ** 20 times, and sixty stretches are asked."""
    times = [np.full(20, 70.0 if number == 7 else 10.0) for number in range(COUNT)]
    stretches = Stretches(seconds=SECONDS, times={"GET /": times}, answered_s=course().answered_s)
    limit = Threshold.model_validate({"endpoint": "*", "p50": {"max": "60ms"}, "failures": {"gate": False}})
    found = with_soak(measurement(), stretches, [], [limit], rate)
    assert [(one.metric, one.after_s, one.times) for one in found.soak.broken] == [("p50", 420.0, 1)] * broken


def test_the_only_stretch_of_the_only_limit_has_the_whole_rate():
    stretches = Stretches(seconds=SECONDS, times={"GET /": [np.full(20, math.inf)]}, answered_s=np.zeros(0))
    found = with_soak(measurement(), stretches, [], [], 0.01**20)
    assert [(one.metric, one.times) for one in found.soak.broken] == [("failures", 1)]


def quiet(*gaps):
    """Answers every 0.2 s but for these stretches of time, (from, to)."""
    moments = np.arange(0.1, COUNT * SECONDS, 0.2)
    for begin, end in gaps:
        moments = moments[(moments <= begin) | (moments >= end)]
    return Stretches(seconds=SECONDS, times=course().times, answered_s=moments)


@pytest.mark.parametrize(
    ("gaps", "silence"),
    [
        ([], None),
        ([(600, 609)], None),
        ([(600, 641)], (600, 41.2)),
        ([(600, 641), (900, 3601)], (600, 41.2)),
        ([(900, 3601)], (900, None)),
        ([(0, 3601)], (0, None)),
        ([(0, 33)], (0, 33.1)),
    ],
)
def test_a_service_that_stops_answering_is_said_to_and_when(gaps, silence):
    found = soaked(quiet(*gaps)).soak.silence
    if silence is None:
        assert found is None
    else:
        assert found.after_s == pytest.approx(silence[0], abs=0.3)
        assert found.seconds == (None if silence[1] is None else pytest.approx(silence[1], abs=0.3))


def test_who_is_asked_seldom_or_takes_long_has_not_stopped_answering():
    seldom = Stretches(seconds=SECONDS, times=course().times, answered_s=np.arange(5.0, 3595.0, 15.0))
    assert soaked(seldom).soak.silence is None
    slow = [np.full(12, 9000.0)] * COUNT
    at_once = np.repeat(np.arange(20.0, 3595.0, 20.0), 20)
    assert soaked(Stretches(seconds=SECONDS, times={"GET /": slow}, answered_s=at_once)).soak.silence is None


def test_an_answer_after_the_window_is_one():
    late = quiet((3570, 3601))
    answered = np.append(late.answered_s, 3603.0)
    found = soaked(Stretches(seconds=SECONDS, times=late.times, answered_s=answered)).soak.silence
    assert (found.after_s, found.seconds) == (pytest.approx(3570, abs=0.3), pytest.approx(33, abs=0.3))


@pytest.mark.parametrize(
    ("taken_ms", "after_s", "seconds"),
    [
        (4000.0, 611.75, None), (4000.0, 611.99, None), (4000.0, 612.0, 12.0),
        (100.0, 609.95, None), (100.0, 610.0, 10.0),
    ],
)  # fmt: skip
def test_silence_is_of_ten_seconds_and_three_times_what_one_answer_in_a_hundred_takes(taken_ms, after_s, seconds):
    """Of 4 s three times: 12 s."""
    answered = np.concatenate((np.arange(0, 600.01, 0.25), np.arange(after_s, 3600, 0.25)))
    times = [np.full(20, taken_ms)] * COUNT
    found = soaked(Stretches(seconds=SECONDS, times={"GET /": times}, answered_s=answered)).soak.silence
    assert (found and (found.after_s, found.seconds)) == (seconds and (600.0, seconds))


@pytest.mark.parametrize(("last_s", "silent"), [(2400.0, True), (2401.0, False)])
def test_silence_is_twenty_times_as_long_as_between_other_answers(last_s, silent):
    """Forty in 2400 s, one in each minute: until the end it is 1200 s."""
    seldom = Stretches(seconds=SECONDS, times=course().times, answered_s=np.linspace(60.0, last_s, 40))
    found = soaked(seldom).soak.silence
    assert (found and (found.after_s, found.seconds)) == ((last_s, None) if silent else None)


def test_of_one_answer_alone_twenty_times_its_moment_would_be_silence():
    one = Stretches(seconds=12.0, times={"GET /": [np.full(20, 100.0)] * COUNT}, answered_s=np.array([60.0]))
    assert soaked(one).soak.silence is None


@pytest.mark.parametrize(("seconds", "silent"), [(0.2, False), (0.25, True)])
def test_where_no_request_succeeded_it_takes_ten_seconds_to_be_silence(seconds, silent):
    """Forty stretches are 8 s, or 10 s."""
    nothing = Stretches(seconds=seconds, times={"GET /": [np.full(20, math.inf)] * 40}, answered_s=np.zeros(0))
    found = soaked(nothing).soak.silence
    assert (found and (found.after_s, found.seconds)) == ((0.0, None) if silent else None)


def test_an_answer_by_clocks_before_the_window_is_one_at_its_beginning():
    before = np.array([-0.001])
    early = Stretches(seconds=SECONDS, times=course().times, answered_s=before, asked_s=before)
    found = soaked(early).soak.silence
    assert (found.after_s, found.seconds) == (0.0, None)


@given(st.integers(1, 20), st.integers(5, 58))
def test_a_silence_until_the_end_is_seen_wherever_it_begins_and_however_many_requests_there_were(each_s, minutes):
    moments = np.arange(0.0, 60.0 * minutes, 1 / each_s)
    found = soaked(Stretches(seconds=SECONDS, times=course().times, answered_s=moments)).soak.silence
    assert found.seconds is None
    assert found.after_s == pytest.approx(60.0 * minutes, abs=1.01)


def judged(maximum, **planted):
    found = soaked(course(**planted), memory=looks(60.0))
    limits = {"endpoint": SERVICE, "response-growth": {"max": maximum}, "memory-growth": {"max": "1MiB"}}
    rows = compare(found, None, [Threshold.model_validate(limits)], 0.01).changes
    return {row.metric: row for row in rows if row.endpoint == SERVICE}


@pytest.mark.parametrize(
    ("maximum", "grown", "status", "words"),
    [
        ("5%", 30.0, Status.OVER_LIMIT, "over the limit of 5.00 % (at least"),
        ("900%", 30.0, Status.WITHIN_LIMIT, ""),
        ("5%", 1.0, Status.UNRESOLVED, "the limit of 5.00 % lies in that, and a longer soak would tell"),
    ],
)
def test_growth_is_over_its_limit_only_with_its_whole_interval(maximum, grown, status, words):
    row = judged(maximum, grown=grown)["response-growth"]
    assert (row.status, row.gated, row.limit) == (status, True, float(maximum[:-1]) / 100)
    assert words in sentence(row)


def test_an_accusation_needs_a_wider_interval_than_the_one_that_is_shown():
    """Two judged figures share one per cent: each bound may be wrong in 0.5 %, and not in the 2.5 % of the table."""
    found = soaked(course(grown=10.0), memory=looks(60.0))
    shown, deciding = growth_of(found.soak, "response-growth"), growth_of(found.soak, "response-growth", 0.99)
    assert deciding.low < shown.low < shown.high < deciding.high
    just_below = {"endpoint": SERVICE, "response-growth": {"max": f"{100 * (shown.low + deciding.low) / 2:.6f}%"}}
    rows = compare(found, None, [Threshold.model_validate(just_below)], 0.01).changes
    assert [row.status for row in rows if row.metric == "response-growth"] == [Status.UNRESOLVED]


def bounds_judged(metric, limit):
    """The row of a growth with this limit, and the interval that decides: each bound wrong in one of 200."""
    found = soaked(course(grown=12.0), memory=looks(60.0))
    rows = compare(found, None, [Threshold.model_validate({"endpoint": SERVICE, metric: limit})], 0.01).changes
    return next(row for row in rows if row.metric == metric), growth_of(found.soak, metric, 0.99)


@pytest.mark.parametrize(
    ("maximum", "note"),
    [
        ("5%", "at least {low}"),
        ("900%", "at most {high}"),
        ("50%", "{value}, between {low} and {high}; the limit of 50.00 % lies in that, and a longer soak would tell"),
    ],
)
def test_a_row_of_growth_says_the_bounds_that_decide(maximum, note):
    row, deciding = bounds_judged("response-growth", {"max": maximum})
    unit = METRICS["response-growth"].unit
    assert row.note == note.format(**{name: figure(getattr(deciding, name), unit) for name in ("value", "low", "high")})


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ({"max": "1MiB", "gate": False}, Status.REPORTED),
        ({"min": "0MiB"}, Status.WITHIN_LIMIT),
        ({"min": "900MiB"}, Status.OVER_LIMIT),
    ],
)
def test_growth_without_a_limit_from_above_that_is_judged_has_no_bound_to_say(limit, status):
    row, _ = bounds_judged("memory-growth", limit)
    assert (row.status, row.note) == (status, "")


def test_growth_of_the_limit_itself_is_within_it():
    """A MiB more in each 1,000 s, and a success in each second."""
    limit = Threshold.model_validate({"endpoint": SERVICE, "memory-growth": {"max": "1MiB"}})
    found = straight(of_memory=1.0, each_s=1000.0, per_stretch=1000)
    assert found.service["memory-growth"] == 1.0
    row = next(row for row in compare(found, None, [limit], 0.01).changes if row.metric == "memory-growth")
    assert (row.status, row.note) == (Status.WITHIN_LIMIT, "at most 1.00 MiB")


def test_a_limit_from_below_is_asked_of_the_figure_itself():
    found = soaked(course(), memory=looks(-60.0))
    limit = Threshold.model_validate({"endpoint": SERVICE, "memory-growth": {"max": "1MiB", "min": "0MiB"}})
    row = next(row for row in compare(found, None, [limit], 0.01).changes if row.metric == "memory-growth")
    assert (row.status, row.limit) == (Status.OVER_LIMIT, 0.0)


def test_growth_with_a_limit_outside_of_a_soak_is_in_doubt():
    limit = Threshold.model_validate({"endpoint": SERVICE, "response-growth": {"max": "5%"}})
    row = next(row for row in compare(measurement(), None, [limit], 0.01).changes if row.metric == "response-growth")
    assert row.status is Status.UNRESOLVED
    assert "`mode: soak`" in sentence(row)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "from the beginning on"), (1.0, "after 1 s"), (48.3, "after 48 s"), (119.0, "after 119 s"),
        (120.0, "after 2 min"), (1380.0, "after 23 min"), (3540.0, "after 59 min"), (3600.0, "after 1 h 0 min"),
        (11_540.0, "after 3 h 12 min"), (7200.0, "after 2 h 0 min"),
    ],
)  # fmt: skip
def test_moments_of_a_long_run_in_words(seconds, words):
    assert after(seconds) == words


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(30.0, 1.0), (30.0, 2.0)], "do not follow each other"),
        ([(30.0, math.inf)], "without a figure"),
        ([(30.0 * number, 1.0) for number in range(61)], "at most 60"),
    ],
)
def test_stretches_that_cannot_be_are_refused(points, words):
    """A result may come from elsewhere, and is judged again."""
    known = {"of": "p50", "unit": "ms", "level": 1.0, "per_hour": 0.0, "low": 0.0, "high": 0.0, "word": "steady"}
    with pytest.raises(ValidationError, match=words):
        Growth.model_validate({**known, "points": points})


def test_the_first_of_broken_limits_and_silence_is_when_it_first_failed():
    assert soaked(course()).soak.failed_s is None
    assert soaked(quiet((600, 641))).soak.failed_s == pytest.approx(600, abs=0.3)
    assert soaked(course(slow=range(12, COUNT)), LIMIT).soak.failed_s == 720.0

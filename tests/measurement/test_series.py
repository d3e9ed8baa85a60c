"""Figures of the service's own page: what is told of it, and where nothing is rather than something wrong."""

import math

import numpy as np
import pytest

from entrypoint.measurement.samples import DTYPE, read_answers
from entrypoint.measurement.series import Window, figures_of_series
from entrypoint.service.prometheus import Look
from entrypoint.settings.prometheus import Prometheus
from locustfiles.ml_loadtest.contract import Outcome

from .recording import write

BEGIN, END = 1000.0, 1010.0
WINDOW = Window(begin=BEGIN, end=END, successes=1, answers=())
# A read before, one at each end and three within, one after.
MOMENTS = (999.0, 1001.0, 1003.0, 1005.0, 1007.0, 1009.0, 1011.0)
MEAN = {"name": "mean-time", "series": "s_sum", "per": "s_count"}


def counters(source="api", moments=MOMENTS, began=None, **growing):
    """Reads of counters that grow by so much a second from 5 on at the first one."""
    return [
        Look(
            at=at,
            source=source,
            values={name: {"": 5.0 + each * (at - moments[0])} for name, each in growing.items()},
            began=began,
        )
        for at in moments
    ]


def gauge(values, name="q", source="api", kind="gauge"):
    found = zip(MOMENTS, values, strict=True)
    return [
        Look(at=at, source=source, values={name: value if isinstance(value, dict) else {"": value}}, kinds={name: kind})
        for at, value in found
    ]


def figure(looks, successes=100, begin=BEGIN, end=END, answers=(), **said):
    """The figure of one series, or why there is none."""
    wanted = Prometheus.model_validate({"series": [{"name": "x", "better": "higher", **said}]})
    window = Window(begin=begin, end=end, successes=successes, answers=answers)
    found, (told,) = figures_of_series(wanted, looks, window)
    assert (told.key, told.better) == (wanted.series[0].name, wanted.series[0].better)
    assert (told.missing == "") == (found.keys() == {told.key})
    return found.get(told.key, told.missing)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"series": "s_sum", "per": "s_count"}, 0.25),
        ({"series": "s_sum", "per": "s_count", "unit": "s"}, 250.0),
        ({"series": "s_sum", "per": "success"}, 5 * 10 / 100),
        ({"series": "s_sum", "per": "second"}, 5.0),
        ({"series": "s_sum", "per": "window"}, 50.0),
        ({"series": "s_sum", "per": "window", "unit": "bytes"}, 50 / 2**20),
    ],
)
def test_a_counter_is_told_by_its_growth_in_the_window(said, value):
    assert figure(counters(s_sum=5.0, s_count=20.0), **said) == pytest.approx(value, rel=1e-12)


def test_growth_outside_of_the_window_is_none_of_it():
    """It jumps before and after; between two reads it lies on the line between them."""
    totals = (0, 100, 100, 100, 100, 100, 300)
    looks = [Look(at=at, source="api", values={"c": {"": total}}) for at, total in zip(MOMENTS, totals, strict=True)]
    assert figure(looks, series="c", per="window") == pytest.approx(50 + 100)
    exact = figure(looks, series="c", per="window", begin=1001.0, end=1009.0)
    assert exact == 0.0


def test_between_two_reads_a_counter_grows_with_the_answers_and_not_with_the_time():
    """The load began 0.2 s before the window and ended 0.1 s after it, both between two reads: a line would miss a part of it."""
    answers = [BEGIN - 0.2 + 0.1 * number for number in range(1, 104)]
    looks = [
        Look(at=at, source="api", values={"c": {"": 7.0 + sum(answer <= at for answer in answers)}}) for at in MOMENTS
    ]
    inside = sum(BEGIN < answer <= END for answer in answers)
    assert figure(looks, series="c", per="window", answers=answers) == pytest.approx(inside, abs=1e-9)
    assert figure(looks, series="c", per="window") != pytest.approx(inside, abs=1)


def test_answers_of_a_recording_are_those_of_the_whole_run_in_order(tmp_path):
    """The first was due at 1 s, late by 0.5 s, and waited in its queue until 3 s: its response time has that wait already."""
    write(tmp_path, [(0, Outcome.OK, 0, 1.0, 1600.0), (1, Outcome.TIMEOUT, -1, 0.5, 20.0)])
    rows = np.fromfile(tmp_path / "samples-0.bin", DTYPE)
    rows["start_s"][0], rows["late_ms"] = 3.0, (500.0, math.nan)
    rows.tofile(tmp_path / "samples-0.bin")
    assert read_answers(tmp_path).tolist() == pytest.approx([0.52, 3.1])


def test_a_window_may_begin_with_the_very_first_read():
    looks = counters(c=2.0)
    assert figure(looks, series="c", per="window", begin=999.0, end=1011.0) == pytest.approx(24.0)


def test_all_series_of_a_name_and_all_pages_are_summed():
    looks = [
        Look(at=at, source=source, values={"c": {'path="/a"': each * (at - 999), 'path="/b"': 1.0 * (at - 999)}})
        for at in MOMENTS
        for source, each in (("ml 1", 2.0), ("ml 2", 3.0))
    ]
    assert figure(looks, series="c", per="second") == pytest.approx(2 + 1 + 3 + 1)


def test_a_counter_with_labels_begins_with_its_first_event():
    values = [{}, {}, {}, {'code="500"': 2.0}, {'code="500"': 3.0}, {'code="500"': 3.0}, {'code="500"': 3.0}]
    assert figure(gauge(values, "c", kind="counter"), series="c", per="window") == 3.0


def test_a_gauge_is_told_by_the_mean_of_the_reads_in_the_window():
    assert figure(gauge([100, 1, 2, 3, 4, 5, 100]), series="q") == 3.0
    of_labels = [{'a="1"': 1.0, 'a="2"': 2.0}] * 7
    assert figure(gauge(of_labels), series="q") == 3.0
    both = gauge([1.0] * 7, source="ml 1") + gauge([4.0] * 7, source="ml 2")
    assert figure(both, series="q", unit="s") == 5000.0


@pytest.mark.parametrize(
    ("looks", "said", "why"),
    [
        ([], {"series": "c"}, "no page was read"),
        (counters(d=1.0), {"series": "c", "per": "second"}, "no page has a series `c`"),
        (counters(c=1.0), {"series": "c", "per": "d"}, "no page has a series `d`"),
        (counters(c=1.0, d=0.0), {"series": "c", "per": "d"}, "`d` did not grow in the window"),
        (counters(d=1.0), {"series": "c"}, "the page of `api` has no series `c`"),
        (gauge([1.0, 2.0, {}, 4.0, 5.0, 6.0, 7.0]), {"series": "q"}, "the page of `api` has no series `q` at some reads"),
        (gauge([1.0] * 6 + [math.nan], "c", kind="counter"), {"series": "c", "per": "second"}, "`c` is not a number"),
        (gauge([1.0] * 3 + [math.nan] + [1.0] * 3), {"series": "q"}, "`q` is not a number"),
        (gauge([1.0] * 3 + [math.inf] + [1.0] * 3), {"series": "q"}, "`q` is not a number"),
        (gauge([1.0] * 7, kind="counter"), {"series": "q"},
         "`q` is a counter, so `per` has to say by what its growth is divided"),
        (gauge([1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0], "c", kind="counter"), {"series": "c", "per": "second"},
         "the page of `api` is not one process's, or it began anew: `c` went back"),
        (gauge([1.0] * 6 + [{}], "c", kind="counter"), {"series": "c", "per": "second"},
         "the page of `api` is not one process's, or it began anew: `c` went back"),
    ],
)  # fmt: skip
def test_where_a_figure_could_be_wrong_there_is_none_and_it_says_why(looks, said, why):
    assert figure(looks, **said) == why


def test_one_of_several_that_went_back_is_seen_though_their_sum_grew():
    values = [{'a="1"': 1.0 * n, 'a="2"': 100.0 - n} for n in range(7)]
    assert figure(
        gauge([{**one, 'a="3"': 9.0 * n} for n, one in enumerate(values)], "c", kind="counter"),
        series="c",
        per="window",
    ) == ("the page of `api` is not one process's, or it began anew: `c` went back")


def test_without_a_success_nothing_is_told_for_each():
    assert figure(counters(c=1.0), successes=0, series="c", per="success") == "no request succeeded"


def test_processes_that_answer_in_turn_are_told_by_when_they_were_started():
    """Their counters may be so much alike that none of them goes back."""
    looks = sorted(counters(moments=MOMENTS[::2], began=7.0, c=1.0) + counters(moments=MOMENTS[1::2], began=8.0, c=1.0),
                   key=lambda look: look.at)  # fmt: skip
    said = "the page of `api` is not one process's, or it began anew: it says that it was started at different times"
    assert figure(looks, series="c", per="second") == said
    assert figure(counters(began=7.0, c=1.0), series="c", per="second") == pytest.approx(1.0)


TOO_SELDOM = "the page of `api` was read too seldom for so short a window, or not all through it"


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        ((1001.0, 1003.0, 1006.0, 1009.0, 1011.0), TOO_SELDOM),
        ((999.0, 1001.0, 1003.0, 1006.0, 1009.0), TOO_SELDOM),
        ((999.0, 1001.0, 1004.5, 1008.0, 1011.0), TOO_SELDOM),
        ((999.0, 1001.0, 1004.25, 1007.5, 1010.5), ""),
        ((980.0, 999.0, 1002.0, 1005.0, 1008.0, 1011.0, 1040.0), ""),
    ],
)
def test_a_window_that_was_not_seen_all_through_has_no_figure(moments, said):
    found = figure(counters(moments=moments, c=1.0), series="c", per="second")
    assert found == (f"{said}; measure for longer" if said else pytest.approx(1.0))


def test_a_window_of_no_length_has_none():
    assert (
        figure(counters(c=1.0), series="c", per="second", begin=1005.0, end=1005.0)
        == f"{TOO_SELDOM}; measure for longer"
    )


def test_a_page_that_failed_is_told_with_what_it_said_last():
    status = [Look(at=at, source="api", trouble=f"it answered with status {code}") for at, code in ((1, 404), (2, 503))]
    assert figure(status, series="c") == "the page of `api` could not be read: it answered with status 503"
    failed = Look(at=1004.0, source="api", trouble="there was no answer")
    some = sorted([*counters(moments=(999.0, 1009.0, 1011.0), c=1.0), failed], key=lambda look: look.at)
    assert figure(some, series="c", per="second") == f"{TOO_SELDOM}: there was no answer"


def test_a_read_that_failed_between_others_costs_nothing():
    some = sorted(
        [*counters(c=1.0), Look(at=1004.0, source="api", trouble="there was no answer")], key=lambda look: look.at
    )
    assert figure(some, series="c", per="second") == pytest.approx(1.0)


def test_one_page_of_several_that_failed_leaves_no_figure():
    """A sum without it would be wrong."""
    looks = counters("ml 1", c=1.0) + [Look(at=at, source="ml 2", trouble="there was no answer") for at in MOMENTS]
    assert figure(looks, series="c", per="second") == "the page of `ml 2` could not be read: there was no answer"


def test_one_figure_without_a_value_takes_none_from_the_others():
    wanted = Prometheus.model_validate({"series": [{**MEAN, "unit": "s"}, {"name": "lost", "series": "y"}]})
    found, told = figures_of_series(wanted, counters(s_sum=5.0, s_count=20.0), WINDOW)
    assert found == {"mean-time": pytest.approx(250.0)}
    assert [(one.key, one.unit, bool(one.missing)) for one in told] == [("mean-time", "ms", False), ("lost", "", True)]


@pytest.mark.parametrize("kind", ["counter", "summary", "histogram"])
def test_a_mean_of_reads_is_told_of_gauges_alone(kind):
    looks = gauge([0.1] * len(MOMENTS), kind=kind)
    assert figure(looks, series="q") == f"`q` is a {kind}, so `per` has to say by what its growth is divided"


def test_the_growth_of_a_gauge_is_none_also_while_it_happens_to_rise():
    looks = gauge([float(number) for number in range(len(MOMENTS))])
    said = "`q` is a gauge, whose growth says nothing: leave `per` out for its mean"
    assert figure(looks, series="q", per="second") == said
    risen = gauge([float(number) for number in range(len(MOMENTS))], kind="unknown")
    assert figure(risen, series="q", per="second") == pytest.approx(0.5)

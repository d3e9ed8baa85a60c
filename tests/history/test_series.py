"""Which runs are one line, and which of them make its level."""

import math

from entrypoint.history.series import SHOWN, lines_of
from entrypoint.judgement.model import Outcome
from entrypoint.measurement.metrics import METRICS
from tests.history.building import OTHER, entries, entry
from tests.history.test_levels import noisy


def only(history):
    (line,) = lines_of(history)
    return line


def test_another_machine_load_launcher_or_suite_begins_a_new_line():
    history = [
        entry(0), entry(1, machine=OTHER), entry(2), entry(3, plan="another"), entry(4, launcher="url"),
        entry(5, suite="fraud"), entry(6, machine=OTHER),
    ]  # fmt: skip
    lines = lines_of(history)

    assert [[run.id for run in line.runs] for line in lines] == [
        [history[1].id, history[6].id],
        [history[5].id],
        [history[4].id],
        [history[3].id],
        [history[0].id, history[2].id],
    ]


def test_versions_and_images_do_not_part_a_line():
    assert len(only([entry(0), entry(1, image="ubuntu24 2", tool="9.9", versions={"locust": "3"})]).runs) == 2


def test_a_run_without_figures_is_on_no_line():
    assert lines_of([entry(0, endpoints={}, plan="")]) == ()


def test_a_step_on_one_machine_is_not_seen_in_the_mean_of_two():
    """Two kinds of machine in turn, one of them twice as fast: no level changes, for each is a line."""
    values = noisy([40.0, 80.0] * 20)
    history = [
        run.model_copy(update={"conditions": entry(0, machine=OTHER).conditions}) if number % 2 else run
        for number, run in enumerate(entries(values))
    ]

    assert [trend.shifts for line in lines_of(history) for trend in line.trends] == [(), ()]


def test_a_shift_says_from_where_to_where_and_since_which_run():
    (trend,) = only(entries(noisy([41.0] * 20 + [58.0] * 10))).trends
    (shift,) = trend.shifts

    assert shift.at == 20
    assert 0.35 < shift.change < 0.5
    assert trend.is_worse(shift)


def test_fewer_successes_are_worse():
    (trend,) = only(entries(noisy([100.0] * 20 + [70.0] * 10), metric="rate")).trends

    assert trend.is_worse(trend.shifts[0])


def test_pull_requests_and_invalid_runs_are_drawn_and_make_no_level():
    """Ten slow proposals at the end, none of which was merged, and ten runs of a broken generator."""
    good, slow = noisy([41.0] * 20), noisy([90.0] * 20, seed=2)
    history = entries([*good, *slow])
    proposed = [run.model_copy(update={"pull_request": 7}) for run in history[20:30]]
    invalid = [run.model_copy(update={"verdict": Outcome.INVALID}) for run in history[30:]]
    (trend,) = only([*history[:20], *proposed, *invalid]).trends

    assert trend.shifts == ()
    assert trend.values == (*good, *slow)
    assert 38 < trend.levels[0].value < 44


def test_runs_of_one_job_count_once():
    """Five calibration runs in one unlucky hour are one piece of evidence; on five days they are five."""
    values = noisy([41.0] * 20 + [58.0] * 6)
    history = entries(values)
    same = [run.model_copy(update={"occasion": history[20].occasion}) for run in history[20:]]

    assert only([*history[:20], *same]).trends[0].shifts == ()
    assert only(history).trends[0].shifts[0].at == 20


def test_a_shift_after_a_job_of_several_runs_is_at_its_own_run():
    history = entries(noisy([41.0] * 20 + [58.0] * 10))
    first = [run.model_copy(update={"occasion": history[0].occasion}) for run in history[:5]]

    assert only([*first, *history[5:]]).trends[0].shifts[0].at == 20


def test_an_endpoint_that_fails_from_some_day_on_is_worse_beyond_measure():
    (trend,) = only(entries([*noisy([41.0] * 20), *[math.inf] * 8])).trends

    assert trend.shifts[0].change == math.inf
    assert trend.levels[-1].value == math.inf


def test_a_new_endpoint_begins_later_and_an_unknown_figure_is_left_out():
    history = [entry(0), entry(1, {"GET /predict": {"p95": 1.0}, "GET /new": {"p95": 2.0, "forgotten": 3.0}})]
    found = {trend.endpoint: trend.values for trend in only(history).trends}

    assert found == {"GET /new": (None, 2.0), "GET /predict": (60.6, 1.0)}


def test_the_error_is_shared_by_all_figures_of_a_line():
    """What is just seen in a line of one figure is not claimed in a line of sixty."""
    values = noisy([41.0] * 14 + [60.0] * 5)
    alone = entries(values)
    many = [
        entry(number, {f"GET /{part}": {"p95": value if part == 0 else 40.0} for part in range(60)})
        for number, value in enumerate(values)
    ]

    assert len(only(alone).trends[0].shifts) == 1
    assert all(not trend.shifts for trend in only(many).trends)


def test_every_gated_figure_is_shown():
    assert {metric.key for metric in METRICS.values() if metric.gate} <= {metric.key for metric in SHOWN}


def test_in_a_very_long_history_the_newest_levels_are_found_at_their_own_run():
    (trend,) = only(entries(noisy([41.0] * 640 + [58.0] * 10), date="2026-01-01")).trends

    assert trend.levels[0].begin == 150
    assert trend.shifts[0].at == 640

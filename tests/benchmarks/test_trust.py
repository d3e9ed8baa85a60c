"""The pure parts of the trust benchmark: what is tried in which order, other tools' rules, and what a count proves."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.trust import campaign, table
from benchmarks.trust.conditions import CONDITIONS, NAMED, RATE, UNCHANGED, schedule, thresholds_at
from benchmarks.trust.rivals import RULES, Seen, alert, deviations, fixed_exact, locust_p95, mann_whitney, student
from benchmarks.trust.trials import Trial
from entrypoint.load.interpreter import locust_python

CHANCE = np.random.default_rng(7)
LOCUSTS_OWN = """
import json, sys
from locust.stats import StatsEntry, RequestStats
entry = StatsEntry(RequestStats(), "n", "GET")
for value in json.load(sys.stdin):
    entry.log(value, 0)
print(entry.get_response_time_percentile(0.95))
"""


def times(scale: float = 1.0, count: int = 2000, seed: int = 1) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).gamma(3.0, 2.0 * scale, count))


def seen(candidate: np.ndarray, past: int = 10) -> Seen:
    before = [times(seed=seed) for seed in range(10, 10 + past)]
    return Seen(candidate, before[-1] if before else times(seed=9), before)


class TestSchedule:
    def test_the_reported_service_has_twenty_unchanged_and_ten_slower_runs_and_the_other_half_of_that(self) -> None:
        runs = Counter((task.service, task.condition.name) for task in schedule())
        assert runs["computes", "unchanged"] >= 20
        assert runs["computes", "slower-10"] >= 10
        assert runs["queues", "unchanged"] >= 10
        assert runs["queues", "slower-10"] >= 5

    def test_every_folder_is_its_own(self) -> None:
        names = [task.name for task in schedule()]
        assert len(set(names)) == len(names)

    def test_no_change_and_ten_percent_come_first_and_are_spread_over_the_time_they_take(self) -> None:
        names = [task.condition.name for task in schedule()]
        first = names[: 20 + 10 + 10 + 5]
        assert set(first) == {"unchanged", "slower-10"}
        assert first[: len(first) // 2].count("slower-10") in (7, 8)

    def test_a_change_is_judged_at_half_of_what_is_planted(self) -> None:
        for condition in CONDITIONS:
            if condition.rise:
                assert condition.threshold == pytest.approx(condition.rise / 2)

    def test_unchanged_code_is_made_at_the_tightest_threshold(self) -> None:
        assert UNCHANGED.threshold == min(condition.threshold for condition in CONDITIONS)

    def test_the_plan_asks_as_often_as_the_conditions_say(self) -> None:
        services = Path(campaign.__file__).parent / "services"
        assert yaml.safe_load((services / "loadtest.yml").read_text())["load"]["arrival-rate"] == RATE

    def test_thresholds_have_no_floor(self) -> None:
        (threshold,) = thresholds_at(0.05)
        assert {key: (said.max_increase, said.floor) for key, said in threshold.metrics.items()} == {
            "p50": (0.05, 0.0), "p95": (0.05, 0.0),
        }  # fmt: skip


class TestRivals:
    @pytest.mark.parametrize("scale", [1.0, 30.0, 700.0])
    def test_p95_is_rounded_as_locust_rounds_it(self, scale: float) -> None:
        values = times(scale, 997)
        command = [str(locust_python(None, {})), "-P", "-c", LOCUSTS_OWN]
        done = subprocess.run(command, input=json.dumps(values.tolist()), capture_output=True, text=True, check=True)
        assert locust_p95(values) == float(done.stdout)

    def test_a_small_rise_is_hidden_by_rounding_or_made_large(self) -> None:
        assert locust_p95(np.full(100, 146.0)) == locust_p95(np.full(100, 154.0)) == 150.0
        assert locust_p95(np.full(100, 156.0)) == 160.0

    @pytest.mark.parametrize(
        ("rule", "scale"), [(fixed_exact, 1.2), (alert, 2.5), (mann_whitney, 1.2), (student, 1.5), (deviations, 1.5)]
    )
    def test_each_rule_finds_what_it_is_made_for_and_passes_the_same_again(self, rule, scale: float) -> None:
        assert rule(seen(times(scale, seed=3)))
        assert not rule(seen(times(seed=19)))

    def test_too_short_a_history_judges_nothing(self) -> None:
        assert student(seen(times(), past=4)) is None
        assert deviations(seen(times(), past=4)) is None

    def test_every_rule_is_listed(self) -> None:
        assert {"fixed_rounded", "fixed_exact", "alert", "mann_whitney", "student", "deviations"} == {
            rule.__name__ for rule in RULES.values()
        }


class TestCells:
    @pytest.mark.parametrize(
        ("verdicts", "accusing", "cell"),
        [
            ([False] * 299, True, "0 of 299 (≤ 1.0 %)"),
            ([True] * 59, False, "59 of 59 (≥ 95 %)"),
            ([False] * 20, True, "0 of 20 (≤ 14 %)"),
            ([True, None, False], False, "1 of 2 (≥ 2.5 %)"),
            ([None], True, ""),
        ],
    )
    def test_a_count_says_what_it_proves(self, verdicts, accusing: bool, cell: str) -> None:
        assert table._cell(verdicts, accusing=accusing) == cell

    def test_a_spread_has_the_interval_that_so_few_runs_prove(self) -> None:
        assert table._spread([0.0, 0.02, 0.04]) == "2.0 % (1.0 to 12.6)"

    def test_a_judgement_that_differs_from_the_one_of_the_time_is_counted(self, tmp_path: Path) -> None:
        (tmp_path / "result.json").write_text(
            json.dumps({"changes": [{"endpoint": "a", "metric": "p50", "status": "new"}]})
        )
        trial = Trial(tmp_path, "computes", UNCHANGED, 0.0, "pass", "")
        assert trial.live == {("a", "p50", "new")}

    def test_what_was_made_at_a_wide_threshold_is_not_judged_at_a_tighter_one(self, tmp_path: Path) -> None:
        trial = Trial(tmp_path, "computes", NAMED["slower-20"], 0.0, "pass", "")
        assert table._side_by_side(0.05, "")(trial) is None

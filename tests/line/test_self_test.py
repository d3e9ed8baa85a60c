"""`self-test` on a real service: quiet on no change, red on what it plants."""

import json

import pytest

from entrypoint.commands.self_test import Pace
from tests.line.test_run import ml_loadtest, nothing_left, project  # noqa: F401 (a fixture)

QUICK = ("--runs", "1", "--duration", "13s", "--max-looks", "1")


def test_the_gate_is_quiet_on_no_change_and_sees_twice_the_threshold(project):  # noqa: F811
    code, output = ml_loadtest(project, "self-test", *QUICK)

    said = output.replace("\n", " ")
    assert code == 0, output
    assert "unchanged: 0 of 1 (true share 0 to 98 %, with 95 % confidence) accused" in said
    assert "1 of 1 (true share 3 to 100 %, with 95 % confidence) found" in said
    assert "at the threshold: " in said
    twice = json.loads((project / "results/self-test-twice-1/result.json").read_text())
    row = next(change for change in twice["changes"] if change["metric"] == "p50")
    assert row["status"] == "regressed"
    assert row["change"] == pytest.approx(0.20, abs=0.08)
    assert twice["compared"]["with_"] == "base"
    assert nothing_left(project)


class TestPace:
    def pace(self, within_s: float, comparisons: int = 5) -> tuple[Pace, list[float]]:
        now = [0.0]
        return Pace(within_s, comparisons, 3, 80.0, lambda: now[0]), now

    def test_the_first_comparison_goes_by_the_settings(self) -> None:
        assert self.pace(900.0)[0].looks() == 2  # 180 s each
        assert self.pace(1300.0)[0].looks() == 3

    def test_that_there_was_no_time_for_all_looks_is_known(self) -> None:
        pace, _ = self.pace(1300.0)
        pace.looks()
        assert not pace.short
        pace, _ = self.pace(900.0)
        pace.looks()
        assert pace.short

    def test_looks_are_fewer_where_the_time_asks_for_it(self) -> None:
        pace, now = self.pace(900.0)
        now[0] = 240.0
        pace.took(3)  # 80 s each; four more comparisons have 165 s each
        assert pace.looks() == 2

    def test_looks_are_as_many_as_allowed_where_there_is_time(self) -> None:
        pace, now = self.pace(9000.0)
        now[0] = 240.0
        pace.took(3)
        assert pace.looks() == 3

    def test_one_look_is_the_least(self) -> None:
        pace, now = self.pace(100.0)
        now[0] = 240.0
        pace.took(3)
        assert pace.looks() == 1

    def test_time_that_an_acquittal_saved_is_there_for_the_others(self) -> None:
        pace, now = self.pace(900.0)
        for looks in (1, 1):
            now[0] += 80.0 * looks
            pace.took(looks)
        assert pace.looks() == 3  # 740 s for three comparisons


def test_a_service_that_is_already_running_cannot_stand_beside_itself(project):  # noqa: F811
    code, output = ml_loadtest(project, "self-test", "--url", "http://127.0.0.1:9")

    assert code == 2
    assert "starts the service twice" in output.replace("\n", " ")


@pytest.mark.parametrize("mode", ["capacity", "soak"])
def test_only_a_gate_can_be_tried_on_itself(project, mode):  # noqa: F811
    code, output = ml_loadtest(project, "self-test", "--mode", mode)
    assert code == 2
    assert f"compares one load with itself in turns, which `mode: {mode}` does not" in output

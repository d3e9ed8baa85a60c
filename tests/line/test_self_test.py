"""`self-test` on a real service: quiet on no change, red on what it plants."""

import json

import pytest

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


def test_a_service_that_is_already_running_cannot_stand_beside_itself(project):  # noqa: F811
    code, output = ml_loadtest(project, "self-test", "--url", "http://127.0.0.1:9")

    assert code == 2
    assert "starts the service twice" in output.replace("\n", " ")

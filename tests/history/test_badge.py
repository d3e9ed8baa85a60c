"""A badge says the verdict or a figure, in the form that shields reads."""

import json

import pytest
from click.testing import CliRunner

from entrypoint.cli import cli
from entrypoint.commands.badge import badge
from entrypoint.errors import SettingsError
from entrypoint.judgement.model import Outcome
from entrypoint.report.result import write_result
from tests.report.results import failing_service, generator_at_fault, hostile, passed, regression

REQUIRED = {"schemaVersion", "label", "message", "color"}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_verdict_has_a_word_and_a_colour(outcome):
    made = json.loads(badge(passed().model_copy(update={"verdict": outcome})))

    assert set(made) == REQUIRED
    assert made["schemaVersion"] == 1
    assert made["message"] == outcome.value.replace("-", " ")
    assert (made["color"] == "brightgreen") == (outcome in (Outcome.PASS, Outcome.IMPROVEMENT))
    assert (made["color"] == "red") == (outcome in (Outcome.REGRESSION, Outcome.LIMIT_EXCEEDED))


@pytest.mark.parametrize(
    ("result", "metric", "endpoint", "message", "color"),
    [
        (regression(), "p95", "GET /predict", "95.4 ms", "red"),
        (regression(), "p99", "GET /predict", "85.6 ms", "blue"),
        (passed(), "failures", "GET /predict", "0.00 %", "brightgreen"),
        (failing_service(), "failures", "POST /recommend", "10.05 %", "red"),
        (failing_service(), "p95", "POST /recommend", "not met", "red"),
        (generator_at_fault(), "p50", "GET /predict", "41.8 ms", "lightgrey"),
    ],
)
def test_a_figure_has_the_colour_of_what_was_said_of_it(result, metric, endpoint, message, color):
    made = json.loads(badge(result, metric=metric, endpoint=endpoint))

    assert (made["label"], made["message"], made["color"]) == (f"{metric} {endpoint}", message, color)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "p95"}, "needs `--endpoint`: this run has GET /health, GET /predict, POST /recommend"),
        ({"metric": "p77", "endpoint": "GET /predict"}, r"no 'p77' of GET /predict; it has p50, p90, p95"),
        ({"metric": "p95", "endpoint": "GET /gone"}, "no endpoint 'GET /gone'; it has GET /health"),
        ({"endpoint": "GET /predict"}, "`--endpoint` needs `--metric`"),
    ],
)
def test_a_figure_that_is_not_there_is_refused_with_those_that_are(given, said):
    with pytest.raises(SettingsError, match=said):
        badge(passed(), **given)


def test_a_name_from_user_code_is_one_short_line():
    result = hostile(["GET /\x1b[31m\n::error::" + "long" * 90])
    made = json.loads(badge(result, metric="p50", endpoint=result.changes[0].endpoint))

    assert made["label"].isprintable()
    assert len(made["label"]) <= 80


def test_the_command_writes_the_file(tmp_path):
    write_result(tmp_path / "results", regression())
    out = tmp_path / "site" / "badge.json"
    done = CliRunner().invoke(
        cli, ["badge", "--from", str(tmp_path / "results"), "--out", str(out)], catch_exceptions=False
    )

    assert done.exit_code == 0
    assert json.loads(out.read_text())["message"] == "regression"

"""The check run: opened in progress, closed in every outcome, never in the verdict's way."""

import pytest

from entrypoint.commands.check_run import of_result, without_result
from entrypoint.judgement.model import Outcome
from entrypoint.publish.check_run import Closing, Conclusion, Opening, close_check, new_id, obstacle, open_check
from entrypoint.publish.refusals import CHECK_PERMISSIONS
from entrypoint.settings.runner import Runner
from tests.github_server import Failure
from tests.report.results import regression

from .conftest import HEAD, runner_of

CLOSING = Closing(conclusion=Conclusion.NEUTRAL, title="Inconclusive", summary="| a |\n" * 20_000)


@pytest.mark.npm
class TestOnGitHub:
    def test_it_is_opened_on_the_head_commit_and_closed_there(self, github, runner):
        id_ = new_id()
        assert open_check(runner, "ml-loadtest recommender", id_) == Opening()
        (check,) = github.checks
        assert (check.name, check.head_sha, check.status, check.conclusion) == (
            "ml-loadtest recommender",
            HEAD,
            "in_progress",
            None,
        )
        assert close_check(runner, id_, CLOSING) == ""
        assert (check.status, check.conclusion, check.title) == ("completed", "neutral", "Inconclusive")
        assert 50_000 < len(check.summary) <= 60_000

    def test_only_our_own_is_closed(self, github, runner):
        ids = [new_id(), new_id()]
        for id_ in ids:
            open_check(runner, "same name", id_)
        close_check(runner, ids[1], CLOSING)
        assert [check.status for check in github.checks] == ["in_progress", "completed"]

    def test_a_second_one_after_a_lost_answer_is_closed_too(self, github, runner, clock):
        github.fail_next(Failure.CLOSE, method="POST")
        id_ = new_id()
        open_check(runner, "a", id_, clock.patience())
        close_check(runner, id_, CLOSING)
        assert [check.status for check in github.checks] == ["completed"] * 2

    def test_a_missing_permission_names_the_yaml(self, github, runner):
        github.can_check = False
        opening = open_check(runner, "a", new_id())
        assert not opening.maybe_open
        for said in (opening.problem, close_check(runner, new_id(), CLOSING)):
            assert said.startswith("No check run: the token may not write checks, HTTP 403")
            assert "\n  checks: write" in CHECK_PERMISSIONS in said

    def test_trouble_that_passes(self, github, runner, clock):
        github.fail_next(Failure.BAD_GATEWAY, times=2)
        assert open_check(runner, "a", new_id(), clock.patience()) == Opening()
        assert len(github.checks) == 1

    def test_trouble_that_stays_may_have_left_one_open(self, github, runner, clock):
        github.fail_next(Failure.BAD_GATEWAY, times=9)
        assert open_check(runner, "a", new_id(), clock.patience()).maybe_open

    def test_what_stands_in_the_way_is_seen_beforehand(self, github, runner):
        assert obstacle(runner) == ""
        assert "fork" in obstacle(runner_of(github, fork=True))
        assert "github-token" in obstacle(runner_of(github, token=""))
        assert "GitHub Actions" in obstacle(Runner())


@pytest.mark.parametrize(
    ("verdict", "exit_code", "conclusion"),
    [
        (Outcome.PASS, 0, Conclusion.SUCCESS),
        (Outcome.IMPROVEMENT, 0, Conclusion.SUCCESS),
        (Outcome.NO_BASELINE, 0, Conclusion.NEUTRAL),
        (Outcome.INCONCLUSIVE, 0, Conclusion.NEUTRAL),
        (Outcome.INCONCLUSIVE, 1, Conclusion.FAILURE),  # on-inconclusive: fail
        (Outcome.REGRESSION, 1, Conclusion.FAILURE),
        (Outcome.LIMIT_EXCEEDED, 1, Conclusion.FAILURE),
        (Outcome.INVALID, 3, Conclusion.FAILURE),
        (Outcome.INVALID, 130, Conclusion.CANCELLED),
        (Outcome.INVALID, 143, Conclusion.CANCELLED),
    ],
)
def test_it_ends_red_exactly_where_the_build_does(verdict, exit_code, conclusion):
    result = regression().model_copy(update={"verdict": verdict, "exit_code": exit_code})
    closing = of_result(result)
    assert closing.conclusion is conclusion
    assert "POST /recommend" in closing.summary


@pytest.mark.parametrize(
    ("outcome", "conclusion"),
    [("failure", "failure"), ("cancelled", "cancelled"), ("skipped", "cancelled"), ("", "failure")],
)
def test_a_run_without_a_result_closes_it_all_the_same(outcome, conclusion):
    assert without_result(outcome).conclusion == conclusion

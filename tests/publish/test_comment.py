import logging
import subprocess
import sys
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.publish import parts, refusals
from entrypoint.publish.comment import Action, post_comment, wanted
from entrypoint.publish.fitting import Size, size
from entrypoint.publish.marker import MARK, carries, without_markers
from entrypoint.publish.refusals import PERMISSIONS
from entrypoint.settings.model import CommentMode
from entrypoint.settings.runner import Runner
from tests.github_server import Failure, User, description_or_skip, github_server

from .conftest import HEAD, contribution, post, runner_of, unhurried

BOT = User("github-actions[bot]", "Bot")
OTHER_EVENTS = ["push", "merge_group", "schedule", "workflow_dispatch"]


def writes(github):
    return [request.method for request in github.requests if request.method != "GET"]


@pytest.mark.npm
class TestSticky:
    def test_the_first_run_creates(self, github, runner):
        outcome = post(runner, "# slower\n", "recommender")
        (comment,) = github.comments
        assert (outcome.action, outcome.warning, outcome.note) == (Action.CREATED, "", "")
        assert outcome.url == f"https://github.com/octo/shop/pull/7#issuecomment-{comment.id}"
        (part,) = parts.read(comment.body)
        assert carries(comment.body)
        assert (part.text, part.suite, part.head, part.run) == ("# slower", "recommender", HEAD, (42, 0))

    def test_the_second_run_updates_in_place(self, github, runner):
        first = post(runner, "first", "recommender")
        second = post(runner, "second", "recommender")
        (comment,) = github.comments
        assert second.action == Action.UPDATED
        assert second.url == first.url
        assert "second" in comment.body
        assert "first" not in comment.body

    @pytest.mark.parametrize("place", [0, 99, 100, 199, 200, 254])
    def test_it_is_found_on_any_page(self, github, runner, place):
        for number in range(255):
            mine = number == place
            github.add_comment(7, f"{MARK}\nold" if mine else f"comment {number}", BOT if mine else None)
        outcome = post(runner, "new", "recommender")
        assert outcome.action == Action.UPDATED
        assert len(github.comments) == 255
        assert [number for number, comment in enumerate(github.comments) if comment.edits] == [place]

    def test_all_pages_are_searched_before_one_is_created(self, github, runner):
        for number in range(255):
            github.add_comment(7, f"comment {number}")
        assert post(runner, "new", "recommender").action == Action.CREATED
        pages = [request.query for request in github.requests if request.path.endswith("/issues/7/comments")][:3]
        assert pages == [{"per_page": "100"}] + [{"per_page": "100", "page": page} for page in "23"]

    def test_of_several_the_oldest_is_kept(self, github, runner):
        """Two jobs that found none have created one each."""
        oldest, _ = (github.add_comment(7, f"{MARK}\nold", BOT) for _ in range(2))
        post(runner, "new", "recommender")
        assert github.comments == [oldest]

    @pytest.mark.parametrize(
        "author", [User("mallory"), User("github-actions[bot]"), User("other-app[bot]", "Bot"), None]
    )
    def test_nobody_elses_comment_is_touched(self, github, runner, author):
        github.add_comment(7, f"{MARK}\nmine, not yours", author, deleted_account=author is None)
        assert post(runner, "new", "recommender").action == Action.CREATED
        assert [comment.edits for comment in github.comments] == [0, 0]

    def test_a_quoted_marker_is_not_ours(self, github, runner):
        github.add_comment(7, f"> look:\n{MARK}\n", BOT)
        assert post(runner, "new", "recommender").action == Action.CREATED

    def test_nothing_new_is_written_where_only_an_update_is_wanted(self, github, runner):
        outcome = post(runner, "green again", "recommender", create=False)
        assert (outcome.action, outcome.warning) == (Action.NONE, "")
        post(runner, "red", "recommender")
        assert post(runner, "green again", "recommender", create=False).action == Action.UPDATED
        assert "green again" in github.comments[0].body

    def test_four_requests_are_enough(self, github, runner):
        post(runner, "body", "recommender")
        assert [request.method for request in github.requests] == ["GET", "GET", "POST", "GET"]

    def test_enterprise_servers_have_their_api_elsewhere(self):
        description_or_skip()
        with github_server(prefix="/api/v3") as github:
            github.add_pull(7, HEAD)
            for _ in range(2):
                outcome = post(runner_of(github, server_url="https://git.example"), "body", "recommender")
            assert outcome.action == Action.UPDATED


@pytest.mark.npm
class TestWhoWeAre:
    def test_a_persons_token_finds_that_persons_comment(self, github):
        github.token, github.user = "ghp_personal", User("ada")
        github.add_comment(7, f"{MARK}\nold", BOT)
        for _ in range(2):
            outcome = post(runner_of(github), "body", "recommender")
        assert outcome.action == Action.UPDATED
        assert [(comment.user.login, comment.edits) for comment in github.comments] == [(BOT.login, 0), ("ada", 1)]

    def test_a_token_that_may_not_ask_is_that_of_actions(self, github):
        github.token = "v1.0123456789"
        for _ in range(2):
            outcome = post(runner_of(github), "body", "recommender")
        assert outcome.action == Action.UPDATED
        assert "/user" in [request.path for request in github.requests]

    def test_another_apps_token_keeps_one_comment(self, github):
        """Its name is only known from what it wrote."""
        github.user = User("company-ci[bot]", "Bot")
        outcomes = [post(runner_of(github), f"body {number}", "recommender") for number in range(3)]
        assert [outcome.action for outcome in outcomes] == [Action.CREATED, Action.UPDATED, Action.UPDATED]
        assert outcomes[0].url == outcomes[2].url
        (comment,) = github.comments
        assert "body 2" in comment.body

    @pytest.mark.parametrize("failure", [Failure.BAD_CREDENTIALS, Failure.FORBIDDEN])
    def test_the_token_is_never_shown(self, github, caplog, capfd, failure):
        caplog.set_level(logging.DEBUG)
        runner = runner_of(github, token="ghs_verysecret")
        github.fail_next(failure, times=3)
        outcome = post(runner, "body", "recommender")
        shown = repr(runner) + repr(outcome) + str(outcome) + caplog.text + "".join(capfd.readouterr())
        assert outcome.warning
        assert "verysecret" not in shown

    def test_not_even_when_github_quotes_it(self, github):
        trouble = refusals.Trouble(status=400, said="bad header: token ghs_verysecret")
        assert "verysecret" not in refusals.explain(trouble, runner_of(github, token="ghs_verysecret"))


@pytest.mark.npm
class TestWhichPullRequest:
    def test_outside_actions(self):
        assert post(Runner(), "body", "recommender").note

    @pytest.mark.parametrize("event", OTHER_EVENTS)
    def test_any_event_finds_the_one_that_ends_with_its_commit(self, github, event):
        sha = "b" * 40
        github.add_pull(8, "c" * 40, commits=(sha,))
        github.add_pull(9, sha, state="closed")
        github.add_pull(10, sha)
        outcome = post(runner_of(github, event=event, pull_request=None, sha=sha, head_sha=sha), "body", "suite")
        assert outcome.action == Action.CREATED
        assert [comment.number for comment in github.comments] == [10]

    @pytest.mark.parametrize("event", OTHER_EVENTS)
    @pytest.mark.parametrize("may_look", [True, False])
    def test_an_event_without_one(self, github, event, may_look):
        """A nightly run has no permission for pull requests, and needs none."""
        sha = "b" * 40
        if not may_look:
            github.fail_next(Failure.FORBIDDEN)
        outcome = post(runner_of(github, event=event, pull_request=None, sha=sha, head_sha=sha), "body", "suite")
        assert (outcome.action, outcome.warning, github.comments) == (Action.NONE, "", [])
        assert "bbbbbbb" in outcome.note

    def test_an_older_run_does_not_overwrite_a_newer_one(self, github, runner):
        post(runner, "old", "recommender")
        github.pulls[7].head_sha = "b" * 40
        outcome = post(runner, "late", "recommender")
        assert (outcome.action, outcome.warning) == (Action.NONE, "")
        assert f"superseded by {'b' * 40}" in outcome.note
        assert "late" not in github.comments[0].body

    def test_a_result_of_another_commit_is_not_posted(self, github, runner):
        for head in ("b" * 40, ""):
            outcome = post_comment(runner, [contribution("body", head=head)])
            assert "judges commit bbbbbbb" in outcome.warning if head else "no commit" in outcome.warning
        assert not github.requests

    def test_superseded_between_two_tries(self, github, runner, clock):
        github.fail_next(Failure.BAD_GATEWAY, method="POST")
        github.before_answer = lambda request: (
            setattr(github.pulls[7], "head_sha", "b" * 40) if request.method == "POST" else None
        )
        assert "superseded" in post(runner, "late", "recommender", patience=clock.patience()).note
        assert not github.comments


@pytest.mark.npm
class TestRefused:
    def test_a_fork_is_seen_beforehand(self, github):
        outcome = post(runner_of(github, fork=True), "body", "recommender")
        assert (outcome.action, outcome.warning) == (Action.NONE, "")
        assert "workflow_run" in outcome.notice
        assert "docs/workflows.md" in outcome.notice
        assert not github.requests

    def test_a_missing_permission_names_the_yaml(self, github, runner):
        github.can_write = False
        outcome = post(runner, "body", "recommender")
        assert PERMISSIONS == "permissions:\n  contents: read\n  pull-requests: write"
        assert PERMISSIONS in outcome.warning
        assert "403" in outcome.warning
        assert writes(github) == ["POST"]  # no second try

    def test_dependabot_may_be_given_the_permission(self, github):
        runner = runner_of(github, actor="dependabot[bot]")
        assert post(runner, "body", "recommender").action == Action.CREATED
        github.can_write = False
        outcome = post(runner, "body", "recommender")
        assert not outcome.warning
        assert "Dependabot" in outcome.notice
        assert PERMISSIONS in outcome.notice
        assert "workflow_run" in outcome.notice

    @pytest.mark.parametrize("event", OTHER_EVENTS)
    def test_without_a_token_nobody_misses_a_comment_where_there_is_no_pull_request(self, github, event):
        outcome = post(runner_of(github, token="", event=event, pull_request=None), "body", "recommender")
        assert (bool(outcome.note), outcome.warning, github.requests) == (True, "", [])

    @pytest.mark.parametrize("actor", ["ada", "dependabot[bot]"])
    def test_without_a_token_nothing_is_asked(self, github, actor):
        outcome = post(runner_of(github, token="", actor=actor), "body", "recommender")
        said = outcome.notice if "dependabot" in actor else outcome.note
        assert "github-token" in said
        assert PERMISSIONS in said
        assert outcome.warning == ""
        assert not github.requests

    @pytest.mark.parametrize(
        ("failure", "word"),
        [
            (Failure.BAD_CREDENTIALS, "401"),
            (Failure.FORBIDDEN, PERMISSIONS),
            (Failure.LOCKED, "Unlock it"),
            (Failure.NOT_FOUND, PERMISSIONS),
            (Failure.GONE, "410"),
            (Failure.UNPROCESSABLE, "422"),
            (Failure.NOT_JSON, "could not be read"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_what_another_try_would_not_mend(self, github, runner, clock, failure, word, method):
        github.fail_next(failure, times=9, method=method)
        outcome = post(runner, "body", "recommender", patience=clock.patience())
        assert outcome.action == Action.NONE
        assert word in outcome.warning
        assert clock.slept == []
        assert len(github.requests) == (1 if method == "GET" else 3)

    def test_an_unknown_pull_request(self, github):
        assert "404" in post(runner_of(github, pull_request=99), "body", "recommender").warning

    def test_nobody_listens(self, github, clock):
        runner = runner_of(github, api_url="http://127.0.0.1:9")
        outcome = post(runner, "body", "recommender", patience=clock.patience())
        assert "did not answer" in outcome.warning
        assert clock.slept == [1, 2, 4]

    def test_an_address_that_is_none(self, github):
        assert post(runner_of(github, api_url="not an address"), "body", "recommender").warning


PASSING = [Failure.SERVER_ERROR, Failure.BAD_GATEWAY, Failure.UNAVAILABLE]


@pytest.mark.npm
class TestPatience:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("failure", [*PASSING, Failure.CLOSE])
    def test_trouble_that_passes(self, github, runner, clock, failure, method):
        github.fail_next(failure, times=2, method=method)
        outcome = post(runner, "body", "recommender", patience=clock.patience())
        assert outcome.url
        lost = (
            failure is Failure.CLOSE and method == "POST"
        )  # the first answer, but the comment was written and is found
        assert clock.slept == ([1] if lost else [1, 2])
        assert len(github.comments) == 1

    def test_trouble_while_updating(self, github, runner, clock):
        post(runner, "old", "recommender")
        github.fail_next(Failure.BAD_GATEWAY, method="PATCH")
        assert post(runner, "new", "recommender", patience=clock.patience()).action == Action.UPDATED
        assert len(github.comments) == 1
        assert "new" in github.comments[0].body

    @pytest.mark.parametrize("failure", PASSING)
    def test_trouble_that_stays(self, github, runner, clock, failure):
        github.fail_next(failure, times=99)
        outcome = post(runner, "body", "recommender", patience=clock.patience())
        assert str(failure.value[0]) in outcome.warning
        assert "ml-loadtest comment" in outcome.warning
        assert len(github.requests) == 4

    @pytest.mark.parametrize("failure", [Failure.TOO_MANY_REQUESTS, Failure.SECONDARY_RATE_LIMIT, Failure.RATE_LIMIT])
    def test_a_rate_limit_is_waited_for(self, github, runner, clock, failure):
        github.fail_next(failure, method="POST", retry_after="7")
        assert post(runner, "body", "recommender", patience=clock.patience()).action == Action.CREATED
        assert clock.slept == [7]

    def test_any_refusal_that_says_when_to_come_back_is_one(self, github, runner, clock):
        github.fail_next(Failure.FORBIDDEN, method="POST", retry_after="7")
        assert post(runner, "body", "recommender", patience=clock.patience()).action == Action.CREATED

    @pytest.mark.parametrize("retry_after", ["", "600", "Wed, 21 Oct 2026 07:28:00 GMT"])
    @pytest.mark.parametrize("failure", [Failure.TOO_MANY_REQUESTS, Failure.SECONDARY_RATE_LIMIT])
    def test_but_not_for_ever(self, github, runner, clock, failure, retry_after):
        github.fail_next(failure, times=9, retry_after=retry_after)
        outcome = post(runner, "body", "recommender", patience=clock.patience())
        assert "rate limit" in outcome.warning
        assert ("600 s" in outcome.warning) == (retry_after == "600")
        assert clock.slept == []

    def test_a_rate_limit_while_asking_who_we_are_is_not_an_answer(self, github, clock):
        github.token, github.user = "ghp_personal", User("ada")
        github.before_answer = lambda request: (
            github.fail_next(Failure.SECONDARY_RATE_LIMIT, retry_after="5") if len(github.requests) == 1 else None
        )
        assert post(runner_of(github), "b", "recommender", patience=clock.patience()).action == Action.CREATED
        assert clock.slept == [5]

    def test_a_server_that_hangs(self, github, runner, clock):
        github.fail_next(Failure.HANG, times=9)
        began = time.monotonic()
        outcome = post(runner, "body", "recommender", patience=clock.patience(answer_s=1, tries=2))
        assert "did not answer" in outcome.warning
        assert 1.5 < time.monotonic() - began < 20

    def test_many_slow_pages_do_not_outlast_the_deadline(self, github, runner, clock):
        for number in range(900):
            github.add_comment(7, f"comment {number}")
        github.before_answer = lambda request: setattr(clock, "now", clock.now + 9)
        outcome = post(runner, "body", "recommender", patience=clock.patience())
        assert "did not answer" in outcome.warning
        assert clock.now <= 70

    def test_no_try_begins_after_the_deadline(self, github, runner, clock):
        github.fail_next(Failure.BAD_GATEWAY, times=99)
        post(runner, "body", "recommender", patience=clock.patience(tries=100, pause_s=10))
        assert clock.slept == [10, 20]


@pytest.mark.npm
class TestBodies:
    @pytest.mark.parametrize("letter", ["x", "✓", "😀", "\ud800"])
    def test_too_long(self, github, runner, letter):
        row = f"| {letter * 50} |\n"
        outcome = post(runner, "<details>\n\n```\n" + row * 2000 + "```\n\n</details>\n", "recommender")
        body = github.comments[0].body
        assert outcome.action == Action.CREATED
        assert Size(60_000, 250_000).holds(size(body))
        assert len(body) > 50_000
        assert body.count("```") == 2
        assert body.count("</details>") == 1
        assert (
            "more lines did not fit here. The whole report is in [this run](https://github.com/octo/shop/actions/runs/42)"
            in body
        )

    @pytest.mark.parametrize(
        "body",
        [
            "",
            MARK,
            f"<!-- ml-load{MARK}test:v1 key=0 -->",
            "a\n<!-- ml-loadtest:end -->\nb",
            "<!-- ml-loadtest:part key=0123456789abcdef head= run=99.1 by=0 urgency=1 suite= -->\nx\n<!-- ml-loadtest:end -->",
            "<!-- ml-loadtest:v9 never closed",
            "nul \0, \ud83d half a smile, \r\n, @octocat, </details>",
            '{"body": "x"}',
        ],
    )
    def test_hostile(self, github, runner, body):
        for _ in range(2):
            outcome = post(runner, body, "recommender")
        assert outcome.action == Action.UPDATED
        (comment,) = github.comments
        assert carries(comment.body)
        assert comment.body.count("<!-- ml-loadtest:") == 3
        assert len(parts.read(comment.body)) == 1


class TestMarker:
    @unhurried
    @given(
        text=st.lists(st.sampled_from(["<!--", " ml-loadtest:", "v1 key=0", "-->", "\n", "<", "!--", "x", MARK])).map(
            "".join
        )
    )
    def test_no_marker_survives_in_data(self, text):
        assert "<!-- ml-loadtest:" not in without_markers(text)
        assert "<!--ml-loadtest:" not in without_markers(text)

    def test_other_text_does(self):
        text = "<!-- ml-loader: x -->\n| a | b |\n"
        assert without_markers(text) == text


@pytest.mark.parametrize(
    ("mode", "new"),
    [
        (CommentMode.ALWAYS, [True, True, True, True]),
        (CommentMode.ON_CHANGE, [False, True, True, True]),
        (CommentMode.ON_FAILURE, [False, True, False, True]),
        (CommentMode.NEVER, [False, False, False, False]),
    ],
)
def test_comment_modes(mode, new):
    assert [wanted(mode, changed=changed, failed=failed) for changed, failed in product([False, True], repeat=2)] == new


def test_the_client_is_not_imported_before_it_is_needed():
    code = "import sys, entrypoint.publish.comment, entrypoint.publish.workflow; print('github' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

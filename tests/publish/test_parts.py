"""Several load tests on one pull request: one comment, a part for each, none lost."""

import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from entrypoint.publish import parts
from entrypoint.publish.comment import Action, post_comment
from entrypoint.publish.fitting import Size, size
from entrypoint.publish.marker import MARK
from entrypoint.publish.parts import Part, compose, hold, merge, part_key, read
from entrypoint.publish.patience import Patience
from tests.github_server import Failure, User

from .conftest import HEAD, contribution, post, runner_of, unhurried

BOT = User("github-actions[bot]", "Bot")
LIMIT = Size(60_000, 250_000)
OTHER = "b" * 40
HOSTILE = [
    "",
    "a b",
    "<b>",
    "@octocat",
    "`",
    "](x)",
    "-->",
    "\n\n# x",
    "&lt;",
    "**",
    "ü",
    "\ud800",
    "|",
    "www.a.b",
    "x" * 300,
]


def part(suite: str, *, run: int = 42, head: str = HEAD, urgency: int = 1, text: str = "### ✅ Pass", **more) -> Part:
    key = part_key(suite, "loadtest")
    return Part(suite=suite, key=key, head=head, run=(run, 1), urgency=urgency, text=text, **({"writer": "0"} | more))


any_part = st.builds(
    part,
    st.sampled_from("abc"),
    run=st.integers(1, 3),
    head=st.sampled_from([HEAD, OTHER]),
    urgency=st.integers(0, 2),
    writer=st.sampled_from("01"),
)
mine = st.lists(any_part.filter(lambda each: each.head == HEAD), min_size=1, unique_by=lambda each: each.key)


class TestReadingAndWriting:
    @unhurried
    @given(suites=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), min_size=1, max_size=5, unique=True))
    def test_what_is_written_is_read_again(self, suites):
        written = merge([], [part(suite, text=f"### {number}") for number, suite in enumerate(suites)])
        found = read(compose(written, LIMIT, ""))
        assert [(each.key, each.text, each.run) for each in found] == [(one.key, one.text, one.run) for one in written]

    def test_a_browsers_line_ends_change_nothing(self):
        body = compose([part("a", text="one\ntwo")], LIMIT, "")
        assert read(body.replace("\n", "\r\n")) == read(body)

    @pytest.mark.parametrize("body", ["", MARK, f"{MARK}\nold", f"{MARK}\n<!-- ml-loadtest:part key=1 -->\nx"])
    def test_what_is_none_is_not_read(self, body):
        assert read(body) == ()

    def test_one_load_test_stands_alone(self):
        assert compose([part("a", text="### ✅ Pass\n\nmore")], LIMIT, "").count("\n") == 6

    def test_several_have_contents_and_the_quiet_ones_are_folded(self):
        merged = merge([], [part("ranker", urgency=0), part("recommender", text="### ❌ Regression: p95\n\nrows")])
        body = compose(merged, LIMIT, "")
        assert body.startswith(
            f"{MARK}\n### 2 load tests of commit `aaaaaaa`\n\n- <code>recommender</code>: ❌ Regression: p95\n"
            "- <code>ranker</code>: ✅ Pass\n\n\n---\n\n**Load test <code>recommender</code>**\n\n"
        )
        assert body.count("<details>") == body.count("</details>") == 1
        assert "<details><summary><code>ranker</code></summary>" in body

    def test_the_most_urgent_come_first(self):
        merged = merge([part("a", urgency=0), part("b", urgency=1)], [part("c", urgency=2)])
        assert [each.suite for each in merged] == ["c", "b", "a"]

    @pytest.mark.parametrize("suite", HOSTILE)
    @pytest.mark.parametrize("urgency", [0, 1])
    def test_a_hostile_name_stays_a_name(self, suite, urgency):
        body = compose(merge([], [part(suite, urgency=urgency), part("other")]), LIMIT, "")
        page = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
        tags = set(re.findall(r"</?([a-z0-9]+|!--)", page))
        known = {"details", "summary", "code", "h3", "ul", "li", "p", "strong", "hr", "!--", "em"}
        assert tags <= known
        assert "@" not in body
        assert body.count("<!-- ml-loadtest:part ") == 2


class TestMerging:
    @unhurried
    @given(there=st.lists(any_part), mine=mine)
    def test_what_was_brought_in_or_something_newer_is_there(self, there, mine):
        assert hold(merge(there, mine), mine)

    @unhurried
    @given(there=st.lists(any_part), mine=mine)
    def test_doing_it_twice_changes_nothing(self, there, mine):
        assert merge(merge(there, mine), mine) == merge(there, mine)

    def test_another_commits_parts_are_dropped(self):
        assert merge([part("a", head=OTHER), part("b", head=OTHER)], [part("a")]) == (part("a"),)

    def test_an_older_run_of_the_same_commit_does_not_overwrite_a_newer_one(self):
        assert merge([part("a", run=43)], [part("a", run=42)]) == (part("a", run=43),)

    def test_a_run_may_write_again(self):
        assert merge([part("a", text="old")], [part("a", text="new")])[0].text == "new"


class TestRoom:
    @pytest.mark.parametrize("count", [2, 10, 60, 300])
    @pytest.mark.parametrize("letter", ["x", "😀"])
    def test_many_long_parts_fit(self, count, letter):
        text = "### ❌ Slow\n\n" + f"| {letter * 60} |\n" * 900
        body = compose(merge([], [part(f"s{number:03}", text=text) for number in range(count)]), LIMIT, "See the run.")
        assert LIMIT.holds(size(body))
        assert count > 60 or len(read(body)) == count

    def test_small_parts_are_left_whole(self):
        small, large = part("a", text="### small\n\n" + "a\n" * 500), part("b", text="### large\n\n" + "b\n" * 50_000)
        found = read(compose(merge([], [small, large]), LIMIT, "See the run."))
        assert found[0].text == small.text.rstrip()
        assert "more lines did not fit here. See the run." in found[1].text
        assert len(found[1].text) > 55_000

    def test_a_result_at_hand_is_rendered_anew_rather_than_cut(self):
        mine = part("b", text="### large\n" + "b\n" * 50_000, render=lambda most: f"### rows left out, {most > 20_000}")
        found = read(compose(merge([part("a", text="a\n" * 15_000)], [mine]), LIMIT, ""))
        assert found[1].text == "### rows left out, True"


@pytest.mark.npm
class TestOnGitHub:
    def test_each_suite_of_each_workflow_has_its_part(self, github, runner):
        for _ in range(2):
            post(runner, "one", "recommender")
            post(runner, "two", "ranker")
            post(runner_of(github, workflow="nightly"), "three", "ranker")
        (comment,) = github.comments
        assert sorted(part.text for part in read(comment.body)) == ["one", "three", "two"]

    def test_one_job_may_bring_several(self, github, runner):
        outcome = post_comment(runner, [contribution(name, name) for name in "abc"], Patience(settle_s=0))
        assert outcome.action == Action.CREATED
        assert [part.text for part in read(github.comments[0].body)] == ["a", "b", "c"]

    def test_a_new_commit_supersedes_all_parts_of_the_old_one(self, github, runner):
        post(runner, "old", "a")
        post(runner, "old", "b")
        github.pulls[7].head_sha = OTHER
        post(runner_of(github, head_sha=OTHER, run_id="50"), "new", "a")
        assert [(part.text, part.head) for part in read(github.comments[0].body)] == [("new", OTHER)]

    def test_an_older_run_of_the_same_commit_leaves_the_newer_ones_part(self, github, runner):
        post(runner_of(github, run_id="43"), "newer", "a")
        assert post(runner, "older", "a").action == Action.UPDATED
        assert read(github.comments[0].body)[0].text == "newer"

    def test_only_the_suite_that_has_a_part_is_updated_where_none_is_to_be_created(self, github, runner):
        post(runner, "red", "a")
        assert post(runner, "green", "b", create=False).note
        assert post(runner, "green", "a", create=False).action == Action.UPDATED
        assert [part.text for part in read(github.comments[0].body)] == ["green"]

    def test_a_part_that_is_overwritten_is_brought_in_again(self, github, runner):
        post(runner, "theirs", "b")
        stale = github.comments[0].body
        lost = iter([True, True, False])

        def overwrite(_: float) -> None:
            if next(lost, False):
                github.comments[0].body = stale

        outcome = post(runner, "mine", "a", patience=Patience(sleep=overwrite))
        assert outcome.action == Action.UPDATED
        assert [part.text for part in read(github.comments[0].body)] == ["mine", "theirs"]
        assert len([each for each in github.requests if each.method == "PATCH"]) == 3

    def test_after_five_times_it_is_told(self, github, runner):
        post(runner, "theirs", "b")
        stale = github.comments[0].body
        patience = Patience(sleep=lambda _: setattr(github.comments[0], "body", stale))
        outcome = post(runner, "mine", "a", patience=patience)
        assert "overwrote it 5 times" in outcome.warning
        assert "ml-loadtest comment --from" in outcome.warning
        assert len([each for each in github.requests if each.method == "PATCH"]) == 5

    def test_a_newer_commits_comment_is_not_merged_into_after_all(self, github, runner):
        """While we waited, somebody pushed and the new run wrote."""

        def push(_: float) -> None:
            github.pulls[7].head_sha = OTHER
            github.comments[0].body = compose([part("a", head=OTHER, run=50, text="newer")], LIMIT, "")

        outcome = post(runner, "mine", "a", patience=Patience(sleep=push))
        assert "superseded" in outcome.note
        assert [part.text for part in read(github.comments[0].body)] == ["newer"]

    def test_a_comment_that_another_job_deletes_as_a_duplicate_is_written_elsewhere(self, github, runner):
        github.add_comment(7, f"{MARK}\n", BOT)
        github.before_answer = lambda request: github.comments.clear() if request.method == "PATCH" else None
        outcome = post(runner, "mine", "a")
        assert outcome.action == Action.CREATED
        assert read(github.comments[0].body)[0].text == "mine"

    @pytest.mark.parametrize("jobs", [2, 8])
    @pytest.mark.parametrize("first", [True, False], ids=["no comment yet", "there is one"])
    def test_jobs_that_end_together_all_find_their_place(self, github, runner, jobs, first):
        """Real concurrency: each job has its own connection, and every answer takes its own time."""
        if not first:
            post(runner, "old", "s0")
        slow = random.Random(jobs)
        github.before_answer = lambda request: time.sleep(slow.uniform(0.005, 0.06))
        gate = threading.Barrier(jobs)

        def job(number: int):
            gate.wait()
            return post(runner_of(github), f"part {number}", f"s{number}", patience=Patience(settle_s=0.8))

        with ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(job, range(jobs)))
        (comment,) = github.comments
        assert [part.text for part in read(comment.body)] == [f"part {number}" for number in range(jobs)]
        assert [outcome.warning for outcome in outcomes] == [""] * jobs
        assert {outcome.url for outcome in outcomes} == {
            f"https://github.com/octo/shop/pull/7#issuecomment-{comment.id}"
        }

    def test_trouble_between_two_rounds_loses_nothing(self, github, runner, clock):
        post(runner, "theirs", "b")
        github.fail_next(Failure.CLOSE, method="PATCH")
        post(runner, "mine", "a", patience=clock.patience())
        assert [part.text for part in read(github.comments[0].body)] == ["mine", "theirs"]


def test_a_key_belongs_to_one_suite_of_one_workflow():
    assert part_key("a", "bc") != part_key("ab", "c")
    assert replace(part("a"), render=len) == part("a")
    assert parts.read(compose([part("ü")], LIMIT, ""))[0].suite == "ü"

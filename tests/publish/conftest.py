from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings

from entrypoint.publish.comment import CommentOutcome, Contribution, post_comment
from entrypoint.publish.patience import Patience
from entrypoint.settings.runner import Runner
from tests.github_server import GitHubServer, description_or_skip, github_server

HEAD = "a" * 40
# a busy machine is no fault
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    """GitHub with pull request 7, whose head is our commit."""
    description_or_skip()
    with github_server() as server:
        server.add_pull(7, HEAD)
        yield server


@pytest.fixture
def runner(github: GitHubServer) -> Runner:
    """A pull_request run of octo/shop with a token that may write."""
    return runner_of(github)


def runner_of(github: GitHubServer, **more) -> Runner:
    usual = Runner(
        on_actions=True,
        event="pull_request",
        repository=github.repository,
        api_url=github.url,
        run_id="42",
        workflow="loadtest",
        sha="f" * 40,
        head_sha=HEAD,
        pull_request=7,
        token=github.token,
    )
    return replace(usual, **more)


def contribution(body: str, suite: str = "recommender", **more) -> Contribution:
    return Contribution(**({"suite": suite, "head": HEAD, "render": lambda characters: body} | more))


def post(
    runner: Runner, body: str, suite: str = "recommender", *, create: bool = True, patience: Patience | None = None
) -> CommentOutcome:
    """Post one load test's text; a test has nobody to wait for."""
    said = contribution(body, suite, create=create, head=runner.head_sha)
    return post_comment(runner, [said], patience or Patience(settle_s=0))


@dataclass
class Clock:
    """Time that passes only in sleep."""

    now: float = 0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        self.now += seconds

    def patience(self, **more) -> Patience:
        return Patience(**({"clock": lambda: self.now, "sleep": self.sleep, "settle_s": 0} | more))


@pytest.fixture
def clock() -> Clock:
    return Clock()

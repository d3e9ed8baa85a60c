"""GitHub's REST API on loopback: a real HTTP server with state, held to GitHub's own OpenAPI description."""

from tests.github_server.description import DescriptionUnavailableError
from tests.github_server.server import GitHubServer, description_or_skip, github_server
from tests.github_server.state import Artifact, Check, Comment, Failure, Pull, Request, User

__all__ = [
    "Artifact",
    "Check",
    "Comment",
    "DescriptionUnavailableError",
    "Failure",
    "GitHubServer",
    "Pull",
    "Request",
    "User",
    "description_or_skip",
    "github_server",
]

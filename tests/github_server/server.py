"""The HTTP side: routing, pages, failures, and the check of every request and answer against the description."""

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.github_server.description import Description, DescriptionUnavailableError, description
from tests.github_server.state import Comment, Failure, Objects, Planned, Pull, Request, State

_LONGEST_BODY = 65_536
_STORAGE = "/storage/"


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(status),
            **more,
        }


class GitHubServer(State):
    """The state, and where it is served.

    Attributes:
        url: what belongs into GITHUB_API_URL.
    """

    url: str
    closing: threading.Event


def description_or_skip() -> None:
    """Skip the test where GitHub's description cannot be had; fail it where nothing may be skipped."""
    try:
        description()
    except DescriptionUnavailableError as error:
        if os.environ.get("ML_LOADTEST_REQUIRE_DOCKER"):
            pytest.fail(f"GitHub's API cannot be tested: {error}")
        pytest.skip(f"GitHub's API is not tested: {error}")


@contextmanager
def github_server(*, prefix: str = "") -> Iterator[GitHubServer]:
    """Serve GitHub's API until the block ends, which fails if a request or an answer broke GitHub's description.

    Args:
        prefix: "/api/v3" makes it an Enterprise server.

    Raises:
        DescriptionUnavailableError: see `description_or_skip`.
    """
    state = GitHubServer()
    state.closing = threading.Event()
    handler = type("Handler", (_Handler,), {"state": state, "description": description(), "prefix": prefix})
    with _Server(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}{prefix}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.closing.set()
            server.shutdown()
            thread.join()
    assert not state.violations, "\n".join(state.violations)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    state: GitHubServer
    description: Description
    prefix: str

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Quiet."""

    def _serve(self) -> None:
        request = self._read()
        if request.path.startswith(_STORAGE):
            self._store(request)
            return
        self.state.requests.append(request)
        planned = self.state.take_failure(request.method)
        failure = planned.failure if planned else None
        if failure is Failure.HANG:
            self.state.closing.wait(30)
            return
        match = self.description.match(request.method, request.path)
        try:
            self._check(request, match)
            status, body, headers = self._outcome(request, match, planned)
        except _RefusedError as refused:
            status, body, headers = refused.status, refused.body, refused.headers
        if match:
            faults = self.description.faults_in_answer(request.method, match[0], status, body)
            self.state.violations += [f"answer to {request.method} {request.path}: {fault}" for fault in faults]
        self._send(status, body, headers, failure)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 (the base class's names)

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length).decode("utf-8")
        body = json.loads(text) if text else None
        path = parts.path.removeprefix(self.prefix)
        return Request(self.command, path, dict(parse_qsl(parts.query)), dict(self.headers.items()), body)

    def _check(self, request: Request, match: tuple[str, dict[str, str]] | None) -> None:
        """What GitHub itself would refuse is refused; what its description forbids is remembered besides."""
        if not request.headers.get("User-Agent"):
            raise _RefusedError(403, "Request forbidden by administrative rules.")
        if not re.fullmatch(
            rf"(?i)(token|bearer) {re.escape(self.state.token)}", request.headers.get("Authorization", "")
        ):
            raise _RefusedError(401, "Bad credentials")
        if match is None:
            self.state.violations.append(f"GitHub has no {request.method} {request.path}")
            raise _RefusedError(404, "Not Found")
        faults = self.description.faults_in_request(request.method, match[0], request.query, request.body)
        self.state.violations += [f"{request.method} {request.path}: {fault}" for fault in faults]
        if faults:
            raise _RefusedError(422, "Validation Failed")

    def _outcome(
        self, request: Request, match: tuple[str, dict[str, str]] | None, planned: Planned | None
    ) -> tuple[int, Any, dict[str, str]]:
        self.state.before_answer(request)
        if planned and planned.failure not in {Failure.CLOSE, Failure.NOT_JSON}:
            status, message = planned.failure.value
            raise _RefusedError(status, message, {"Retry-After": planned.retry_after} if planned.retry_after else {})
        assert match
        return self._answer(request, *match)

    def _answer(self, request: Request, template: str, values: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        state, objects = self.state, Objects(self.description, self.state, self.state.url)
        if template == "/user":
            if state.user.type == "Bot":
                raise _RefusedError(403, "Resource not accessible by integration")
            return 200, objects.authenticated(), {}
        if f"{values['owner']}/{values['repo']}" != state.repository:
            raise _RefusedError(404, "Not Found")
        if "/actions/" in template:
            return self._of_runs(request, template, values, objects)
        if "/check-runs" in template:
            return self._of_checks(request, values, objects)
        if request.method != "GET" and not state.can_write:
            raise _RefusedError(403, "Resource not accessible by integration")
        if "/pulls" in template:
            return self._of_pulls(request, values, objects)
        if template.endswith("/comments/{comment_id}"):
            return self._one_comment(request, self._comment(values["comment_id"]), objects)
        return self._comments(request, self._pull(values["issue_number"]).number, objects)

    def _of_pulls(self, request: Request, values: dict[str, str], objects: Objects) -> tuple[int, Any, dict[str, str]]:
        if "pull_number" in values:
            return 200, objects.pull(self._pull(values["pull_number"])), {}
        return self._page(request, [objects.pull_simple(pull) for pull in self._pulls(request, values)])

    def _pulls(self, request: Request, values: dict[str, str]) -> list[Pull]:
        """Those of a commit, or those that the query asks for."""
        sha, head, wanted = (
            values.get("commit_sha", ""),
            request.query.get("head", ""),
            request.query.get("state", "open"),
        )
        return [
            pull
            for pull in self.state.pulls.values()
            if (sha in {pull.head_sha, *pull.commits} if sha else wanted in {"all", pull.state})
            and head in {"", f"{(pull.head_repository or self.state.repository).split('/')[0]}:{pull.branch}"}
        ]

    def _comments(self, request: Request, number: int, objects: Objects) -> tuple[int, Any, dict[str, str]]:
        if request.method == "POST":
            written = self.state.add_comment(number, _accepted(request.body), self.state.user)
            return 201, objects.comment(written), {"Location": objects.comment(written)["url"]}
        found = sorted((each for each in self.state.comments if each.number == number), key=lambda comment: comment.id)
        return self._page(request, [objects.comment(comment) for comment in found])

    def _of_runs(
        self, request: Request, template: str, values: dict[str, str], objects: Objects
    ) -> tuple[int, Any, dict[str, str]]:
        if not self.state.can_read_runs:
            raise _RefusedError(403, "Resource not accessible by integration")
        if template.endswith("/runs/{run_id}"):
            return 200, objects.run(int(values["run_id"])), {}
        if template.endswith("/artifacts"):
            found = [each for each in self.state.artifacts if each.run_id == int(values["run_id"])]
            status, page, links = self._page(request, [objects.artifact(each) for each in found])
            return status, {"total_count": len(found), "artifacts": page}, links
        if not any(each.id == int(values["artifact_id"]) for each in self.state.artifacts):
            raise _RefusedError(404, "Not Found")
        return 302, None, {"Location": f"{self.state.url}{_STORAGE}{values['artifact_id']}"}

    def _of_checks(self, request: Request, values: dict[str, str], objects: Objects) -> tuple[int, Any, dict[str, str]]:
        state = self.state
        if not state.can_check:
            raise _RefusedError(403, "Resource not accessible by integration")
        if request.method == "POST":
            return 201, objects.check(state.add_check(request.body)), {}
        if request.method == "PATCH":
            check = next(each for each in state.checks if each.id == int(values["check_run_id"]))
            check.status, check.conclusion = request.body["status"], request.body.get("conclusion")
            check.title, check.summary = request.body["output"]["title"], request.body["output"]["summary"]
            return 200, objects.check(check), {}
        wanted = request.query.get("status", "")
        found = [each for each in state.checks if each.head_sha == values["ref"] and wanted in {"", each.status}]
        status, page, links = self._page(request, [objects.check(each) for each in found])
        return status, {"total_count": len(found), "check_runs": page}, links

    def _store(self, request: Request) -> None:
        """The storage behind artifacts: another company's, which must not be shown the token."""
        if "Authorization" in request.headers:
            self.state.violations.append("the token was shown to the storage")
        number = int(request.path.removeprefix(_STORAGE))
        archive = next(each.archive for each in self.state.artifacts if each.id == number)
        self.send_response(200)
        self.send_header("Content-Length", str(len(archive)))
        self.end_headers()
        self.wfile.write(archive)

    def _one_comment(self, request: Request, comment: Comment, objects: Objects) -> tuple[int, Any, dict[str, str]]:
        if request.method == "DELETE":
            self.state.comments.remove(comment)
            return 204, None, {}
        if request.method == "PATCH":
            comment.body = _accepted(request.body)
            comment.edits += 1
        return 200, objects.comment(comment), {}

    def _pull(self, number: str) -> Any:
        if int(number) not in self.state.pulls:
            raise _RefusedError(404, "Not Found")
        return self.state.pulls[int(number)]

    def _comment(self, number: str) -> Comment:
        for comment in self.state.comments:
            if comment.id == int(number):
                return comment
        raise _RefusedError(404, "Not Found")

    def _page(self, request: Request, items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        last = max(1, -(-len(items) // size))
        targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        links = [
            f'<{self.state.url}{request.path}?{urlencode({**request.query, "page": target})}>; rel="{rel}"'
            for rel, target in targets.items()
            if 1 <= target <= last and (rel in {"prev", "next"} or target != page)
        ]
        return 200, items[(page - 1) * size : page * size], {"Link": ", ".join(links)} if links else {}

    def _send(self, status: int, body: Any, headers: dict[str, str], failure: Failure | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        if failure is Failure.NOT_JSON:
            content = Failure.NOT_JSON.value[1].encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if failure is Failure.CLOSE else content)


def _accepted(body: Any) -> str:
    text: str = body["body"]
    if len(text) > _LONGEST_BODY or len(text.encode()) > 4 * _LONGEST_BODY:
        message = f"body is too long (maximum is {_LONGEST_BODY} characters)"
        details = [{"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message}]
        raise _RefusedError(422, "Validation Failed", errors=details)
    if not text.strip():
        raise _RefusedError(
            422, "Validation Failed", errors=[{"resource": "IssueComment", "code": "missing_field", "field": "body"}]
        )
    return text

"""GitHub's own OpenAPI description of the few calls we make, fetched once and kept in `.tools/`."""

import json
import re
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker

from tests.npm import PackageUnavailableError, packed

PACKAGE = "@octokit/openapi"
VERSION = "23.0.2"
_FILE = "generated/api.github.com.json"
_PATHS = (
    "/user",
    "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts",
    "/repos/{owner}/{repo}/check-runs",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
)
_METHODS = ("get", "post", "patch", "delete")
_KEPT = sha256("\n".join(_PATHS).encode()).hexdigest()[:8]
_CACHE = Path(__file__).parents[2] / ".tools" / f"github-openapi-{VERSION}-{_KEPT}.json"


class DescriptionUnavailableError(Exception):
    """The description is neither cached nor to be had from npm."""


class Description:
    """What GitHub says a request and its answer look like."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        _let_null_be_null(document)
        self._patterns = {
            path: re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))) for path in document["paths"]
        }

    def match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The path's template and the values in it, or None where GitHub has no such call."""
        for template, pattern in self._patterns.items():
            if (found := pattern.fullmatch(path)) and method.lower() in self._document["paths"][template]:
                return template, found.groupdict()
        return None

    def example(self, name: str) -> Any:
        """A fresh copy of one of GitHub's own examples."""
        return json.loads(json.dumps(self._document["components"]["examples"][name]["value"]))

    def faults_in_request(self, method: str, template: str, query: dict[str, str], body: object) -> list[str]:
        """What GitHub's description says against a request; empty if nothing."""
        operation = self._document["paths"][template][method.lower()]
        known = {parameter["name"]: parameter for parameter in map(self._resolved, operation.get("parameters", []))}
        faults = [f"unknown query parameter {name!r}" for name in query if known.get(name, {}).get("in") != "query"]
        faults += [
            f"{name}={value!r} is not a number"
            for name, value in query.items()
            if known.get(name, {}).get("schema", {}).get("type") == "integer" and not value.isdigit()
        ]
        faults += [
            f"per_page={value} is over 100" for name, value in query.items() if name == "per_page" and int(value) > 100
        ]
        if "requestBody" in operation:
            faults += self._faults(body, operation["requestBody"]["content"]["application/json"]["schema"])
        elif body is not None:
            faults.append("a body where none belongs")
        return faults

    def faults_in_answer(self, method: str, template: str, status: int, body: object) -> list[str]:
        """What GitHub's description says against an answer. Statuses that it leaves out must be its basic error."""
        responses = self._document["paths"][template][method.lower()]["responses"]
        if str(status) not in responses:
            return self._faults(body, {"$ref": "#/components/schemas/basic-error"})
        content = self._resolved(responses[str(status)]).get("content")
        if content is None:
            return [] if body is None else ["a body where none belongs"]
        return self._faults(body, content["application/json"]["schema"])

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self._resolved(found)

    def _faults(self, value: object, schema: dict[str, Any]) -> list[str]:
        if "discriminator" in schema and isinstance(value, dict):
            # OpenAPI 3.0 lets a property's value choose; JSON Schema's oneOf alone would find two that fit
            chosen = value.get(schema["discriminator"]["propertyName"], "")
            schema = {"$ref": schema["discriminator"]["mapping"][chosen]}
        whole = {"allOf": [schema], "components": self._document["components"]}
        validator = OAS30Validator(whole, format_checker=oas30_format_checker)
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in validator.iter_errors(value)
        ]


def _let_null_be_null(node: Any) -> None:
    """A nullable value with a list of values may be null: GitHub's own examples are, OpenAPI 3.0 wants it in the list."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _let_null_be_null(part)
    if isinstance(node, dict) and node.get("nullable") and isinstance(node.get("enum"), list):
        node["enum"].append(None)


@cache
def description() -> Description:
    """The description, from the cache or from npm.

    Raises:
        DescriptionUnavailableError: npm is missing, or the registry did not answer three times.
    """
    if not _CACHE.exists():
        _CACHE.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE.parent) as folder:
            slim = Path(folder) / "slim.json"
            slim.write_text(json.dumps(_slimmed(_fetched())), encoding="utf-8")
            slim.replace(_CACHE)  # whole or not at all, also when two test runs fetch it at once
    return Description(json.loads(_CACHE.read_text(encoding="utf-8")))


def _fetched() -> dict[str, Any]:
    """The whole description."""
    try:
        document: dict[str, Any] = json.loads(packed(PACKAGE, VERSION, _FILE))
    except PackageUnavailableError as error:
        raise DescriptionUnavailableError(str(error)) from error
    return document


def _slimmed(document: dict[str, Any]) -> dict[str, Any]:
    """The paths we use and every component they lead to."""
    paths = {
        path: {method: operation for method, operation in document["paths"][path].items() if method in _METHODS}
        for path in _PATHS
    }
    components: dict[str, dict[str, Any]] = {}
    waiting = [paths, {"$ref": "#/components/schemas/basic-error"}]
    while waiting:
        for kind, name in re.findall(r'"\$ref": "#/components/([^/"]+)/([^"]+)"', json.dumps(waiting.pop())):
            if name not in components.setdefault(kind, {}):
                components[kind][name] = document["components"][kind][name]
                waiting.append(components[kind][name])
    return {"openapi": document["openapi"], "paths": paths, "components": components}

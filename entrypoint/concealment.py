"""Keeps the values of declared secrets out of what a run writes and says."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from entrypoint.errors import LoadTestError
from entrypoint.settings.model import Load, Service
from entrypoint.settings.reading import Settings
from locustfiles.ml_loadtest import contract

# Shorter values would tear text apart.
SHORTEST = 4
# A mask works on everything that the job prints afterwards, and empties outputs of the job: a word is not worth that.
_SHORTEST_MASK = 8
_CREDENTIAL = re.compile(r"(?i)authorization|cookie|key|token|secret|password")
# Schemes of a header, such as `Bearer`, are no secrets.
_SHORTEST_WORD = 8
_OURS = {".json", ".jsonl"}
_NAME = re.compile(r"[a-z_-]+")


def declared(
    load: Load, environment: Mapping[str, str], service: Service | None = None, public: Iterable[str] = ()
) -> tuple[str, ...]:
    """The values that nobody else is to read: of the variables that `load.environment` names, of the service's headers that
    carry a credential, and the login of its address.

    Args:
        load: names the variables.
        environment: has their values.
        service: None for a worker, which has none.
        public: texts whose parts are no secrets, such as the path of the results, which an output is.
    """
    found = [environment.get(name, "") for name in load.environment]
    if service:
        given = [str(value) for name, value in service.headers.items() if _CREDENTIAL.search(name)]
        found += [part for value in given for part in (value, *value.split()) if len(part) >= _SHORTEST_WORD]
        found.append(urlsplit(service.url).netloc.rpartition("@")[0])
    known = tuple(public)
    hidden = {value for value in found if len(value) >= SHORTEST and not any(value in text for text in known)}
    return tuple(sorted(hidden, key=lambda value: (-len(value), value)))


def masks(secrets: Iterable[str]) -> list[str]:
    """What the runner is to mask. It masks each line of a value by itself, however short, so we choose among the lines."""
    lines = (line.strip() for secret in secrets for line in secret.splitlines())
    return list(dict.fromkeys(line for line in lines if len(line) >= _SHORTEST_MASK))


def declared_in(settings: Settings) -> tuple[str, ...]:
    """The secrets of a run, see `declared`. What the runner itself calls the job and its files is none."""
    runner = settings.runner
    public = (
        str(settings.out),
        f"{runner.server_url}/{runner.repository}",
        runner.run_url,
        runner.sha,
        runner.head_sha,
    )
    return declared(settings.config.load, settings.environment, settings.config.service, public)


@contextmanager
def concealing(secrets: tuple[str, ...], folders: Iterable[Path]) -> Iterator[None]:
    """However the block ends, no secret is left in these folders' files, nor in the error it ends with."""
    try:
        yield
    except LoadTestError as error:
        error.rewrite(lambda text: contract.without(text, secrets))
        raise
    finally:
        scrub(folders, secrets)


def scrub(folders: Iterable[Path], secrets: tuple[str, ...]) -> None:
    """Replace each secret by `***` in every text file of the folders; samples hold numbers only.

    In our own files, only texts are looked at: the value of a variable may be `true`, or a number that a count has too.

    Args:
        folders: what others wrote to; those that do not exist are passed over, and no link in them is followed.
        secrets: values, as they are in the environment, of at least `SHORTEST` characters.
    """
    for folder in folders:
        for path in folder.glob("*") if secrets else ():
            if path.is_file() and not path.is_symlink() and path.suffix != ".bin":
                _scrub_file(path, secrets)


def _scrub_file(path: Path, secrets: tuple[str, ...]) -> None:
    before = path.read_bytes().decode("utf-8", "surrogateescape")
    # As a whole, for a secret may have several lines.
    after = contract.without(before, secrets)
    if after == before:
        return
    if path.suffix in _OURS:
        after = "\n".join(_in_json(line, secrets) for line in before.split("\n"))
    path.write_bytes(after.encode("utf-8", "surrogateescape"))


def _in_json(line: str, secrets: tuple[str, ...]) -> str:
    """A line of ours; half a line, as a killed process leaves it, is text like any other."""
    after = contract.without(line, secrets)
    if after == line:
        return line
    try:
        return json.dumps(_in_value(json.loads(line), secrets))
    except ValueError:
        return after


def _in_value(value: Any, secrets: tuple[str, ...]) -> Any:  # noqa: ANN401 (what JSON gave)
    if isinstance(value, str):
        return contract.without(value, secrets)
    if isinstance(value, dict):
        return _in_mapping(value, secrets)
    return [_in_value(part, secrets) for part in value] if isinstance(value, list) else value


def _in_mapping(value: dict[str, Any], secrets: tuple[str, ...]) -> dict[str, Any]:
    """Names of our own are no text that a secret could be in; the labels of a series are, and two of them stay two."""
    found: dict[str, Any] = {}
    for key, part in value.items():
        shown = key if _NAME.fullmatch(key) else contract.without(key, secrets)
        while shown in found:
            shown += "*"
        found[shown] = _in_value(part, secrets)
    return found

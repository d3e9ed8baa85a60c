"""Takes the values of declared secrets out of everything that Locust and its users wrote."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from locustfiles.ml_loadtest import contract

_SHORTEST = 4
_OURS = {".json", ".jsonl"}


def scrub(folders: Iterable[Path], secrets: Iterable[str]) -> None:
    """Replace each secret by `***` in every text file of the folders; samples hold numbers only.

    In our own files, only texts are looked at: the value of a variable may be `true`, or a number that a count has too.

    Args:
        folders: what Locust wrote to; those that do not exist are passed over.
        secrets: values, as they are in the environment. Shorter ones than four characters would tear text apart.
    """
    found = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
    for folder in folders:
        for path in folder.glob("*") if found else ():
            if path.is_file() and path.suffix != ".bin":
                _scrub_file(path, found)


def _scrub_file(path: Path, secrets: list[str]) -> None:
    before = path.read_bytes().decode("utf-8", "surrogateescape")
    if path.suffix in _OURS:
        after = "\n".join(_in_json(line, secrets) for line in before.split("\n"))
    else:
        after = contract.without(before, secrets)  # as a whole, for a secret may have several lines
    if after != before:
        path.write_bytes(after.encode("utf-8", "surrogateescape"))


def _in_json(line: str, secrets: list[str]) -> str:
    """A line of ours; half a line, as a killed process leaves it, is text like any other."""
    if not any(spelling in line for secret in secrets for spelling in contract.spellings(secret)):
        return line
    try:
        return json.dumps(_in_value(json.loads(line), secrets))
    except ValueError:
        return contract.without(line, secrets)


def _in_value(value: Any, secrets: list[str]) -> Any:  # noqa: ANN401 (what JSON gave)
    if isinstance(value, str):
        return contract.without(value, secrets)
    if isinstance(value, dict):
        return {key: _in_value(part, secrets) for key, part in value.items()}
    return [_in_value(part, secrets) for part in value] if isinstance(value, list) else value

"""Takes the values of declared secrets out of everything that Locust and its users wrote."""

import json
from collections.abc import Iterable
from pathlib import Path

_SHORTEST = 4


def scrub(folders: Iterable[Path], secrets: Iterable[str]) -> None:
    """Replace each secret by `***` in every text file of the folders; samples hold numbers only.

    Args:
        folders: what Locust wrote to; those that do not exist are passed over.
        secrets: values, as they are in the environment. Shorter ones than four characters would tear text apart.
    """
    long_enough = [secret for secret in secrets if len(secret) >= _SHORTEST]
    spellings = {form.encode() for secret in long_enough for form in (secret, json.dumps(secret)[1:-1])}
    for folder in folders:
        for path in folder.glob("*") if spellings else ():
            if path.is_file() and path.suffix != ".bin":
                _scrub_file(path, spellings)


def _scrub_file(path: Path, spellings: set[bytes]) -> None:
    before = path.read_bytes()
    after = before
    for spelling in sorted(spellings, key=len, reverse=True):
        after = after.replace(spelling, b"***")
    if after != before:
        path.write_bytes(after)

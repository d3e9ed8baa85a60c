"""Finds a secret in any bytes, whatever it was wrapped in. It shares nothing with what takes secrets out."""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_DEEP = 3


def leaks(data: bytes, secrets: tuple[str, ...]) -> list[str]:
    """Which secrets are in these bytes: as they are, or in JSON, CSV, HTML, a URL or base64, up to three of these deep."""
    forms = {data.decode("utf-8", "replace")}
    found = set()
    for _ in range(_DEEP + 1):
        found |= {secret for secret in secrets for form in forms if secret in form}
        forms = {plainer for form in forms for plainer in _unwrapped(form)} - forms
    return sorted(found)


def _unwrapped(text: str) -> Iterator[str]:
    yield unquote_plus(text)
    yield html.unescape(text)
    yield text.replace('""', '"')
    yield re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescaped, text)
    yield "\n".join(part for run in _BASE64.findall(text) for part in _decoded(run))


def _unescaped(found: re.Match[str]) -> str:
    try:
        return str(json.loads(f'"{found[0]}"'))
    except ValueError:
        return found[1]


def _decoded(run: str) -> Iterator[str]:
    """Every stretch of base64 from each of its first four letters on: it may stand behind other letters."""
    letters = run.replace("-", "+").replace("_", "/")
    for begin in range(4):
        whole = letters[begin : begin + (len(letters) - begin) // 4 * 4]
        try:
            yield base64.b64decode(whole).decode("utf-8", "replace")
        except binascii.Error:
            continue
        # The last two or three letters encode bytes too.
        rest = letters[begin + len(whole) :]
        if len(rest) > 1:
            yield base64.b64decode(whole + rest + "=" * (4 - len(rest))).decode("utf-8", "replace")

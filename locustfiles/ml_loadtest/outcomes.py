"""From what Locust reports of a request to exactly one outcome (mlserving taxonomy, docs/measuring.md)."""

import re
from typing import Any

from ml_loadtest.contract import Outcome, without

_LONGEST_MESSAGE = 300
_MOST_READ = 10_000
# Headers whose whole value is a credential; names and schemes that one follows; the login of an address.
_CREDENTIALS = (
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*['\"]?)[^'\"]+"), r"\1\2***"),
    (
        re.compile(
            r"(?i)\b((?:[\w-]*[_-])?(?:bearer|basic|(?:access|api|auth|client|refresh)?(?:token|key|secret|password)))"
            r"([\s:='\"]+)[^\s'\"&,;]{6,}"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@"), r"\1***@"),
)


def classify(exception: BaseException | str | None, response: Any) -> Outcome:
    """The outcome of a request.

    Args:
        exception: what Locust's client or the locustfile made of it; None for success.
        response: the client's response, or None. Only its `status_code` is looked at.
    """
    status = getattr(response, "status_code", 0)
    status = status if isinstance(status, int) else 0
    if exception is None:
        return Outcome.EXPECTED_REJECTION if status >= 400 else Outcome.OK
    if _is_timeout(exception):
        return Outcome.TIMEOUT
    if status == 0:
        return Outcome.CONNECTION if response is not None or isinstance(exception, OSError) else Outcome.INVALID
    if status >= 500:
        return Outcome.SERVER_ERROR
    return Outcome.UNEXPECTED_REJECTION if status >= 400 else Outcome.INVALID


def _is_timeout(exception: BaseException | str) -> bool:
    """Whether it, or what caused it, is some client's time-out; every client has a class of its own."""
    seen: BaseException | str | None = exception
    for _ in range(5):
        if isinstance(seen, TimeoutError) or "timeout" in type(seen).__name__.lower():
            return True
        # FastHttpUser's client keeps the reason of its last try in `original`.
        seen = getattr(seen, "original", None) or getattr(seen, "__cause__", None) or getattr(seen, "__context__", None)
    return False


def describe(exception: BaseException | str | None, secrets: tuple[str, ...]) -> tuple[str, str]:
    """Class name and one-line message of an exception, cut, with secrets and credentials removed.

    Args:
        exception: what was raised, or a text that a locustfile gave.
        secrets: values that must never be written.
    """
    kind = "" if exception is None or isinstance(exception, str) else type(exception).__name__
    # Before lines are joined: a secret may have several.
    message = without(str(exception or "")[:_MOST_READ], secrets)
    # What cannot be printed could move a terminal's cursor, or turn the order of letters round.
    printable = "".join(letter if letter.isprintable() else " " for letter in message)
    message = without(" ".join(printable.split()), secrets)
    for pattern, masked in _CREDENTIALS:
        message = pattern.sub(masked, message)
    return kind, message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"

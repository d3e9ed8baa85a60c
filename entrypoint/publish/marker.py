"""The invisible first line by which a sticky comment is found again."""

import re
from hashlib import sha256

_MARKER_LIKE = re.compile(r"<!--\s*ml-loadtest:[^\n]*?(?:-->|(?=\n)|\Z)", re.IGNORECASE)


def marker(suite: str, workflow: str) -> str:
    """The first line of the comment that belongs to this suite of this workflow, and to no other."""
    key = sha256(f"{suite}\0{workflow}".encode("utf-8", "replace")).hexdigest()[:16]
    return f"<!-- ml-loadtest:v1 key={key} -->"


def carries(body: str, mark: str) -> bool:
    """Whether a comment begins with the marker. Quoted further down, it means nothing."""
    return body.split("\n", 1)[0].strip() == mark


def without_markers(text: str) -> str:
    """The text with everything replaced that looks like a marker of ours.

    Visible words take its place, so that what stood around it cannot close up into a new one.
    """
    return _MARKER_LIKE.sub("(marker removed)", text)

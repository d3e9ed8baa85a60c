"""The invisible first line by which the sticky comment is found again, and the lines around each load test's part of it."""

import re

MARK = "<!-- ml-loadtest:v1 -->"

_MARKER_LIKE = re.compile(r"<!--\s*ml-loadtest:[^\n]*?(?:-->|(?=\n)|\Z)", re.IGNORECASE)


def carries(body: str) -> bool:
    """Whether a comment begins with our marker. Quoted further down, it means nothing."""
    return body.split("\n", 1)[0].strip() == MARK


def without_markers(text: str) -> str:
    """The text with everything replaced that looks like a marker of ours.

    Visible words take its place, so that what stood around it cannot close up into a new one.
    """
    return _MARKER_LIKE.sub("(marker removed)", text)

"""Markdown cut to a limit: whole lines, nothing left open, and a line that says how much is missing."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_DETAILS = re.compile(r"<(/?)details\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Size:
    """A length in characters and in UTF-8 bytes."""

    characters: int
    octets: int

    def __add__(self, other: "Size") -> "Size":
        return Size(self.characters + other.characters, self.octets + other.octets)

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.characters - other.characters, self.octets - other.octets)

    def holds(self, other: "Size") -> bool:
        """Whether the other is within this one by both measures."""
        return other.characters <= self.characters and other.octets <= self.octets


def size(text: str) -> Size:
    """How long a text is."""
    return Size(len(text), len(text.encode("utf-8", "replace")))


def fit(text: str, limit: Size, *, whole: str) -> str:
    """The text, or as many of its first lines as the limit holds, ended properly.

    Args:
        text: Markdown.
        limit: what the result may take.
        whole: a sentence that says where the whole text is.
    """
    if limit.holds(size(text)):
        return text
    lines = text.removesuffix("\n").split("\n")
    room = limit - size(_note(len(lines), whole))
    kept, ending, used, open_ = 0, "", Size(0, 0), _Open()
    for number, line in enumerate(lines, start=1):
        used += size(line) + Size(1, 1)
        if not room.holds(used):
            break
        open_ = open_.after(line)
        if room.holds(used + Size(open_.cost, open_.cost)):
            kept, ending = number, open_.ending()
    return "".join(f"{line}\n" for line in lines[:kept]) + ending + _note(len(lines) - kept, whole)


def _note(lines: int, whole: str) -> str:
    return f"\n_{lines} more {'line' if lines == 1 else 'lines'} did not fit here. {whole}_\n"


@dataclass(frozen=True, slots=True)
class _Open:
    """What a Markdown text has opened so far: a code fence, and so many `<details>`."""

    fence: str = ""
    details: int = 0

    def after(self, line: str) -> "_Open":
        if self.fence:
            closes = re.fullmatch(rf" {{0,3}}{re.escape(self.fence[0])}{{{len(self.fence)},}}[ \t\r]*", line)
            return _Open("", self.details) if closes else self
        if fence := _FENCE.match(line):
            return _Open(fence[1], self.details)
        details = self.details
        for tag in _DETAILS.finditer(_CODE_SPAN.sub("", line)):
            details = max(0, details - 1) if tag[1] else details + 1
        return _Open("", details)

    @property
    def cost(self) -> int:
        """Length of the ending, without building it: hostile text can open very many."""
        return (len(self.fence) + 1 if self.fence else 0) + len(_CLOSING) * self.details

    def ending(self) -> str:
        return (f"{self.fence}\n" if self.fence else "") + _CLOSING * self.details


_CLOSING = "\n</details>\n"

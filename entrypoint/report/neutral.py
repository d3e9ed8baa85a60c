"""Text from endpoints, logs and services made harmless, once for Markdown and once for HTML. Knows no report.

Markdown: GitHub expands no mention, reference, link or formula inside code, so whatever could mean something stands in a code
span; plain words pass. What a reader could not see (control characters, changes of direction) is written out, as `\\x1b`.
"""

import re
import unicodedata
from typing import Protocol

from markupsafe import Markup, escape

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPAN = re.compile(r"`([^`]+)`")
# Words that no renderer sees anything in; every other word goes into a code span.
_PLAIN = re.compile(r"[^\W_]*(?:[.,;:!?()%+\-−–—×±…·'’\"“”/=°∞≤≥\u00a0][^\W_]*)*")
_REFERENCE = re.compile(r"gh-\d|www\.|://|:[\w+-]+:|<!--|(?<![^\W_])[0-9a-f]{7,40}(?![^\W_])", re.IGNORECASE)
_BLOCK_START = re.compile(r"[-+=]+|\d{1,9}[.)]")
_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@&=%+,;-]+")
_UNIT = re.compile(r"(?<=\d) (?=%|(?:ms|s)(?!\w))")
_JOINER = "\u2060"  # invisible, no space: breaks a word for a parser and for nobody else


class Neutral(Protocol):
    """How untrusted text enters one format. Every method's answer may stand in the document as it is."""

    def name(self, text: str, limit: int = 80) -> str:
        """A name or message as code, on one line."""
        ...

    def cell(self, text: str, limit: int = 80) -> str:
        """The same inside a table."""
        ...

    def prose(self, text: str, limit: int = 600) -> str:
        """A sentence, on one line; what stands between backticks becomes code."""
        ...

    def cell_prose(self, text: str, limit: int = 300) -> str:
        """The same inside a table."""
        ...

    def block(self, text: str, width: int = 300) -> str:
        """Several lines, as they are; `width` cuts each."""
        ...


class MarkdownNeutral:
    """For GitHub's Markdown."""

    def name(self, text: str, limit: int = 80) -> str:
        """A code span whose fence is longer than any run of backticks inside."""
        shown = _shorten(_visible(text), limit)
        if not shown.strip():
            return "(empty)"
        fence = "`" * (_longest_run(shown) + 1)
        pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
        return f"{fence}{pad}{_unmarked(shown)}{pad}{fence}"

    def cell(self, text: str, limit: int = 80) -> str:
        """A code span in a table, where a bar ends the cell even inside code."""
        return self.name(text, limit).replace("|", "\\|")

    def prose(self, text: str, limit: int = 600) -> str:
        """Plain words as they are, any other as code; leading and trailing space is kept as one space."""
        parts = _SPAN.split(_shorten(_visible(text, space=True), limit))
        written = ""
        for number, part in enumerate(parts):
            written = glue(
                written, self.name(part) if number % 2 else self._words(tight(part), first=not written.strip())
            )
        return written

    def cell_prose(self, text: str, limit: int = 300) -> str:
        """A sentence in a table."""
        return self.prose(text, limit).replace("|", "\\|")

    def block(self, text: str, width: int = 300) -> str:
        """A fenced block whose fence is longer than any run of backticks inside."""
        shown = _lines(text, width)
        fence = "`" * max(3, _longest_run(shown) + 1)
        return f"{fence}text\n{_unmarked(shown)}\n{fence}"

    def _words(self, text: str, *, first: bool) -> str:
        words = text.split(" ")
        written = ""
        for number, word in enumerate(words):
            begins = first and not "".join(words[:number])
            written = glue(written, (" " if number else "") + self._word(word, begins=begins))
        return written

    def _word(self, word: str, *, begins: bool) -> str:
        harmless = _PLAIN.fullmatch(word) and not _REFERENCE.search(word)
        if harmless and not (begins and _BLOCK_START.fullmatch(word)):
            return word
        return self.name(word)


class HtmlNeutral:
    """For HTML; what it returns is `Markup`, so that autoescape leaves it alone."""

    def name(self, text: str, limit: int = 160) -> Markup:
        """A `code` element."""
        return Markup("<code>{}</code>").format(_shorten(_visible(text), limit) or "(empty)")

    def cell(self, text: str, limit: int = 160) -> Markup:
        """The same: a table is nothing special here."""
        return self.name(text, limit)

    def prose(self, text: str, limit: int = 2000) -> Markup:
        """A sentence, with `code` where backticks are."""
        parts = _SPAN.split(_shorten(_visible(text, space=True), limit))
        return Markup("").join(
            self.name(part) if number % 2 else escape(tight(part)) for number, part in enumerate(parts)
        )

    def cell_prose(self, text: str, limit: int = 2000) -> Markup:
        """The same: a table is nothing special here."""
        return self.prose(text, limit)

    def block(self, text: str, width: int = 2000) -> Markup:
        """A `pre` element that the keyboard can scroll."""
        return Markup('<pre tabindex="0">{}</pre>').format(_lines(text, width))


def tight(text: str) -> str:
    """The text with figures and their units kept on one line."""
    return _UNIT.sub("\u00a0", text)


def glue(before: str, after: str) -> str:
    """Two pieces of Markdown as one; two code spans that touch would read as one with another end."""
    return f"{before} {after}" if before.endswith("`") and after.startswith("`") else before + after


def link(url: str) -> str:
    """The address if it is a plain web address that can end no link early, else ""."""
    return url if _LINK.fullmatch(url) else ""


def plain(text: str) -> str:
    """One line without control characters, for XML and titles."""
    return _visible(text, space=True)


def plain_lines(text: str) -> str:
    """Lines without control characters, for XML."""
    return _lines(text, 2000)


def _visible(text: str, *, space: bool = False) -> str:
    """One line in which every character can be seen; with `space`, white space is only one space."""
    if space:
        text = re.sub(r"\s+", " ", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(char) if unicodedata.category(char) in _UNSEEN else char for char in text)


def _written_out(char: str) -> str:
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _lines(text: str, width: int) -> str:
    bare = _ANSI.sub("", text).replace("\r\n", "\n").expandtabs(4)
    return "\n".join(_shorten(_visible(line), width) for line in bare.strip("\n").split("\n"))


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _unmarked(text: str) -> str:
    """No HTML comment can begin in it, so no marker of ours can be forged."""
    return text.replace("<!--", f"<{_JOINER}!--")

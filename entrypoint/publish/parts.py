"""The one comment of a pull request, with a part for each load test: read, merged and written again. Pure.

GitHub's API has no conditional update, so jobs that end together overwrite each other. Merging is made so that every order
ends in the same comment: of each load test the newest run's part, and only parts that judge the commit in question.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from entrypoint.publish.fitting import Size, fit, size
from entrypoint.publish.marker import MARK, without_markers

_PART = re.compile(
    r"^<!-- ml-loadtest:part key=([0-9a-f]{16}) head=([0-9a-f]{0,64}) run=(\d{1,18})\.(\d{1,9}) by=([0-9a-f]{0,16})"
    r" urgency=(\d) suite=([\w=-]*) -->\n(.*?)\n<!-- ml-loadtest:end -->$",
    re.MULTILINE | re.DOTALL,
)
_FEWEST = 200  # characters below which nothing sensible can be shown of a part
_NO_ROOM = "_There is no room here for this load test._"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one load test says.

    Attributes:
        suite: the load test's name, untrusted.
        key: what no load test of another name or workflow has.
        head: the commit it judges.
        run: number and attempt of the run that wrote it; the greater one is the newer.
        writer: what no other writing of this part has.
        urgency: 2 if it fails the build, 1 if it needs a look, 0 if it is folded beside others; the most urgent come first.
        text: Markdown.
        render: the text anew in at most so many characters, where the result is at hand.
    """

    suite: str
    key: str
    head: str
    run: tuple[int, int]
    writer: str
    urgency: int
    text: str
    render: Callable[[int], str] | None = field(default=None, compare=False, repr=False)


def part_key(suite: str, workflow: str) -> str:
    """The key of this load test of this workflow, and of no other."""
    return sha256(f"{suite}\0{workflow}".encode("utf-8", "replace")).hexdigest()[:16]


def read(body: str) -> tuple[Part, ...]:
    """The parts of a comment of ours."""
    found = _PART.finditer(body.replace("\r\n", "\n"))  # a person's edit in the browser leaves carriage returns
    return tuple(
        Part(
            suite=_decoded(name),
            key=key,
            head=head,
            run=(int(run), int(attempt)),
            writer=by,
            urgency=int(urgency),
            text=text,
        )
        for key, head, run, attempt, by, urgency, name, text in (match.groups() for match in found)
    )


def merge(there: Iterable[Part], mine: Sequence[Part]) -> tuple[Part, ...]:
    """What the comment should hold: the newest part of each load test, those that judge another commit dropped.

    Args:
        there: the parts of the comment, or of several where jobs have created one each.
        mine: at least one part to bring in, all of the same commit.
    """
    newest: dict[str, Part] = {}
    for part in (*there, *mine):
        known = newest.get(part.key)
        if part.head == mine[0].head and (known is None or part.run >= known.run):
            newest[part.key] = part
    return tuple(sorted(newest.values(), key=lambda part: (-part.urgency, part.suite, part.key)))


def hold(there: Iterable[Part], mine: Sequence[Part]) -> bool:
    """Whether all of mine are there, or newer ones in their places."""
    found = {part.key: part for part in there if part.head == mine[0].head}
    return all((other := found.get(part.key)) and _stands_for(other, part) for part in mine)


def _stands_for(other: Part, part: Part) -> bool:
    return other.run > part.run or (other.run == part.run and other.writer == part.writer)


def compose(parts: Sequence[Part], limit: Size, whole: str) -> str:
    """The comment: marker, contents if there are several, and the parts within the limit.

    Args:
        parts: as `merge` gives them.
        limit: what the comment may take.
        whole: a sentence that says where the whole report is.
    """
    parts = [replace(part, text=_clean(part.text)) for part in parts]
    head = f"{MARK}\n"
    if len(parts) > 1:
        quarter = Size(limit.characters // 4, limit.octets // 4)
        head += fit(_contents(parts), quarter, whole=whole) + "\n"
    frames = _frames(parts, limit)
    room = limit - size(head + "".join(before + after for before, after in frames))
    texts = _fitted(parts[: len(frames)], room, whole)
    return head + "".join(before + text + after for text, (before, after) in zip(texts, frames, strict=True))


def _contents(parts: Sequence[Part]) -> str:
    head = parts[0].head
    lines = [f"- {_named(part.suite)}: {part.text.strip().split(chr(10), 1)[0].lstrip('# ')}" for part in parts]
    commit = f" of commit `{head[:7]}`" if _COMMIT.fullmatch(head) else ""
    return f"### {len(parts)} load tests{commit}\n\n" + "\n".join(lines) + "\n"


def _frames(parts: Sequence[Part], limit: Size) -> list[tuple[str, str]]:
    """A frame for each part; for as many as half of the limit holds, where there are hundreds."""
    frames, taken = [], 0
    for part in parts:
        before, after = _frame(part, alone=len(parts) == 1)
        taken += len(before) + len(after)
        if taken > limit.characters // 2:
            break
        frames.append((before, after))
    return frames


def _frame(part: Part, *, alone: bool) -> tuple[str, str]:
    """What stands before and after a part's text. Only what is between its markers is read again."""
    run, attempt = part.run
    begin = (
        f"<!-- ml-loadtest:part key={part.key} head={part.head} run={run}.{attempt} by={part.writer}"
        f" urgency={part.urgency} suite={_encoded(part.suite)} -->\n"
    )
    end = "\n<!-- ml-loadtest:end -->\n"
    if alone:
        return begin, end
    if part.urgency:
        return f"\n---\n\n**Load test {_named(part.suite)}**\n\n{begin}", end
    return f"\n<details><summary>{_named(part.suite)}</summary>\n\n{begin}", f"{end}\n</details>\n"


def _fitted(parts: Sequence[Part], room: Size, whole: str) -> list[str]:
    characters = _shares([size(part.text).characters for part in parts], room.characters)
    octets = _shares([size(part.text).octets for part in parts], room.octets)
    return [
        _within(part, Size(most, bytes_), whole) for part, most, bytes_ in zip(parts, characters, octets, strict=True)
    ]


def _shares(wants: Sequence[int], total: int) -> list[int]:
    """To each what it wants where that fits, and to the larger ones equal parts of what the smaller ones leave."""
    given = [0] * len(wants)
    left = total
    for place, index in enumerate(sorted(range(len(wants)), key=lambda index: wants[index])):
        given[index] = max(0, min(wants[index], left // (len(wants) - place)))
        left -= given[index]
    return given


def _within(part: Part, room: Size, whole: str) -> str:
    """A part's text in its room: rendered anew where the result is at hand, else without its last lines."""
    if room.holds(size(part.text)):
        return part.text
    if room.characters < _FEWEST:
        return _NO_ROOM
    text = _clean(part.render(room.characters)) if part.render else part.text
    return fit(text, room, whole=whole).rstrip("\n")


def _clean(text: str) -> str:
    """Without markers of ours, and in characters that GitHub takes."""
    return without_markers(text).encode("utf-8", "replace").decode("utf-8").replace("\0", "").strip("\n")


def _named(suite: str) -> str:
    """A name as code, in Markdown and in HTML alike: a character reference is text to both."""
    shown = " ".join(suite.split())[:100].encode("utf-8", "replace").decode("utf-8")
    escaped = "".join(sign if sign.isalnum() or sign in " -" else f"&#{ord(sign)};" for sign in shown)
    return f"<code>{escaped}</code>"


def _encoded(suite: str) -> str:
    return urlsafe_b64encode(suite[:100].encode("utf-8", "replace")).decode()


def _decoded(name: str) -> str:
    try:
        return urlsafe_b64decode(name).decode("utf-8", "replace")
    except ValueError:
        return ""

"""Values that are nearly right: a good document with a few of its parts replaced, repeated, renamed or taken away."""

import copy
from typing import Any

from hypothesis import strategies as st

TEXTS = [
    "", " ", "\x00", "\n", "::error::x", "${NAME}", "${", "{{", "{%", "../../x", "/", "-1", "1e999", "NaN", "9" * 5000,
    "x" * 3000, "60s", "1h", "10%", "2026-02-31", "\ud800", "\u202e", "<script>", "|", "`", "@org/team", "{port}",
    "0x1/s", "1x1s",
]  # fmt: skip
NUMBERS = [0, -1, 1, 10**400, -(10**30), 2**63, 0.5, -0.0, 1e308, 5e-324, float("inf"), float("nan"), True, False]
LEAVES = st.one_of(st.sampled_from([*TEXTS, *NUMBERS, None]), st.text(max_size=8), st.integers(), st.floats())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every part, the whole first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, part in inner for place in places(part, (*here, key)))]


@st.composite
def mutated(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of the documents, with up to four changes."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 4))):
        found = places(document)
        *above, last = draw(st.sampled_from(found))[-20:] or [None]
        if last is None:
            return draw(VALUES)
        holder = document
        for key in above:
            holder = holder[key]
        _change(holder, last, draw(st.sampled_from(["put", "put", "drop", "rename", "repeat", "nest"])), draw(VALUES))
    return document


def _change(holder: Any, key: Any, how: str, value: Any) -> None:
    match how:
        case "drop":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[str(value)[:40]] = holder.pop(key)
        case "repeat" if isinstance(holder, list):
            holder.extend(copy.deepcopy([holder[key]] * 3))
        case "nest":
            holder[key] = {str(key): holder[key]}
        case _:
            holder[key] = value

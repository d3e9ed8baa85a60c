import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from entrypoint.publish.fitting import Size, fit, size

from .conftest import unhurried

WHOLE = "The rest is in the run."
LINES = st.lists(
    st.sampled_from(
        [
            "",
            "row ✓✓✓",
            "| a | b |",
            "<details>",
            "</details>",
            "```",
            "````py",
            "~~~",
            "text `<details>` text",
            "😀" * 9,
        ]
    ),
    max_size=60,
).map("\n".join)


def test_what_fits_is_left_alone():
    assert fit("one\ntwo", Size(7, 7), whole=WHOLE) == "one\ntwo"


@unhurried
@given(text=LINES, characters=st.integers(80, 400), octets=st.integers(80, 400))
def test_never_longer_than_the_limit(text, characters, octets):
    limit = Size(characters, octets)
    assert limit.holds(size(fit(text, limit, whole=WHOLE)))


@unhurried
@given(text=LINES, characters=st.integers(80, 300))
def test_only_whole_lines_are_kept_and_everything_is_closed(text, characters):
    limit = Size(characters, 10_000)
    result = fit(text, limit, whole=WHOLE)
    if limit.holds(size(text)):
        return
    left_out = int(re.search(r"_(\d+) more lines? did not fit", result)[1])
    lines = text.removesuffix("\n").split("\n")
    assert result.startswith("".join(f"{line}\n" for line in lines[: len(lines) - left_out]))
    tokens = MarkdownIt("commonmark", {"html": False}).parse(result)
    assert any(WHOLE in token.content for token in tokens if token.type == "inline")  # the note is no code
    outside = "".join(token.content for token in tokens if token.type == "inline")
    outside = re.sub(r"`[^`]*`", "", outside)
    assert outside.count("</details>") >= outside.count("<details>")


def test_an_open_fold_and_fence_are_closed():
    text = "<details>\n\n````\n" + "```\n" * 100
    assert fit(text, Size(120, 120), whole=WHOLE).endswith(
        "```\n````\n\n</details>\n\n_94 more lines did not fit here. The rest is in the run._\n"
    )


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("<details>\n<details>\n</details>\n", 1),
        ("</details>\n<details>\n", 1),
        ("text `<details>` ``<details>`` text\n", 0),
        ("<DETAILS open>\n", 1),
        ("```\n<details>\n```\n", 0),
        ("<detailsx>\n", 0),
    ],
)
def test_as_many_folds_are_closed_as_are_open(text, closed):
    result = fit(text + "row\n" * 100, Size(200, 200), whole=WHOLE)
    assert result.removeprefix(text).count("</details>") == closed


@pytest.mark.parametrize("text", ["x" * 500, "✓" * 500])
def test_a_line_that_is_too_long_by_itself_is_left_out(text):
    assert fit(text, Size(200, 200), whole=WHOLE) == "\n_1 more line did not fit here. The rest is in the run._\n"

"""The block in a README: kept up to date, and nothing else touched."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from entrypoint.commands.readme import readme, updated
from entrypoint.errors import LoadTestError, SettingsError
from entrypoint.history.block import BEGIN, END, newest, render_block
from entrypoint.history.entries import entry_of
from entrypoint.history.file import append
from entrypoint.judgement.model import Outcome
from entrypoint.report.result import write_result
from tests.history.building import entry
from tests.report.results import HOSTILE, generator_at_fault, hostile, not_ready, passed
from tests.report.test_hostile import EXPANDED, Elements, hostile_names

PAGE = f"# A service\n\nText.\n\n{BEGIN}\nold\n{END}\n\nMore text.\n"
GOLDEN = """\
**Load test `recommender`:** pass on [2026-11-21](https://github.com/example/recommender/actions/runs/9182736455), commit \
`7be0d41`; closed load, 20 users at 20/s, 60 s measured, AMD EPYC 7763 64-Core Processor, 4 cores, 512 KB `[3fa9c1]`

| Endpoint | p50 | p95 | share of failed requests |
| :-- | --: | --: | --: |
| `GET /health` | 2.10 ms | 3.09 ms | 0.00 % |
| `GET /predict` | 41.2 ms | 60.6 ms | 0.00 % |
| `POST /recommend` | 63.7 ms | 93.6 ms | 0.00 % |"""


class Said:
    """A console that remembers."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def folder(tmp_path):
    write_result(tmp_path / "results", passed())
    (tmp_path / "README.md").write_text(PAGE)
    return tmp_path


def run(folder, source="results", check=False):
    return readme(folder / source, folder / "README.md", Said(), check=check)


def test_the_block_reads_well():
    assert render_block([entry_of(passed())]).replace("\u00a0", " ") == GOLDEN


def test_it_is_written_between_the_markers_and_twice_is_once(folder):
    assert run(folder) == 0
    once = (folder / "README.md").read_text()
    assert once.replace("\u00a0", " ") == PAGE.replace("old", f"\n{GOLDEN}\n")

    stamp = (folder / "README.md").stat().st_mtime_ns
    assert run(folder) == 0
    assert (folder / "README.md").read_text() == once
    assert (folder / "README.md").stat().st_mtime_ns == stamp


def test_check_writes_nothing_and_says_whether_it_would(folder):
    assert run(folder, check=True) == 1
    assert (folder / "README.md").read_text() == PAGE
    run(folder)
    assert run(folder, check=True) == 0


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([b"\n", b"\r\n"]), st.text(max_size=30))
@settings(deadline=None, max_examples=200)
def test_every_byte_outside_stays(before, after, ending, block):
    before, after = (part.replace(b"ml-loadtest", b"") for part in (before, after))
    page = before + ending + BEGIN.encode() + ending + b"old" + ending + END.encode() + ending + after
    made = updated(page, block.replace("\r", "").replace("ml-loadtest", ""), "README.md")

    assert made.startswith(before + ending + BEGIN.encode() + ending)
    assert made.endswith(ending + END.encode() + ending + after)
    inner = made[len(before + ending + BEGIN.encode()) : -len(END.encode() + ending + after)]
    assert inner.count(b"\r\n") == (inner.count(b"\n") if ending == b"\r\n" else 0)
    assert updated(made, block.replace("\r", "").replace("ml-loadtest", ""), "README.md") == made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Nothing here\n", f"Add these two lines where they shall stand:\n\n{BEGIN}\n{END}"),
        (f"{BEGIN}\n", "They are on lines 1 and none"),
        (f"{END}\n{BEGIN}\n", "They are on lines 2 and 1"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "They are on lines 1, 3 and 2, 4"),
        (f"See `{BEGIN}` and `{END}`.\n", "Add these two lines"),
    ],
)
def test_a_file_without_one_pair_of_markers_is_refused_and_left_alone(folder, text, said):
    (folder / "README.md").write_text(text)

    with pytest.raises(SettingsError) as refused:
        run(folder)
    assert said in str(refused.value)
    assert (folder / "README.md").read_text() == text


@given(hostile_names)
@settings(deadline=None, max_examples=60)
def test_names_stay_text_and_end_no_block(names):
    block = render_block([entry_of(hostile([*HOSTILE, *names]))])
    page = updated(PAGE.encode(), block, "README.md").decode()
    rendered = Elements(MarkdownIt("gfm-like", {"linkify": False}).render(block))

    assert updated(page.encode(), block, "README.md").decode() == page
    assert {tag for tag, _ in rendered.found} <= {"p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert not EXPANDED.search(rendered.text)
    rows = len(dict.fromkeys([*HOSTILE, *names]))
    assert rendered.count("tr") == 1 + rows
    assert rendered.count("td") == rows * rendered.count("th")


def test_permissions_and_links_are_kept(folder):
    real = folder / "docs.md"
    (folder / "README.md").rename(real)
    real.chmod(0o640)
    (folder / "README.md").symlink_to(real.name)
    run(folder)

    assert (folder / "README.md").is_symlink()
    assert "41.2 ms" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in folder.iterdir()} == {"results", "README.md", "docs.md"}


def test_a_history_gives_the_newest_believable_run_of_merged_code_of_each_suite(folder):
    history = [
        entry(0),
        entry(1, {"GET /predict": {"p95": 70.0}}),
        entry(2, suite="fraud"),
        entry(3, verdict=Outcome.INVALID),
        entry(4, pull_request=9),
        entry(5, endpoints={}),
    ]
    for one in history:
        append(folder / "history.jsonl", one)

    assert newest(history) == [history[2], history[1]]
    run(folder, "history.jsonl")
    text = (folder / "README.md").read_text()
    assert 0 < text.index("**Load test `fraud`") < text.index("**Load test `recommender`")
    assert "70.0 ms" in text


def test_many_endpoints_are_cut_and_counted():
    block = render_block([entry(0, {f"GET /{number:03}": {"p95": 1.0} for number in range(61)})])

    assert block.count("\n| `GET") == 50
    assert block.endswith("\n\n11 more endpoints are not shown.")


@pytest.mark.parametrize("result", [not_ready(), generator_at_fault()])
def test_an_invalid_run_is_for_no_readme(folder, result):
    write_result(folder / "results", result)

    with pytest.raises(LoadTestError, match="is invalid"):
        run(folder)
    assert (folder / "README.md").read_text() == PAGE


def test_a_file_that_cannot_be_read_is_said(folder):
    with pytest.raises(SettingsError, match=r"`--file` names .*gone\.md"):
        readme(folder / "results", folder / "gone.md", Said(), check=False)

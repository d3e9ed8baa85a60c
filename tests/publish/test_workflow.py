import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.publish.workflow import Workflow, inert
from entrypoint.settings.runner import Runner

from .conftest import unhurried
from .runner_rules import REGISTERED, Command, obeyed, read_outputs

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE = st.lists(
    st.one_of(
        TEXT,
        st.sampled_from(
            [
                "::",
                "##[",
                "\r",
                "\n",
                " ",
                "\t",
                "\u2028",
                "\u00a0",
                "\x1b[0m",
                "\u200b",
                "#",
                "[",
                "]",
                "::error::x",
                "##[error]x",
            ]
        ),
        st.sampled_from(sorted(REGISTERED)),
    ),
    max_size=12,
).map("".join)


def on_actions(folder: Path | None = None) -> tuple[Workflow, io.StringIO]:
    stream = io.StringIO()
    runner = Runner(on_actions=True, output=folder and folder / "output", summary=folder and folder / "summary")
    return Workflow(runner, stream), stream


@pytest.mark.parametrize(
    "value", ["", "pass", "two\nlines", "ends\n", "\n", "a=b<<c", "ghadelimiter_", "crlf\r\nkept", "ü ✓"]
)
def test_outputs_read_back_as_written(tmp_path, value):
    workflow, _ = on_actions(tmp_path)
    workflow.output("verdict", value)
    workflow.output("comment-url", "x")
    assert read_outputs((tmp_path / "output").read_bytes().decode()) == {"verdict": value, "comment-url": "x"}


@unhurried
@given(values=st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), TEXT, max_size=4))
def test_any_outputs_read_back_as_written(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("files")
    workflow, _ = on_actions(folder)
    (folder / "output").write_text("earlier=kept\n")
    for name, value in values.items():
        workflow.output(name, value)
    assert read_outputs((folder / "output").read_bytes().decode()) == {"earlier": "kept", **values}


def test_a_value_that_holds_the_delimiter_is_refused(tmp_path):
    workflow = Workflow(Runner(on_actions=True, output=tmp_path / "output"), io.StringIO(), unique=lambda: "guessed")
    with pytest.raises(ValueError, match="delimiter"):
        workflow.output("verdict", "x\nghadelimiter_guessed\nevil=1")
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a\nb", "a<<b", "1st"])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name"):
        on_actions(tmp_path)[0].output(name, "x")


@unhurried
@given(kind=st.sampled_from(["error", "warning", "notice"]), message=TEXT, title=TEXT)
def test_annotations_arrive_as_written(kind, message, title):
    workflow, stream = on_actions()
    getattr(workflow, kind)(message, title=title)
    assert obeyed(stream.getvalue()) == [Command(kind, message, {"title": title.strip()} if title.strip() else {})]


def test_annotations_are_escaped_as_the_runner_expects():
    workflow, stream = on_actions()
    workflow.error("100 %\r\nslower: a, b", title="p95: GET /a,b 5%")
    assert stream.getvalue() == "::error title=p95%3A GET /a%2Cb 5%25::100 %25%0D%0Aslower: a, b\n"


def test_a_long_message_is_cut_below_the_runners_limit():
    workflow, stream = on_actions()
    workflow.warning("x" * 5000)
    (command,) = obeyed(stream.getvalue())
    assert len(command.data) == 4000
    assert command.data.endswith("… (cut)")


def test_no_more_annotations_than_the_runner_keeps():
    workflow, stream = on_actions()
    for number in range(20):
        workflow.error(f"e{number}\n::stop-commands::x", title="slow")
        workflow.warning(f"w{number}")
    said = obeyed(stream.getvalue())
    assert [command.name for command in said].count("error") == 9
    assert [command.name for command in said].count("warning") == 10
    assert "error: slow: e19\n: :stop-commands::x\n" in stream.getvalue()  # the rest is still printed


@unhurried
@given(texts=st.lists(HOSTILE, max_size=4))
def test_untrusted_text_is_never_obeyed(texts):
    workflow, stream = on_actions()
    with workflow.untrusted("locust") as write:
        for text in texts:
            write(text)
    workflow.notice("done")
    names = [command.name for command in obeyed(stream.getvalue())]
    assert names == ["group", "stop-commands", "endgroup", "notice"]
    assert "##[" not in stream.getvalue()


@unhurried
@given(text=HOSTILE, title=HOSTILE)
def test_names_in_our_own_lines_are_never_obeyed(text, title):
    workflow, stream = on_actions()
    with workflow.group(title):
        workflow.say(text)
        with workflow.untrusted(title) as write:
            write(text)
    names = [command.name for command in obeyed(stream.getvalue())]
    assert names == ["group", "stop-commands", "endgroup"]


@pytest.mark.parametrize(
    "text",
    [
        "::error::x",
        "x\r::error::x",
        "x\r\n::error::x",
        "x\n \t\u00a0::error::x",
        "x\n\x1b\u200b::error::x",
        "x ##[error]x",
        "x #\u200b#[error]x",
        "::stop-commands::x\n::endgroup::\n::error::x",
    ],
)
def test_commands_in_names_are_never_obeyed(text):
    assert obeyed(text)  # the runner would
    workflow, stream = on_actions()
    workflow.say(text)
    assert obeyed(stream.getvalue()) == []


def test_our_own_lines_lose_nothing_that_is_harmless():
    text = "p95 of POST /predict::v2 rose\n  std::vector ## [x] ✓"
    assert inert(text) == text


def test_an_error_inside_ends_the_group_and_the_silence():
    workflow, stream = on_actions()
    with pytest.raises(RuntimeError), workflow.untrusted("service"):
        raise RuntimeError
    workflow.error("service died")
    assert [command.name for command in obeyed(stream.getvalue())] == ["group", "stop-commands", "endgroup", "error"]


def test_masks():
    workflow, stream = on_actions()
    workflow.add_mask("50%\nsecret")
    workflow.add_mask(" ")
    assert obeyed(stream.getvalue()) == [Command("add-mask", "50%\nsecret")]


def test_outside_actions_it_prints_plainly():
    stream = io.StringIO()
    workflow = Workflow(Runner(), stream)
    workflow.error("slower\nby 41 %", title="p95")
    workflow.add_mask("secret")
    workflow.output("verdict", "pass")
    workflow.summary("# report")
    with workflow.group("service"), workflow.untrusted("log") as write:
        write("::error::from the service\n")
    assert stream.getvalue() == "error: p95: slower\nby 41 %\nservice\nlog\n::error::from the service\n"


def test_a_stream_that_knows_only_ascii_is_no_trouble():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Workflow(Runner(on_actions=True), stream).error("±6 % \ud800")
    assert raw.getvalue() == b"::error::?6 %25 ?\n"


def test_summaries_are_added_to_what_is_there(tmp_path):
    workflow, _ = on_actions(tmp_path)
    workflow.summary("# one")
    workflow.summary("two ✓\n")
    assert (tmp_path / "summary").read_text() == "# one\ntwo ✓\n"


@pytest.mark.parametrize("already", [0, 500_000, 999_990, 1_200_000])
def test_a_summary_never_grows_over_the_limit(tmp_path, already):
    workflow, _ = on_actions(tmp_path)
    (tmp_path / "summary").write_text("x" * already)
    workflow.summary("<details>\n\n```\n" + "✓ row\n" * 200_000 + "```\n\n</details>\n")
    written = (tmp_path / "summary").read_bytes()
    assert len(written) <= max(already, 1_000_000)
    if already <= 500_000:
        assert len(written) > 990_000
        assert "more lines did not fit" in written.decode()
        assert written.decode().count("```") == 2
        assert written.decode().count("</details>") == 1


def test_a_hostile_summary_is_cut_quickly(tmp_path):
    workflow, _ = on_actions(tmp_path)
    began = time.monotonic()
    workflow.summary("<details>" * 300_000 + "\n" + "<details>\n" * 300_000 + "`" * 2_000_000)
    assert time.monotonic() - began < 20


def test_what_is_to_be_concealed_is_in_nothing_that_is_said_and_an_output_is_as_it_is(tmp_path):
    stream = io.StringIO()
    runner = Runner(on_actions=True, output=tmp_path / "output", summary=tmp_path / "summary")
    workflow = Workflow(runner, stream, conceal=lambda text: text.replace("hunter22", "***"))

    workflow.say("said hunter22")
    workflow.error("an error with hunter22", title="hunter22")
    with workflow.untrusted("log") as show:
        show("logged hunter22")
    workflow.summary("summed up hunter22")
    workflow.output("result", "/hunter22/result.json")

    assert "hunter22" not in stream.getvalue()
    assert stream.getvalue().count("***") == 4
    assert (tmp_path / "summary").read_text() == "summed up ***\n"
    assert read_outputs((tmp_path / "output").read_text()) == {"result": "/hunter22/result.json"}


def test_nothing_is_said_of_what_is_concealed_outside_actions_either():
    stream = io.StringIO()
    workflow = Workflow(Runner(), stream, conceal=lambda text: text.replace("hunter22", "***"))

    workflow.warning("hunter22")
    with workflow.untrusted("log") as show:
        show("hunter22")
    workflow.add_mask("hunter22")

    assert "hunter22" not in stream.getvalue()

"""`${NAME}` in the settings file, and a file that extends another."""

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.errors import SettingsError
from entrypoint.settings.document import parse_document
from entrypoint.settings.glance import open_document, suite_of
from entrypoint.settings.reading import baseline_path, read_settings
from entrypoint.settings.schema import schema
from entrypoint.settings.variables import with_variables

WHOLE = "service: {url: 'http://127.0.0.1:1'}\nload: {locustfile: users.py}\n"


def values(text: str, **environment: str):
    return with_variables(parse_document(text, "loadtest.yml"), environment).values


@pytest.mark.parametrize(
    ("written", "environment", "read"),
    [
        ("${V}", {"V": "flawed"}, "flawed"),
        ("${V:-mended}", {}, "mended"),
        ("${V:-mended}", {"V": ""}, "mended"),
        ("${V:-mended}", {"V": "flawed"}, "flawed"),
        ("${V-mended}", {"V": ""}, ""),
        ("${V-mended}", {}, "mended"),
        ("${V:-}", {}, ""),
        ("a/${V}/${W}.py", {"V": "1", "W": "2"}, "a/1/2.py"),
        ("$${V}", {"V": "flawed"}, "${V}"),
        ("${V}", {"V": "${W}", "W": "no second round"}, "${W}"),
        ("$V costs 5$", {"V": "flawed"}, "$V costs 5$"),
    ],
)
def test_a_reference_has_the_variables_value_or_its_default(written, environment, read):
    assert values(f"suite: '{written}'", **environment) == {"suite": read}


def test_lists_and_mappings_are_read_through_and_numbers_left_as_they_are():
    text = "service: {profiles: ['${V}', 2]}\nload: {users: 5}"
    assert values(text, V="a") == {"service": {"profiles": ["a", 2]}, "load": {"users": 5}}


@pytest.mark.parametrize("key", ["command", "setup"])
def test_what_a_shell_reads_is_left_to_it(key):
    assert values(f"service: {{{key}: 'echo ${{SERVICE_URL}}'}}") == {"service": {key: "echo ${SERVICE_URL}"}}


def test_every_variable_that_is_not_set_is_named_with_its_line():
    with pytest.raises(SettingsError) as caught:
        values("suite: ${A}\nload:\n  users: ${B}\n  seed: ${C:-1}\n")
    assert "loadtest.yml line 1: the variable `A` is not set." in caught.value.what
    assert "loadtest.yml line 3: the variable `B` is not set." in caught.value.what
    assert "`C`" not in caught.value.what
    assert "${NAME:-value}" in caught.value.remedy


@pytest.mark.parametrize("written", ["${A:-${B:-x}}", "${A:?must}", "${1}", "a ${", "${A"])
def test_what_begins_like_a_variable_and_is_none_is_refused(written):
    with pytest.raises(SettingsError, match=r"loadtest.yml line 1: this `\$\{` is no variable"):
        values(f"suite: '{written}'", A="a", B="b")


@given(st.text(st.characters(exclude_characters="${}", exclude_categories=["Cs", "Cc"])))
def test_text_without_a_reference_stays_itself(text):
    document = parse_document("suite: x", "loadtest.yml")
    document.values["suite"] = text
    assert with_variables(document, {}).values == {"suite": text}


def test_a_run_reads_numbers_from_variables_and_never_the_runners_token(tmp_path):
    (tmp_path / "loadtest.yml").write_text(WHOLE.replace("users.py}", "users.py, users: '${N:-20}'}"))
    assert read_settings({}, {"N": "7"}, tmp_path).config.load.users == 7
    (tmp_path / "loadtest.yml").write_text("suite: ${ACTIONS_RUNTIME_TOKEN}\n" + WHOLE)
    with pytest.raises(SettingsError, match="`ACTIONS_RUNTIME_TOKEN` is not set"):
        read_settings({}, {"ACTIONS_RUNTIME_TOKEN": "secret"}, tmp_path)


def test_commands_that_read_one_value_see_variables_too(tmp_path):
    (tmp_path / "loadtest.yml").write_text("suite: ${V}\ncompare: {baseline: '${V}.json'}\n")
    assert suite_of(None, None, {"V": "small"}, tmp_path) == "small"
    assert baseline_path(None, None, {"V": "small"}, tmp_path) == tmp_path / "small.json"


class TestExtends:
    def write(self, folder: Path, **files: str):
        for name, text in files.items():
            (folder / f"{name}.yml").write_text(text)

    def test_what_a_file_does_not_say_comes_from_the_one_it_extends(self, tmp_path):
        self.write(
            tmp_path,
            shared="service: {url: 'http://127.0.0.1:1'}\nload: {locustfile: users.py, users: 50, seed: 3}\n"
            "thresholds: [{endpoint: '*', p50: {max-increase: 10%}}]\n",
            loadtest="extends: shared.yml\nload: {users: 5}\nthresholds: []\n",
        )
        config = read_settings({}, {}, tmp_path).config
        assert (config.load.users, config.load.seed, config.thresholds) == (5, 3, [])
        assert config.load.locustfile == tmp_path / "users.py"

    def test_the_file_may_be_chosen_by_a_variable(self, tmp_path):
        self.write(
            tmp_path,
            mended="load: {spawn-rate: 20}",
            flawed="load: {spawn-rate: 2}",
            loadtest="extends: ${VARIANT:-mended}.yml\n" + WHOLE,
        )
        assert read_settings({}, {}, tmp_path).config.load.spawn_rate == 20
        assert read_settings({}, {"VARIANT": "flawed"}, tmp_path).config.load.spawn_rate == 2

    @pytest.mark.parametrize(
        ("below", "above"),
        [
            (
                "service: {url: 'http://127.0.0.1:1'}\nload: {locustfile: users.py}",
                "service: {command: 'serve {port}'}",
            ),
            (
                "service: {command: 'serve {port}'}\nload: {requests: [{path: /}], wait: 1s}",
                "load: {locustfile: users.py}",
            ),
            (WHOLE + "suite: x", "service: {url: null, command: 'serve {port}'}\nsuite: null"),
        ],
    )
    def test_what_only_one_can_be_given_of_is_replaced_and_null_takes_away(self, tmp_path, below, above):
        self.write(tmp_path, shared=below, loadtest=f"extends: shared.yml\n{above}\n")
        config = read_settings({}, {}, tmp_path).config
        assert (config.service.command, config.service.url, config.suite) == ("serve {port}", "", "")
        assert config.load.locustfile == tmp_path / "users.py"

    def test_a_think_time_takes_no_locustfile_away(self, tmp_path):
        self.write(tmp_path, shared=WHOLE, loadtest="extends: shared.yml\nload: {wait: 1s}\n")
        with pytest.raises(SettingsError, match=r"it goes with load\.requests alone"):
            read_settings({}, {}, tmp_path)

    def test_a_mistake_is_shown_in_the_file_where_it_stands(self, tmp_path):
        self.write(tmp_path, shared="load:\n  users: many\n", loadtest="extends: shared.yml\nsuites: x\n" + WHOLE)
        with pytest.raises(SettingsError) as caught:
            read_settings({}, {}, tmp_path)
        assert "shared.yml line 2, `load.users`" in caught.value.what
        assert "loadtest.yml line 2, `suites`" in caught.value.what

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ({"loadtest": "extends: gone.yml"}, "`gone.yml` does not exist"),
            (
                {"loadtest": "extends: [a.yml]"},
                "loadtest.yml line 1, `extends`: expected the path of one file, got list",
            ),
            ({"loadtest": "extends: a.yml", "a": "extends: loadtest.yml"}, "`loadtest.yml` extends itself, by way of"),
            ({"loadtest": "extends: b/../loadtest.yml"}, "`loadtest.yml` extends itself, by way of"),
        ],
    )
    def test_a_file_that_cannot_be_extended_is_said(self, tmp_path, files, message):
        self.write(tmp_path, **files)
        with pytest.raises(SettingsError, match=message):
            open_document(tmp_path, "loadtest.yml", {})


@pytest.mark.parametrize(
    ("written", "valid"),
    [
        ({"extends": "shared.yml"}, True),
        ({"extends": "shared.yml", "load": {"locustfile": "users.py", "users": "${N:-20}"}}, True),
        ({"extends": "shared.yml", "load": {"locustfile": "users.py", "users": "many"}}, False),
        ({"suite": "neither a service nor another file"}, False),
    ],
)
def test_an_editor_with_the_schema_agrees(written, valid):
    assert jsonschema.Draft202012Validator(schema()).is_valid(written) is valid

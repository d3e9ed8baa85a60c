import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from entrypoint.errors import SettingsError
from entrypoint.settings.document import parse_document
from entrypoint.settings.glance import suite_of, wants_check_run
from entrypoint.settings.keys import ACTION_INPUTS, INPUTS, all_keys
from entrypoint.settings.reading import baseline_path, read_settings
from entrypoint.settings.runner import child_environment, read_runner
from entrypoint.settings.schema import schema

MINIMAL = {"command": "serve {port}", "locustfile": "users.py"}


def read(tmp_path, text="", flags=None, environ=None, name="loadtest.yml"):
    if text:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return read_settings(flags or {}, environ or {}, tmp_path, config=name if text else None)


def test_a_flag_wins_over_an_input_and_an_input_over_the_file(tmp_path):
    text = "service: {command: serve}\nload: {locustfile: a.py, users: 1, duration: 10s, seed: 5}\n"
    settings = read(tmp_path, text, {"users": "3"}, {"LT_USERS": "2", "LT_DURATION": "20s"})

    assert settings.config.load.users == 3
    assert settings.config.load.duration_s == 20
    assert settings.config.load.seed == 5


def test_an_empty_input_means_unset(tmp_path):
    settings = read(tmp_path, "service: {command: serve}\nload: {locustfile: a.py, users: 7}\n", {}, {"LT_USERS": ""})

    assert settings.config.load.users == 7


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path):
    text = (
        "service:\n  comand: serve\n  port: 99999\nload:\n  users: many\n  duration: 60 parsecs\n"
        "thresholds:\n  - p95: {max: 250ms}\n  - p77: {max: 1}\n"
    )
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)

    message = str(caught.value)
    for part in (
        "line 2, `service.comand`: there is no such key; did you mean `command`?",
        "line 3, `service.port`",
        "line 5, `load.users`",
        "line 6, `load.duration`: expected a duration such as 60s, 5m or 250ms, got '60 parsecs'",
        "line 9, `thresholds.1`: there is no metric 'p77'",
        "line 4, `load.requests`: expected either load.locustfile or load.requests, got neither",
    ):
        assert part in message
    assert caught.value.exit_code == 2


def test_a_mistake_in_a_flag_or_an_input_is_named_as_the_user_wrote_it(tmp_path):
    with pytest.raises(SettingsError, match="`--users`"):
        read(tmp_path, flags={**MINIMAL, "users": "many"})
    with pytest.raises(SettingsError, match="input `max-failures`: expected a percentage"):
        read(tmp_path, flags=MINIMAL, environ={"LT_MAX_FAILURES": "1"})


def test_a_launcher_given_as_a_flag_replaces_the_file_s(tmp_path):
    text = "service: {compose-file: compose.yml, service: api, port: 8000}\nload: {locustfile: a.py}\n"
    settings = read(tmp_path, text, {"command": "serve {port}"})

    assert settings.config.service.command == "serve {port}"
    assert not settings.config.service.compose_file


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("{}", "got none of them"),
        ("{command: a, url: 'http://x'}", "got command and url"),
        ("{compose-file: c.yml}", "compose-file needs service and port"),
        ("{url: 'ftp://x'}", "starts with http"),
    ],
)
def test_exactly_one_complete_launcher_is_needed(tmp_path, service, message):
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, f"service: {service}\nload: {{locustfile: a.py}}\n")


def test_paths_of_a_file_are_relative_to_it_and_paths_of_flags_to_the_working_directory(tmp_path):
    text = "service: {compose-file: [a.yml, b.yml], service: api, port: 1}\nload: {locustfile: ../users.py}\n"
    settings = read(tmp_path, text, {"requirements": "r.txt"}, name="sub/loadtest.yml")

    assert settings.root == tmp_path / "sub"
    assert [path.resolve() for path in settings.config.service.compose_file] == [
        tmp_path / "sub/a.yml",
        tmp_path / "sub/b.yml",
    ]
    assert settings.config.load.locustfile.resolve() == tmp_path / "users.py"
    assert settings.config.load.requirements == tmp_path / "r.txt"
    assert settings.config.compare.baseline == tmp_path / "sub/.loadtest/baseline.json"


def test_shorthands_lay_thresholds_over_those_of_the_file(tmp_path):
    text = "service: {command: serve}\nload: {locustfile: a.py}\nthresholds:\n  - p50: {max-increase: 5%, floor: 2ms}\n"
    thresholds = read(tmp_path, text, {"max-increase": "30%", "max-failures": "2%"}).config.thresholds

    assert thresholds[0].metrics["p50"].floor == 2
    assert [t.metrics[m].max_increase for t, m in zip(thresholds[1:3], ("p50", "p95"), strict=True)] == [0.3, 0.3]
    assert thresholds[3].metrics["failures"].max == pytest.approx(0.02)


def test_limits_are_read_in_the_metric_s_unit(tmp_path):
    limits = "thresholds:\n  - {p95: {max: 0.25s}, failures: {max: 1%}, rate: {min: 90}}\n"
    text = f"service: {{command: serve}}\nload: {{locustfile: a.py}}\n{limits}"
    metrics = read(tmp_path, text).config.thresholds[0].metrics

    assert (metrics["p95"].max, metrics["failures"].max, metrics["rate"].min) == (pytest.approx(250), 0.01, 90)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- a\n", "should hold keys and values"),
        ("load: {users: 1}\nload: {users: 2}\n", "line 2 gives `load` again; it stands at line 1"),
    ],
)
def test_files_that_are_no_settings_are_refused_with_a_sentence(text, message):
    with pytest.raises(SettingsError, match=message):
        parse_document(text, "loadtest.yml")


def test_a_named_file_that_is_missing_is_said(tmp_path):
    with pytest.raises(SettingsError, match=r"`other.yml` does not exist"):
        read_settings({}, {}, tmp_path, config="other.yml")


def test_every_input_is_a_setting_and_no_two_flags_share_a_name():
    names = [key.name for key in all_keys()]

    assert len(names) == len(set(names))
    assert set(INPUTS) <= set(names)
    assert not set(ACTION_INPUTS) & set(names)


def test_commands_that_need_one_value_read_it_from_a_broken_file_too(tmp_path):
    (tmp_path / "loadtest.yml").write_text("suite: reco\nservice: {what: is this}\nreport: {comment: on-failure}\n")

    assert suite_of(None, None, {}, tmp_path) == "reco"
    assert baseline_path(None, None, {}, tmp_path) == tmp_path / ".loadtest/baseline.json"


def test_children_get_the_environment_without_what_could_speak_for_the_job():
    ours = {
        "GITHUB_TOKEN": "t",
        "ACTIONS_RUNTIME_TOKEN": "t",
        "LT_GITHUB_TOKEN": "t",
        "GITHUB_OUTPUT": "f",
        "PYTHONPATH": "p",
    }
    theirs = {"HF_TOKEN": "h", "HOME": "/h", "DOCKER_CONFIG": "/d", "GITHUB_SHA": "abc"}

    kept = child_environment({**ours, **theirs, "INPUT_X": "1", "GITHUB_STEP_SUMMARY": "s"})

    assert theirs.items() <= kept.items()
    assert set(kept) == {*theirs, "PYTHONUNBUFFERED"}


def event(tmp_path, **pull):
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"pull_request": pull} if pull else {}))
    return {
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": "org/app",
        "GITHUB_ACTIONS": "true",
        "GITHUB_SHA": "merge",
    }


def test_the_runner_s_event_names_pull_request_head_and_fork(tmp_path):
    same = read_runner(event(tmp_path, number=7, head={"sha": "abc", "repo": {"full_name": "org/app"}}))
    fork = read_runner(event(tmp_path, number=7, head={"sha": "abc", "repo": {"full_name": "someone/app"}}))
    deleted = read_runner(event(tmp_path, number=7, head={"sha": "abc", "repo": None}))

    assert (same.pull_request, same.head_sha, same.fork) == (7, "abc", False)
    assert fork.fork
    assert read_runner(event(tmp_path)).head_sha == "merge"
    assert deleted.fork


def test_a_job_of_a_matrix_is_a_suite_of_its_own():
    matrix = {"GITHUB_JOB": "perf", "LT_MATRIX": '{"model": "small", "gpu": false}'}

    assert suite_of(None, None, matrix, Path()) == "perf small false"
    assert suite_of(None, None, {**matrix, "LT_MATRIX": "null"}, Path()) == "perf"
    assert suite_of(None, None, {**matrix, "LT_MATRIX": "{"}, Path()) == "perf"
    assert suite_of("mine", None, matrix, Path()) == "mine"


def test_the_artifact_input_is_true_or_false(tmp_path):
    with pytest.raises(SettingsError, match="input `artifact`: expected true or false, got 'no'"):
        read(tmp_path, flags=MINIMAL, environ={"LT_ARTIFACT": "no"})


@pytest.mark.parametrize("name", ["pull_request_target", "workflow_run", "issue_comment"])
def test_a_load_is_refused_under_events_that_lend_rights_to_foreign_code(name):
    with pytest.raises(SettingsError, match=name):
        read_runner({"GITHUB_EVENT_NAME": name}).refuse_unsafe_event()


def test_the_token_is_in_no_text_of_the_runner():
    assert "sekret" not in repr(read_runner({"LT_GITHUB_TOKEN": "sekret"}))


BASE = "service: {command: serve}\nload: {locustfile: a.py}\n"


def refused(tmp_path, text="", flags=None, environ=None):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, flags, environ)
    return str(caught.value)


@pytest.mark.parametrize("key", ["max", "min", "floor"])
@pytest.mark.parametrize("metric", ["p50", "p99", "mean"])
def test_a_limit_in_milliseconds_without_its_unit_is_refused_where_it_stands(tmp_path, metric, key):
    message = refused(tmp_path, f"{BASE}thresholds:\n  - endpoint: '*'\n    {metric}:\n      {key}: 10\n")

    said = "expected a duration with its unit such as 250ms, got 10"
    assert f"line 6, `thresholds.0.{metric}.{key}`: {said}" in message


def test_every_mistake_of_a_threshold_is_reported_at_once(tmp_path):
    limits = "{p50: {max: 10, max-increase: 5}, rate: {min: [1]}, failures: {max: 1}}"
    message = refused(tmp_path, f"{BASE}thresholds: [{limits}]\n")

    assert "4 mistakes" in message
    assert "`thresholds.0.rate.min`: expected a number such as 90 or 2.5, got a list" in message


@pytest.mark.parametrize(
    ("metric", "limits", "message"),
    [
        ("rate", "max-increase: 5%", "max-increase does nothing on rate; what works there is max-decrease, max, min"),
        ("p95", "max-decrease: 5%", "max-decrease does nothing on p95; what works there is max-increase, max, min"),
        ("failures", "max-increase: 5%", "max-increase does nothing on failures; what works there is max, gate"),
        ("failures", "max-decrease: 5%", "max-decrease does nothing on failures; what works there is max, gate"),
        ("failures", "min: 5%", "min does nothing on failures; what works there is max, gate"),
        ("failures", "floor: 5%", "floor does nothing on failures; what works there is max, gate"),
    ],
)
def test_threshold_keys_that_would_do_nothing_are_refused(tmp_path, metric, limits, message):
    assert message in refused(tmp_path, f"{BASE}thresholds: [{{{metric}: {{{limits}}}}}]\n")

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            {**yaml.safe_load(BASE), "thresholds": [{metric: yaml.safe_load(f"{{{limits}}}")}]}, schema()
        )


def test_threshold_keys_that_do_something_are_read(tmp_path):
    limits = (
        "{p50: {max-increase: 5%, max: 1s, min: 1ms, floor: 0, gate: true}, rate: {max-decrease: 5%, min: 90}, "
        "failures: {max: 1%, gate: false}}"
    )
    metrics = read(tmp_path, f"{BASE}thresholds: [{limits}]\n").config.thresholds[0].metrics

    assert metrics["p50"].model_dump() == {
        "max_increase": 0.05,
        "max_decrease": None,
        "max": 1000,
        "min": 1,
        "floor": 0,
        "gate": True,
    }
    assert (metrics["rate"].max_decrease, metrics["rate"].min, metrics["failures"].gate) == (0.05, 90, False)
    jsonschema.validate({**yaml.safe_load(BASE), "thresholds": [yaml.safe_load(limits)]}, schema())


@pytest.mark.parametrize("section", ["compare", "validity", "report", "policy"])
@pytest.mark.parametrize(("value", "told"), [("none", "'none'"), ("[1]", "a list"), ("", "nothing")])
def test_a_section_that_is_no_mapping_is_refused(tmp_path, section, value, told):
    flags = {"baseline": "b.json", "steal": "5%", "comment": "never", "timeout": "9m"}
    for given in ({}, flags):
        message = refused(tmp_path, f"{BASE}{section}: {value}\n", given)
        assert f"line 3, `{section}`: expected keys such as" in message
        assert message.splitlines()[1].endswith(f"got {told}")


def test_flags_do_not_hide_that_service_load_or_ready_is_no_mapping(tmp_path):
    message = refused(tmp_path, "service: api\nload: [a.py]\n", {**MINIMAL, "url": ""})
    assert "line 1, `service`: expected keys such as compose-file" in message
    assert "line 2, `load`: expected keys such as locustfile" in message
    message = refused(tmp_path, "service: {command: a, ready: /x}\nload: {locustfile: a}\n", {"ready-timeout": "5s"})
    assert "line 1, `service.ready`: expected keys such as path, timeout, json, expect, in-a-row, got '/x'" in message


@pytest.mark.parametrize(
    ("thresholds", "count"), [("{p50: {max: 1s}}", 1), ("", 0), ("[]", 0), ("[{p50: {max: 1s}}, {}]", 2)]
)
def test_shorthands_are_laid_over_thresholds_however_they_are_given(tmp_path, thresholds, count):
    flags = {"max-increase": "30%", "max-failures": "2%"}
    read_ones = read(tmp_path, f"{BASE}thresholds: {thresholds}\n", flags).config.thresholds

    assert len(read_ones) == count + 3
    assert [read_ones[count].metrics["p50"].max_increase, read_ones[count + 2].metrics["failures"].max] == [0.3, 0.02]
    assert len(read(tmp_path, f"{BASE}thresholds: {thresholds}\n").config.thresholds) == count


@pytest.mark.parametrize(
    "thresholds", ["", "thresholds: {p50: {max-increase: 5%}}", "thresholds:", "thresholds: []", "thresholds: 5"]
)
def test_a_wrong_shorthand_is_always_refused_and_once(tmp_path, thresholds):
    message = refused(tmp_path, f"{BASE}{thresholds}\n", {"max-increase": "banana"})

    assert message.count("`--max-increase`: expected a percentage such as 10%, got 'banana'") == 1
    assert ("a mistake" in message) == (thresholds != "thresholds: 5")


def test_thresholds_that_are_one_mapping_show_the_lines_of_their_mistakes(tmp_path):
    text = f"{BASE}thresholds:\n  p50:\n    max: 10\n"

    assert "line 5, `thresholds.0.p50.max`: expected a duration with" in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        *[("arrival-rate", value, "input should be") for value in ("inf", "nan", "0", "1e6", "1e-9")],
        *[("spawn-rate", value, "input should be") for value in ("inf", "nan", "0", "1e6", "1e-9")],
        ("duration", "500ms", "between 1s and 24h, got 500ms"),
        ("duration", "25h", "between 1s and 24h"),
        ("duration", "inf", "expected a duration such as"),
        ("timeout", "8000h", "at most 7 days"),
        ("ready-timeout", "169h", "at most 7 days"),
        ("warm-up", "1s..1000h", "at most 7 days"),
    ],
)  # fmt: skip
def test_numbers_are_finite_and_sensible(tmp_path, flag, value, message):
    assert f"`--{flag}`: " in (said := refused(tmp_path, flags={**MINIMAL, flag: value}))
    assert message in said


def test_a_duration_in_the_file_is_finite_too(tmp_path):
    text = "service: {command: serve}\nload: {locustfile: a.py, duration: .inf, arrival-rate: .nan}\n"

    assert "2 mistakes" in refused(tmp_path, text)


def test_the_command_that_reproduces_a_run_holds_no_secret(tmp_path):
    flags = {
        "url": "https://user:sekret@host:8/a@b",
        "locustfile": "u.py",
        "headers": "Authorization=sekret",
        "service-environment": "TOKEN=sekret",
        "setup": "login sekret",
    }
    command = read(tmp_path, flags=flags).reproduce

    assert "sekret" not in command
    assert "user" not in command.replace("users", "")
    for part in (
        "--url https://host:8/a@b",
        '--headers "$HEADERS"',
        '--service-environment "$SERVICE_ENVIRONMENT"',
        '--setup "$SETUP"',
        "--locustfile u.py",
    ):
        assert part in command


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("{command: a, headers: [sekret]}", "`service.headers`: input should be a valid dictionary, got a list"),
        ("{command: a, headers: 'Bearer sekret'}", "line 1 has no equals sign"),
        ("{command: a, headers: 5551234}", "`service.headers`: input should be a valid dictionary\n"),
        ("{command: a, headers: {X: [sekret]}}", "a mistake:\n  loadtest.yml line 1, `service.headers.X`: "
         "expected text or a number, got a list"),
        ("{command: a, environment: {X: {y: sekret}}}", "`service.environment.X`: expected text or a number, got a mapping"),
        ("{command: a, environment: {X: 2020-01-01}}", "`service.environment.X`: expected text or a number\n"),
        ("{url: 'ftp://u:sekret@host'}", "starts with http:// or https://\n"),
        ("{url: 5551234}", "`service.url`: input should be a valid string\n"),
        ("{command: a, setup: {x: sekret}}", "`service.setup`: input should be a valid string, got a mapping"),
        ("{command: {x: sekret}}", "got a mapping"),
        ("{command: a, build: [sekret]}", "got a list"),
        ("{command: a, ready: {timeout: {x: sekret}}}", "got a mapping"),
    ],
)  # fmt: skip
def test_messages_show_no_secrets_and_no_contents(tmp_path, service, message):
    said = refused(tmp_path, f"service: {service}\nload: {{locustfile: a.py}}\n")

    assert message in said
    assert not any(part in said for part in ("sekret", "5551234", "2020", "Bearer"))


def test_files_that_are_not_utf_8_and_folders_are_refused_by_name(tmp_path):
    (tmp_path / "latin.yml").write_bytes(b"suite: a\nsuite: caf\xe9\n")
    (tmp_path / "folder.yml").mkdir()

    with pytest.raises(SettingsError, match=r"`latin.yml` line 2 is not UTF-8 text"):
        read_settings({}, {}, tmp_path, config="latin.yml")
    with pytest.raises(SettingsError, match=r"`folder.yml` is a folder, not a file"):
        read_settings({}, {}, tmp_path, config="folder.yml")


@pytest.mark.parametrize(
    ("given", "written", "wanted"),
    [
        ("true", "", True),
        ("", "report: {check-run: true}", True),
        ("false", "report: {check-run: true}", False),
        ("", "", False),
        ("yes", "", False),  # the run itself reports the mistake
        ("", "report: [", False),
        ("", "report: {check-run: [true]}", False),
    ],
)
def test_whether_a_check_run_is_wanted(tmp_path, given, written, wanted):
    (tmp_path / "loadtest.yml").write_text(written)
    assert wants_check_run(None, {"LT_CHECK_RUN": given}, tmp_path) is wanted


def test_a_glance_does_not_wait_for_the_model(tmp_path):
    (tmp_path / "loadtest.yml").write_text("suite: a")
    ours = "from entrypoint.cli import cli; cli(['open-check-run'], standalone_mode=False)"
    code = f"import sys; {ours}; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_readiness_may_have_a_body_and_look_into_the_answer(tmp_path):
    text = (
        "service: {url: 'http://127.0.0.1:1', ready: {path: /p, json: {x: [1, 2]}, expect: prediction, in-a-row: 5}}\n"
    )
    ready = read(tmp_path, text + "load: {locustfile: a.py}\n").config.service.ready
    assert (ready.body, ready.expect, ready.in_a_row) == ({"x": [1, 2]}, "prediction", 5)
    flags = {"ready-json": '{"y": 1}', "ready-expect": "label"}
    ready = read(tmp_path, text + "load: {locustfile: a.py}\n", flags).config.service.ready
    assert (ready.body, ready.expect) == ({"y": 1}, "label")


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [("ready-json", "{x}", "`--ready-json`: not JSON"), ("ready-expect", "a[", "`--ready-expect`: not a JMESPath")],
)
def test_a_readiness_that_cannot_be_asked_is_said(tmp_path, flag, value, message):
    assert message in refused(tmp_path, "", {**MINIMAL, flag: value})


def test_a_header_s_last_line_break_is_left_out_and_another_refused_without_showing_it(tmp_path):
    flags = {"url": "http://127.0.0.1:1", "locustfile": "a.py"}
    text = (
        'service:\n  url: http://127.0.0.1:1\n  headers: {Authorization: "Bearer ${TOKEN}"}\nload: {locustfile: a.py}\n'
    )
    assert read(tmp_path, text, environ={"TOKEN": "secret\n"}).config.service.headers == {
        "Authorization": "Bearer secret"
    }
    message = refused(tmp_path, text, flags, {"TOKEN": "sec\nret"})
    assert "the value of Authorization has a line break" in message
    assert "sec" not in message.replace("section", "")


@pytest.mark.parametrize(
    ("endpoint", "metric", "refused_"),
    [
        ("GET /ok", "time-to-ready: {max: 1s}", True),
        ("(service)", "p95: {max: 1ms}", True),
        ("(serv*", "time-to-ready: {max: 1s}", False),
        ("*", "time-to-ready: {max: 1s}", False),
        ("*", "p95: {max: 1ms}", False),
    ],
)
def test_a_limit_that_can_guard_nothing_is_refused(tmp_path, endpoint, metric, refused_):
    plan = "service: {url: 'http://127.0.0.1:1'}\nload: {locustfile: a.py}\n"
    text = f"{plan}thresholds: [{{endpoint: '{endpoint}', {metric}}}]\n"
    if refused_:
        assert "guards nothing there, for it is a figure of" in refused(tmp_path, text)
    else:
        assert read(tmp_path, text).config.thresholds


@pytest.mark.parametrize("key", ["users", "workers", "seed", "arrival-rate", "spawn-rate"])
def test_true_is_no_number(tmp_path, key):
    """YAML reads `yes` as true, and pydantic true as 1."""
    with pytest.raises(SettingsError, match=f"`load.{key}`: expected a number, got true"):
        read(tmp_path, f"service: {{command: serve}}\nload: {{locustfile: a.py, {key}: yes}}\n")


def test_aliases_that_grow_without_bounds_are_refused_at_once(tmp_path):
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(20)]
    with pytest.raises(SettingsError, match="more than 100,000 values once its aliases are replaced"):
        read(tmp_path, "\n".join(rows))


def test_aliases_are_read(tmp_path):
    text = "service: {command: serve, environment: &e {A: 1}, headers: *e}\nload: {locustfile: a.py}\n"
    assert read(tmp_path, text).config.service.headers == {"A": 1}

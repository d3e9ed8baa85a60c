import json
from pathlib import Path

import pytest

from entrypoint.errors import SettingsError
from entrypoint.settings.document import parse_document
from entrypoint.settings.keys import ACTION_INPUTS, INPUTS, all_keys
from entrypoint.settings.reading import baseline_path, read_settings, suite_of
from entrypoint.settings.runner import child_environment, read_runner

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
        "`load.locustfile`: it is missing",
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
    assert baseline_path(None, None, tmp_path) == tmp_path / ".loadtest/baseline.json"


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

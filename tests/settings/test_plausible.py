import os

import pytest

from entrypoint.errors import SettingsError
from entrypoint.settings.model import Config
from entrypoint.settings.plausible import refuse_impossible


def plan(tmp_path, service=None, policy=None, **load):
    (tmp_path / "users.py").touch()
    load = {"locustfile": tmp_path / "users.py", **load}
    return Config.model_validate({"service": service or {"command": "serve"}, "load": load, "policy": policy or {}})


def refused(config):
    with pytest.raises(SettingsError) as caught:
        refuse_impossible(config)
    return str(caught.value)


def test_a_plan_that_can_be_carried_out_is_not_refused(tmp_path):
    refuse_impossible(plan(tmp_path, duration="3s", policy={"timeout": "8s"}))


@pytest.mark.parametrize("key", ["locustfile", "requirements"])
def test_files_that_are_missing_folders_or_unreadable_are_refused(tmp_path, monkeypatch, key):
    there = tmp_path / "there.txt"
    assert f"`{key}` names {there}, which is not a file" in refused(plan(tmp_path, **{key: there}))
    assert f"`{key}` names {tmp_path}, which is a folder" in refused(plan(tmp_path, **{key: tmp_path}))

    there.touch()
    access = os.access  # Root may read everything, so permissions alone would not show it.
    monkeypatch.setattr(os, "access", lambda path, mode: path != there and access(path, mode))
    assert f"`{key}` names {there}, which may not be read" in refused(plan(tmp_path, **{key: there}))


def test_a_folder_as_a_compose_file_is_refused(tmp_path):
    service = {"compose-file": str(tmp_path), "service": "api", "port": 1}

    assert f"`compose-file` names {tmp_path}, which is a folder" in refused(plan(tmp_path, service))


def test_a_path_that_the_system_refuses_is_a_mistake_and_no_crash(tmp_path):
    assert "`locustfile` names" in refused(plan(tmp_path, locustfile=tmp_path / ("x" * 300)))


def test_a_timeout_shorter_than_the_shortest_run_is_refused(tmp_path):
    config = plan(tmp_path, duration="60s", policy={"timeout": "3s"})

    assert "`timeout` of 3s is shorter than the 65s" in refused(config)


def test_all_reasons_are_given_at_once(tmp_path):
    config = plan(tmp_path, users=100, **{"spawn-rate": 1}, policy={"timeout": "3s"}, requirements=tmp_path)
    said = refused(config)

    assert all(part in said for part in ("`spawn-rate` of 1", "`timeout` of 3s", "`requirements` names"))


@pytest.mark.parametrize(
    ("service", "master", "words"),
    [
        ({"command": "serve"}, "10.0.0.4:5557", "A service that we start is published on 127.0.0.1, which"),
        ({"url": "http://localhost:8000"}, "0.0.0.0:5557", "`url` names localhost, which"),
        ({"url": "http://127.0.0.2:8000/"}, "loadtest:5557", "`url` names 127.0.0.2, which"),
        ({"url": "http://[::1]:8000/"}, "loadtest:5557", "`url` names ::1, which"),
        ({"url": "http://10.0.0.5:8000"}, "10.0.0.4:5557", ""),
        ({"url": "http://localhost:8000"}, "127.0.0.1:5557", ""),
        ({"command": "serve"}, "localhost:5557", ""),
    ],
)
def test_a_service_that_workers_elsewhere_cannot_reach_is_refused(tmp_path, service, master, words):
    config = plan(tmp_path, service, **{"remote-workers": 2, "master": master})
    if words:
        assert words in refused(config)
        assert "`url`" in refused(config)
    else:
        refuse_impossible(config)


def test_workers_of_this_machine_reach_every_service(tmp_path):
    refuse_impossible(plan(tmp_path, workers=3, master="10.0.0.4:5557"))


@pytest.mark.parametrize("load", [{"stages": "10x5s, 20x5s"}, {"arrival-rate": 5}, {"stages": "5/sx5s"}])
def test_every_load_can_be_driven_by_workers(tmp_path, load):
    service = {"url": "http://10.0.0.5"}
    refuse_impossible(plan(tmp_path, service, **load, **{"remote-workers": 2, "master": "10.0.0.4:5557"}))


def test_side_by_side_only_cpu_time_of_the_service_as_a_whole_is_compared(tmp_path):
    def beside(threshold):
        (tmp_path / "users.py").touch()
        values = {"service": {"command": "serve"}, "load": {"locustfile": tmp_path / "users.py"}}
        return Config.model_validate({**values, "compare": {"with": "base"}, "thresholds": [threshold]})

    both = {"time-to-ready": {"max-increase": "30%"}, "cpu-per-request": {"max-increase": "10%"}}
    said = refused(beside({"endpoint": "(service)", **both}))
    assert "; time-to-ready of the service as a whole is not compared there" in said
    refuse_impossible(beside({"endpoint": "(service)", "time-to-ready": {"max": "30s"}}))
    refuse_impossible(beside({"endpoint": "(service)", "cpu-per-request": {"max-increase": "10%"}}))


LIMIT = {"endpoint": "*", "p95": {"max": "250ms"}}


@pytest.mark.parametrize(
    ("more", "load", "words"),
    [
        ({"thresholds": []}, {}, "no response time has a limit"),
        ({"thresholds": [{"endpoint": "*", "p95": {"max-increase": "10%"}}]}, {}, "no response time has a limit"),
        ({"thresholds": [{"endpoint": "*", "p95": {"max": "9ms", "gate": False}}]}, {}, "no response time has a limit"),
        ({"thresholds": [LIMIT, {"endpoint": "*", "rate": {"min": 50}}]}, {}, "is broken by every low level"),
        ({"compare": {"with": "base"}}, {}, "side by side it is not made"),
        ({}, {"stages": "1x2s, 2x2s"}, "it chooses its levels itself"),
        ({}, {"count": 10}, "it chooses its levels itself"),
    ],
)
def test_a_search_needs_a_limit_and_chooses_its_own_levels(tmp_path, more, load, words):
    config = plan(tmp_path, **load)
    whole = {"mode": "capacity", "thresholds": [LIMIT], **more}
    searching = Config.model_validate({**config.model_dump(by_alias=True, exclude_unset=True), **whole})
    assert words in refused(searching)


def test_a_search_with_a_limit_is_not_refused_and_a_wanted_rate_needs_one(tmp_path):
    config = plan(tmp_path).model_dump(by_alias=True, exclude_unset=True)
    refuse_impossible(Config.model_validate({**config, "mode": "capacity", "wanted-rate": 500, "thresholds": [LIMIT]}))
    assert "`wanted-rate` says nothing without a search" in refused(
        Config.model_validate({**config, "wanted-rate": 500})
    )


@pytest.mark.parametrize(
    ("more", "load", "words"),
    [
        (
            {},
            {"duration": "299s"},
            "in 299s caches and heaps are still filling, which would be taken for growth. Give a ",
        ),
        ({}, {"stages": "1x300s, 2x300s"}, "`stages` change it and `count` ends it early"),
        ({}, {"count": 10, "duration": "5m"}, "`stages` change it and `count` ends it early"),
        ({"compare": {"with": "base"}}, {"duration": "5m"}, "in turns with a base it would not be constant"),
        ({"wanted-rate": 5}, {"duration": "5m"}, "`wanted-rate` says nothing without a search"),
    ],
)
def test_a_soak_is_one_constant_load_for_long(tmp_path, more, load, words):
    config = plan(tmp_path, **load).model_dump(by_alias=True, exclude_unset=True)
    assert words in refused(Config.model_validate({**config, "mode": "soak", **more}))


def test_a_soak_of_five_minutes_is_not_refused(tmp_path):
    config = plan(tmp_path, duration="5m").model_dump(by_alias=True, exclude_unset=True)
    refuse_impossible(Config.model_validate({**config, "mode": "soak"}))

"""What is read from `docker inspect`, and what counts as a fault."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from entrypoint.service.containers import Container, distinct, faults, first_failure, parse

UP = Container(
    pid=7, id="1", service="api", status="running", exit_code=0, oom_killed=False, unhealthy=False,
    restarts=0, started_at="10:00", image="sha256:1", ports={8000: 32768},
)  # fmt: skip
DONE = replace(UP, status="exited")
FAILED = replace(UP, status="exited", exit_code=1)


def test_parse():
    described: dict[str, Any] = {
        "Id": "1",
        "Image": "sha256:1",
        "RestartCount": 2,
        "Config": {"Labels": {"com.docker.compose.service": "api"}},
        "State": {"Status": "running", "Pid": 7, "ExitCode": 0, "OOMKilled": False, "StartedAt": "10:00"},
        "NetworkSettings": {
            "Ports": {
                "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}],
                "53/udp": [{"HostPort": "1"}],
                "9/tcp": None,
            }
        },
    }
    assert parse(json.dumps([described])) == [replace(UP, restarts=2)]
    assert parse("") == []


@pytest.mark.parametrize(
    ("change", "kind", "part"),
    [
        ({}, None, ""),
        ({"status": "exited", "exit_code": 137}, "exited", "service `api` exited with code 137"),
        ({"status": "exited"}, "exited", "exited with code 0"),
        ({"status": "exited", "exit_code": 137, "oom_killed": True}, "oom-killed", "ran out of memory"),
        ({"oom_killed": True}, "oom-killed", "ran out of memory"),
        ({"oom_kills": 1}, "oom-killed", "ran out of memory"),
        ({"restarts": 1, "started_at": "10:01"}, "restarted", "ended and was restarted once$"),
        ({"restarts": 3, "started_at": "10:01"}, "restarted", "restarted 3 times"),
        ({"status": "restarting", "exit_code": 1}, "restarted", "restarted once, last exit code 1$"),
        ({"started_at": "10:01"}, "restarted", "restarted from outside$"),
        (
            {"started_at": "10:01", "restarts": 1, "ports": {80: 32770}},
            "restarted",
            "restarted once; the engine published it at another port then, so every request after that failed$",
        ),
        ({"started_at": "10:01", "restarts": 1, "ports": {}}, "restarted", "restarted once$"),
    ],
)
def test_a_fault(change, kind, part):
    found = faults([UP], [replace(UP, **change)], "api")
    assert [fault.kind for fault in found] == ([kind] if kind else [])
    assert all(re.search(part, fault.what) for fault in found)


def test_the_other_port_of_a_service_that_takes_no_load_is_nobody_s_trouble():
    (found,) = faults([UP], [replace(UP, started_at="10:01", restarts=1, ports={8000: 32770})], "nginx")
    assert found.what == "service `api` ended and was restarted once"


def test_a_container_that_is_gone():
    assert [fault.kind for fault in faults([UP], [], "api")] == ["exited"]


def test_another_service_that_is_done_is_no_fault_and_one_that_fails_is():
    assert faults([UP], [DONE], "web") == []
    assert [fault.kind for fault in faults([UP], [FAILED], "web")] == ["exited"]


def test_what_had_ended_when_the_service_was_ready_is_no_fault():
    assert faults([DONE], [], "web") == []


@pytest.mark.parametrize(
    ("containers", "wanted", "service"),
    [
        ([UP], "api", None),
        ([DONE], "web", None),
        ([DONE], "api", "api"),
        ([FAILED], "web", "api"),
        ([DONE, replace(FAILED, service="db")], "api", "db"),
        ([replace(FAILED, status="restarting")], "api", None),
    ],
)
def test_what_ends_the_wait(containers, wanted, service):
    failed = first_failure(containers, wanted)
    assert (failed and failed.service) == service


def test_replicas_are_told_apart():
    assert distinct(["api", "db", "api"]) == ["api 1", "db", "api 2"]

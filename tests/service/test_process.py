"""Services that are plain processes, started for real."""

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from dataclasses import replace

import psutil
import pytest

from entrypoint.errors import ExitCode, ServiceError, SettingsError
from entrypoint.service import running
from entrypoint.settings import model
from tests.service.conftest import SERVER, marked, served, settings


def shown(url: str) -> dict[str, str | None]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, str | None] = json.load(answer)
    return found


def test_up_ready_and_down(place, say):
    with running(served(), name="candidate", place=place, say=say) as target:
        assert target.url.startswith("http://127.0.0.1:")
        assert shown(target.url) == {}
        assert target.faults() == []
        assert target.facts()["launcher"] == "process"
        assert [file.name for file in place.ledger.iterdir()] == [f"{place.project('candidate')}.json"]
        assert len(marked(place)) == 1
    assert marked(place) == []
    assert list(place.ledger.iterdir()) == []
    assert list(place.private_parent.iterdir()) == []
    assert "serving on" in (place.logs / "candidate.log").read_text()
    assert set(target.timing) == {"build", "start", "ready", "teardown"}
    assert 0.02 < target.timing["ready"] < 10
    assert target.timing["teardown"] < 2, "SIGTERM ends it"
    assert "The candidate is ready at http://127.0.0.1:" in say.lines[-1]


def test_its_environment_is_what_was_given(place, say):
    service = served(environment={"SHOWN": "A ADDRESS HOME PATH", "A": 1, "ADDRESS": "host:{port}"})
    place = replace(place, environment={"PATH": os.environ["PATH"]})
    with running(service, name="candidate", place=place, say=say) as target:
        answered = shown(target.url)
    port = target.url.rpartition(":")[2]
    assert answered == {"A": "1", "ADDRESS": f"host:{port}", "HOME": None, "PATH": os.environ["PATH"]}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_it_is_taken_down_whatever_happens(place, say, error):
    def interrupted() -> None:
        with running(served(), name="candidate", place=place, say=say):
            raise error

    with pytest.raises(error):
        interrupted()
    assert marked(place) == []
    assert list(place.ledger.iterdir()) == []


STUBBORN = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]
subprocess.Popen(child)
# A daemon: its parent ends, and it leads a session of its own.
subprocess.run([sys.executable, "-c", f"import subprocess; subprocess.Popen({child!r}, start_new_session=True)"])
os.execv(sys.executable, [sys.executable, "server.py", sys.argv[1]])
"""


def test_children_that_ignore_sigterm_or_left_the_group_are_ended(place, say):
    (place.root / "stubborn.py").write_text(STUBBORN)
    service = settings(command=f"{sys.executable} stubborn.py {{port}}")
    with running(service, name="candidate", place=place, say=say) as target:
        assert len(marked(place)) == 3
    assert marked(place) == []
    assert 2.5 < target.timing["teardown"] < 6


DAEMON = """
import os, subprocess, sys
env = {key: value for key, value in os.environ.items() if not key.startswith("ML_")}
unmarked = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=env)
open("unmarked", "w").write(str(unmarked.pid))
os.execv(sys.executable, [sys.executable, "server.py", sys.argv[1]])
"""


def test_a_child_without_the_mark_is_ended_with_the_group_even_after_its_leader(place, say):
    (place.root / "daemon.py").write_text(DAEMON)
    service = settings(command=f"{sys.executable} daemon.py {{port}}")
    with running(service, name="candidate", place=place, say=say) as target:
        unmarked = psutil.Process(int((place.root / "unmarked").read_text()))
        os.kill(marked(place)[0], signal.SIGKILL)
        while not target.faults():
            time.sleep(0.02)
    assert not unmarked.is_running() or unmarked.status() == psutil.STATUS_ZOMBIE


def test_its_end_is_a_fault(place, say):
    with running(served(), name="candidate", place=place, say=say) as target:
        os.kill(marked(place)[0], signal.SIGKILL)
        while not (faults := target.faults()):
            time.sleep(0.02)
    assert faults[0].kind == "exited"
    assert "ended by signal 9" in faults[0].what


def test_one_that_ends_at_once(place, say):
    service = settings(
        command=f"{sys.executable} -c 'print(1); raise SystemExit({{port}} and 7)'", ready={"timeout": "30s"}
    )
    began = time.monotonic()
    with (
        pytest.raises(ServiceError, match="exited with code 7") as caught,
        running(service, name="candidate", place=place, say=say),
    ):
        pass
    assert time.monotonic() - began < 5
    assert caught.value.log == "1"
    assert caught.value.exit_code == ExitCode.NOTHING_ASSERTED


def test_one_that_is_never_ready(place, say):
    service = served(ready={"path": "broken", "timeout": "1s"})
    with (
        pytest.raises(ServiceError, match=r"not ready within 1 s") as caught,
        running(service, name="candidate", place=place, say=say),
    ):
        pass
    assert "`GET /broken`" in caught.value.cause
    assert "it answered with status 500" in caught.value.cause
    assert "serving on" in caught.value.log
    assert marked(place) == []


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("no-such-program {port}", "`command`: `no-such-program` could not be started"),
        ("./server.py {port}", "Permission denied"),
        ("python 'oops {port}", "`command`: expected a command"),
        ("python server.py 8000", "expected `{port}`"),
    ],
)
def test_commands_that_cannot_be_used(place, say, command, part):
    with (
        pytest.raises(SettingsError) as caught,
        running(settings(command=command), name="candidate", place=place, say=say),
    ):
        pass
    assert part in str(caught.value)
    assert caught.value.exit_code == ExitCode.SETTINGS


def test_setup_runs_once_with_the_address(place, say):
    script = (
        "import os, urllib.request as r; print(os.environ['SERVICE_URL'], r.urlopen(os.environ['SERVICE_URL']).status)"
    )
    (place.root / "seed.py").write_text(script)
    with running(served(setup=f"{sys.executable} seed.py"), name="candidate", place=place, say=say) as target:
        assert (place.logs / "setup.log").read_text() == f"{target.url} 200\n"
        assert target.timing["setup"] > 0


@pytest.mark.parametrize(
    ("setup", "error", "part"),
    [
        (f"{sys.executable} -c 'print(42); raise SystemExit(5)'", ServiceError, "`setup` exited with code 5"),
        (
            f"{sys.executable} -c 'import time; print(42, flush=True); time.sleep(60)'",
            ServiceError,
            "not done after 2 s",
        ),
        ("no-such-program", SettingsError, "`setup`: `no-such-program` could not be started"),
    ],
)
def test_setup_that_fails(place, say, setup, error, part):
    service = served(setup=setup, ready={"timeout": "2s"})
    with pytest.raises(error, match=part) as caught, running(service, name="candidate", place=place, say=say):
        pass
    assert caught.value.log == ("42" if error is ServiceError else "")
    assert marked(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGALRM])
def test_a_signal_during_the_taking_down_waits_until_it_is_done(place, say, number):
    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    def interrupted() -> None:
        with running(settings(command=f"{sys.executable} slow.py {{port}}"), name="candidate", place=place, say=say):
            threading.Timer(0.3, os.kill, (os.getpid(), number)).start()

    slow_to_end = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.8), sys.exit()))\n"
    (place.root / "slow.py").write_text(slow_to_end + SERVER)
    before = signal.signal(number, stop)
    try:
        with pytest.raises(Stopped):
            interrupted()
    finally:
        signal.signal(number, before)
    assert marked(place) == []
    assert list(place.ledger.iterdir()) == []


def test_a_long_log_keeps_its_end(place, say):
    command = f"""{sys.executable} -c "print('x' * 6000000); print('end'); exec(open('server.py').read())" {{port}}"""
    with running(settings(command=command), name="candidate", place=place, say=say):
        pass
    log = (place.logs / "candidate.log").read_bytes()
    assert len(log) < 5.1 * 1024 * 1024
    assert b"\nserving on" in log
    assert log.startswith(b"[earlier lines are left out]\n")


def test_readiness_is_asked_with_the_headers_a_body_and_a_look_into_the_answer(place, say, tmp_path):
    (tmp_path / "asked.py").write_text(
        "import http.server, json, sys\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        asked = json.loads(self.rfile.read(int(self.headers['Content-Length'])))\n"
        "        right = self.headers['Authorization'] == 'Bearer key' and asked == {'x': 1}\n"
        "        body = json.dumps({'prediction': 'cat'} if right else {'error': 'no'}).encode()\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Answer).serve_forever()\n"
    )
    service = model.Service.model_validate(
        {
            "command": f"{sys.executable} {tmp_path / 'asked.py'} {{port}}",
            "headers": {"Authorization": "Bearer key"},
            "ready": {"path": "/predict", "json": {"x": 1}, "expect": "prediction", "timeout": "20s"},
        }
    )
    with running(service, name="candidate", place=place, say=say) as target:
        assert target.readiness.first_ms > 0 < target.readiness.usual_ms
        assert 1000 * target.timing["ready"] >= target.readiness.first_ms
    wrong = service.model_copy(update={"headers": {}, "ready": service.ready.model_copy(update={"timeout_s": 1.0})})
    with pytest.raises(ServiceError) as caught, running(wrong, name="candidate", place=place, say=say):
        pass
    assert (
        "`POST /predict` has to be answered with a status below 400, and `prediction` found in it" in caught.value.cause
    )
    assert 'nothing at `prediction`: {"error": "no"}' in caught.value.cause

"""What goes wrong in a whole run: its verdict, its exit code, words that say what to do, what is kept, and nothing left."""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

from entrypoint.measurement.samples import read_samples
from tests.load.web import serving

from .test_run import PROGRAM, environment, ml_loadtest, nothing_left, result

SERVER = """
import itertools, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

turn = itertools.count(1)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet for each answer
    def do_GET(self):
        if self.path == "/hang":
            time.sleep(30)
        if self.path == "/close":
            self.close_connection = True
            return
        broken = self.path == "/log-in" or (self.path == "/every/20" and next(turn) % 20 == 0)
        self.send_response(500 if broken else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
USERS = """
from locust import FastHttpUser, constant, task

class Caller(FastHttpUser):
    wait_time = constant(0.01)
    network_timeout = 0.3

    @task
    def ask(self):
        self.client.get("/predict")
"""
# None of these tests is about the machine that they run on.
ANY_MACHINE = "validity: {generator-cpu: 100%, event-loop-lag: 60s, longest-stall: 60s, run-queue: 100%, steal: 100%}"
CONFIG = f"""
suite: faults
{ANY_MACHINE}
service: {{command: "{sys.executable} server.py {{port}}", ready: {{timeout: 20s}}}}
load: {{locustfile: users.py, users: 4, duration: 2s, warm-up: 1s}}
"""


@pytest.fixture
def project(tmp_path):
    """A folder with a service, a locustfile and settings."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "users.py").write_text(USERS)
    (tmp_path / "loadtest.yml").write_text(CONFIG)
    return tmp_path


def judged(project, *arguments, users=USERS):
    """Exit code, verdict, all reasons in one text, and what was printed."""
    (project / "users.py").write_text(users)
    code, output = ml_loadtest(project, "run", *arguments)
    assert "Traceback" not in output, output
    assert nothing_left(project)
    found = result(project)
    return code, found["verdict"], " ".join(reason["text"] for reason in found["reasons"])


def samples(project, folder="results"):
    return read_samples(project / folder / "samples")


def under_way(project, *arguments, phase="measuring"):
    """A run that is in a phase of its load."""
    process = subprocess.Popen(
        [PROGRAM, "run", *arguments],
        cwd=project, env=environment(project, PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if phase in line:
            return process
    raise AssertionError("the run ended before its load was under way")


def locusts(project, kind=""):
    """Locust's processes of a run: those with that word in their command line."""
    ours = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(project) and "launch.py" in " ".join(command) and (not kind or kind in command):
            ours.append(process)
    return ours


# The locustfile's -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ("x = (", ["`users.py` could not be loaded", "Mend what the last line says", "SyntaxError"]),
        (
            "import nowhere",
            ["`users.py` could not be loaded", "belong into `requirements`", "No module named 'nowhere'"],
        ),
        ("x = 1", ["`users.py` has no User class", "Add one with at least one @task"]),
    ],
    ids=["syntax", "import", "no user"],
)
def test_a_locustfile_that_cannot_be_used_is_exit_code_two(project, users, words):
    (project / "users.py").write_text(users)
    code, output = ml_loadtest(project, "run")

    assert (code, [word for word in words if word not in output]) == (2, []), output
    assert "This is a bug" not in output
    assert nothing_left(project)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "    def on_start(self): raise RuntimeError('no key')",
            "None of 4 users could start: `on_start` raised RuntimeError: no key; mend it, or give it what it needs.",
        ),
        ("    @task\n    def broken(self): raise KeyError('typo')", "first with KeyError: 'typo'; mend it"),
        ("    wait_time = constant(60)", "No requests were due in the measured window; measure for longer"),
    ],
    ids=["on_start", "task", "no requests"],
)
def test_a_locustfile_that_asks_wrongly_makes_the_run_invalid(project, more, words):
    code, verdict, reasons = judged(project, users=f"{USERS}\n{more}\n")

    assert (code, verdict) == (3, "invalid")
    assert words in reasons


# The service's ----------------------------------------------------------------------------------------------------------


def test_a_log_in_that_fails_is_the_service_s_failure_and_names_the_request(project):
    log_in = "    def on_start(self): self.token = self.client.get('/log-in').json()['token']\n"
    code, verdict, reasons = judged(project, users=USERS + log_in)

    assert (code, verdict) == (1, "limit-exceeded")
    assert "None of 4 users could start: GET /log-in failed in `on_start` (server error)." in reasons
    assert len(samples(project)) == 4
    assert "/log-in" in (project / "results" / "report.html").read_text()


def test_a_service_that_fails_requests_is_over_its_limit(project):
    """It never answers, closes connections, or fails one answer in twenty."""
    asking = "".join(
        f"    @task({weight})\n    def ask_{number}(self): self.client.get('{path}')\n"
        for number, (path, weight) in enumerate([("/hang", 1), ("/close", 1), ("/every/20", 20)])
    )
    code, verdict, reasons = judged(project, "--duration", "3s", users=USERS + asking)

    assert (code, verdict) == (1, "limit-exceeded")
    assert "share of failed requests of GET /hang is 100.00 %" in reasons
    assert "share of failed requests of GET /close is 100.00 %" in reasons
    share = float(reasons.split("share of failed requests of GET /every/20 is ")[1].split()[0])
    assert share == pytest.approx(5, abs=1)
    endpoints = result(project)["measurement"]["endpoints"]
    assert set(endpoints["GET /hang"]["outcomes"]) == {"timeout"}
    assert set(endpoints["GET /close"]["outcomes"]) == {"connection"}


def test_a_service_that_hangs_from_before_the_window_has_failed_however_few_users_it_keeps(project):
    users = f"""{USERS}
    abstract = True

class Idle(Caller):
    wait_time = constant(6000)

class Waiting(Caller):
    fixed_count = 1
    network_timeout = 4

    @task
    def ask(self):
        self.client.get("/hang")
"""
    code, verdict, reasons = judged(project, "--users", "40", "--duration", "1s", users=users)

    assert (code, verdict) == (1, "limit-exceeded")
    assert "1 request from before the measured window had no answer in all of it, and no other was due." in reasons


# The machine's, and people's --------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_makes_the_run_invalid_by_name(project):
    process = under_way(project, "--workers", "2", "--duration", "60s")
    locusts(project, "--worker")[0].kill()
    output, _ = process.communicate(timeout=30)

    found = result(project)
    assert (process.returncode, found["verdict"], found["reasons"][0]["code"]) == (3, "invalid", "complete"), output
    assert found["reasons"][0]["text"].startswith("Worker ")
    assert "it died, froze or lost its connection; its log says more" in found["reasons"][0]["text"]
    assert len(samples(project)) > 0
    assert nothing_left(project)


def test_locust_killed_makes_the_run_invalid_and_keeps_its_samples(project):
    process = under_way(project, "--duration", "60s")
    time.sleep(1.5)
    locusts(project)[0].kill()
    output, _ = process.communicate(timeout=30)

    found = result(project)
    assert (process.returncode, found["verdict"]) == (3, "invalid"), output
    assert found["reasons"][0]["text"] == (
        "Locust was ended by signal 9 (Killed; the kernel does that when memory runs out) before it could close its records; "
        "`locust/locust.log` of the results says more."
    )
    assert len(samples(project)) > 0
    assert nothing_left(project)


@pytest.mark.parametrize(
    ("phase", "number", "code"), [("warm-up", signal.SIGINT, 130), ("measuring", signal.SIGTERM, 143)]
)
def test_a_cancelled_run_with_workers_takes_them_down_and_keeps_their_samples(project, phase, number, code):
    process = under_way(project, "--workers", "2", "--warm-up", "3s", "--duration", "60s", phase=phase)
    time.sleep(1.2)
    process.send_signal(number)
    process.communicate(timeout=30)

    assert (process.returncode, result(project)["verdict"]) == (code, "invalid")
    assert len(list((project / "results/samples").glob("samples-*.bin"))) == 2
    assert len(samples(project)) > 0
    assert nothing_left(project)


def small_disk(project):
    """The beginning of a shell command whose `results` can hold little: a disk of its own, or else small files alone."""
    (project / "results").mkdir()
    mounted = "mount -t tmpfs -o size=1m none results"
    if not subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted], cwd=project, check=False, capture_output=True
    ).returncode:
        return [
            "unshare",
            "-rm",
            "sh",
            "-c",
            f'{mounted} && {{ "$@"; code=$?; cp -a results kept; exit $code; }}',
            "sh",
        ]
    return ["sh", "-c", 'ulimit -f 1100; "$@"; code=$?; cp -a results kept; exit $code', "sh"]


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "with workers"])
def test_a_full_disk_makes_the_run_invalid_says_so_and_keeps_what_is_there(project, workers):
    # Twenty numbers with long names for each request fill the disk fast.
    fill = "        attach(self, **{'x' * 35 + f'_{n}': 1 / (n + 3) for n in range(20)})\n"
    (project / "users.py").write_text("from ml_loadtest import attach\n" + USERS.rstrip() + "\n" + fill)
    done = subprocess.run(
        [*small_disk(project), PROGRAM, "run", *workers, "--duration", "60s"],
        cwd=project, env=environment(project), capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip

    found = json.loads((project / "kept" / "result.json").read_text())
    assert (done.returncode, found["verdict"], found["reasons"][0]["code"]) == (3, "invalid", "complete"), done.stdout
    assert found["reasons"][0]["text"].startswith("The samples could not be written: ")
    assert "make room where the results go" in found["reasons"][0]["text"]
    assert (project / "kept" / "report.html").stat().st_size > 10_000
    assert len(samples(project, "kept")) > 100
    assert nothing_left(project)


def test_teardown_ends_a_locust_and_workers_that_outlived_their_conductor(project):
    """They would notice within a second that it is gone; they cannot where they stand still."""
    process = under_way(project, "--workers", "2", "--duration", "60s", phase="warm-up")
    frozen = locusts(project)
    for locust in frozen:
        locust.suspend()
    process.kill()
    process.communicate()
    assert [locust.status() for locust in frozen] == [psutil.STATUS_STOPPED] * 3

    try:
        code, output = ml_loadtest(project, "teardown")
        assert (code, "took down 1 leftover of suite faults" in output) == (0, True), output
        assert nothing_left(project)
    finally:
        for locust in locusts(project):
            locust.kill()


def test_the_login_in_an_address_is_printed_nowhere_and_kept_nowhere(project):
    (project / "users.py").write_text(USERS.replace("/predict", "/status/500"))
    with serving() as web:
        address = web.url.replace("://", "://someone:s3cr3t@")
        (project / "loadtest.yml").write_text(
            f"suite: faults\n{ANY_MACHINE}\nservice: {{url: '{address}'}}\n"
            "load: {locustfile: users.py, users: 1, duration: 1s, warm-up: 1s}\n"
        )
        checked, running = ml_loadtest(project, "check"), ml_loadtest(project, "run")

    assert (checked[0], running[0]) == (0, 1), running[1]
    assert f"running at {web.url}" in checked[1]
    assert f"loading {web.url}:" in running[1]
    assert "s3cr3t" not in checked[1] + running[1]
    told = [str(path) for path in (project / "results").rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert told == []

"""No byte of what a run leaves or says gives a declared secret away: every file, the runner's files, every line of output."""

import json
import os
import subprocess
import sys

import pytest

from tests.line.leaks import leaks
from tests.line.test_run import PROGRAM

# What a variable holds, what a header holds: characters that JSON, HTML, CSV, URLs and base64 write differently.
KEY = 'k3y/of+the "job" & <more>%20?=='
TOKEN = "t0ken~9f8e7d6c5b4a/+XyZ"
PEM = "-----BEGIN KEY-----\nMIIEpAIBAAKC+Q/A1zz\nb2xkIG1hY2hpbmVz\n-----END KEY-----\n"
SECRETS = (KEY, TOKEN, *PEM.splitlines()[1:3])

# Every form that a careless program prints a secret in, one a line.
FORMS = """
import base64, html, json, os
from urllib.parse import quote, quote_plus

CASE = open("case").read()

def forms():
    for secret in (os.environ["API_KEY"], os.environ["SIGNING_KEY"], "t0ken~9f8e7d6c5b4a/+XyZ"):
        data = secret.encode()
        yield secret
        yield repr(secret)
        yield json.dumps({"said": secret, "again": repr(secret)})
        yield json.dumps(secret, ensure_ascii=False)
        yield "?key=" + quote(secret) + "&all=" + quote(secret, safe="") + "&form=" + quote_plus(secret)
        yield quote(secret, safe="").replace("%2F", "%2f").replace("%2B", "%2b")
        yield html.escape(secret)
        for before in (b"", b"u", b"us", b"user:", b"loader:"):
            for after in (b"", b":", b"::", b":::"):
                yield "Basic " + base64.b64encode(before + data + after).decode()
                yield base64.urlsafe_b64encode(before + data + after).decode().rstrip("=")
"""
SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from forms import CASE, forms

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked with", dict(self.headers), flush=True)
        fails = CASE == "never ready" or "key=" in self.path
        body = "\\n".join(forms()).encode()
        if self.path == "/metrics":
            body = "".join(f"asked_total{{by={json.dumps(form)}}} 1\\n" for form in dict.fromkeys(forms())).encode()
        self.send_response(500 if fails else 200, "no")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, form, *arguments):
        print(form % arguments, flush=True)

print("\\n".join(forms()), flush=True)
if CASE == "service ends":
    sys.exit(next(forms()))
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
USERS = """
import itertools, os
from locust import FastHttpUser, HttpUser, constant, task
from forms import CASE, forms

print("\\n".join(forms()), flush=True)
said = itertools.cycle(forms())
if CASE == "locustfile breaks":
    raise RuntimeError(list(forms()))

class Caller(HttpUser):
    wait_time = constant(0.01)

    def on_start(self):
        if CASE == "users break":
            raise RuntimeError(list(forms()))

    @task
    def asks(self):
        self.client.get("/score", headers={"X-Key": next(forms()).encode()})

    @task
    def names(self):
        self.client.get("/score", params={"key": os.environ["API_KEY"]})

    @task
    def fails(self):
        with self.client.get("/score", name=f"/of {next(said)[:300]}", catch_response=True) as response:
            response.failure(f"got {next(said)}")

    @task
    def raises(self):
        if CASE == "tasks break":
            raise ValueError(next(said))
"""
CONFIG = f"""
suite: secrets
service:
  command: "{sys.executable} server.py {{port}}"
  headers: {{Authorization: "Bearer {TOKEN}"}}
  setup: {sys.executable} set_up.py
  prometheus: {{series: [{{name: asked, series: asked_total, per: second}}]}}
  ready: {{timeout: 5s, expect: prediction}}
load: {{locustfile: users.py, environment: [API_KEY, SIGNING_KEY], users: 4, duration: 2s, warm-up: 0s}}
report: {{history: history.jsonl}}
validity: {{generator-cpu: 100%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%, steal: 100%}}
"""
SET_UP = """
import os, sys
from forms import CASE, forms
print("\\n".join(forms()))
sys.exit(CASE == "set-up fails")
"""
CASES = {
    "measured": 1, "service ends": 3, "never ready": 3, "set-up fails": 3, "locustfile breaks": 2, "users break": 3,
    "tasks break": 3,
}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """A folder with a service, a locustfile and settings, and the runner's own files."""
    folder = tmp_path / "work"
    folder.mkdir()
    files = {"forms.py": FORMS, "server.py": SERVER, "users.py": USERS, "set_up.py": SET_UP, "loadtest.yml": CONFIG}
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def run(project, case):
    """Its exit code, every byte that it said or wrote, by where, and what the runner was told to mask."""
    runner = project.parent / "runner"
    runner.mkdir()
    (project / "case").write_text(case)
    config = (project / "loadtest.yml").read_text()
    if case != "never ready":
        (project / "loadtest.yml").write_text(config.replace(", expect: prediction", ""))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "LT_", "RUNNER_"))}
    environ |= {
        "API_KEY": KEY, "SIGNING_KEY": PEM, "RUNNER_TEMP": str(runner), "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(runner / "output"), "GITHUB_STEP_SUMMARY": str(runner / "summary"),
    }  # fmt: skip
    done = subprocess.run([PROGRAM, "run"], cwd=project, env=environ, capture_output=True, timeout=120, check=False)
    lines = done.stdout.splitlines()
    masks = [line.decode() for line in lines if line.startswith(b"::add-mask::")]
    said = b"\n".join(line for line in lines if not line.startswith(b"::add-mask::"))
    written = [*(project / "results").rglob("*"), *runner.rglob("*"), project / "history.jsonl"]
    files = {str(path.relative_to(project.parent)): path.read_bytes() for path in written if path.is_file()}
    return done.returncode, {**files, "standard output": said, "standard error": done.stderr}, masks


@pytest.mark.parametrize(("case", "code"), CASES.items())
def test_no_secret_is_in_any_byte_of_a_run(project, case, code):
    ended, written, masks = run(project, case)

    found = {where: leaked for where, content in written.items() if (leaked := leaks(content, SECRETS))}
    assert ended == code, written["standard output"].decode()
    assert not found
    assert sum(b"***" in content for content in written.values()) > 1, "nothing was printed that could have leaked"
    assert b"Traceback" not in written["standard error"]
    assert {f"::add-mask::{KEY.replace('%', '%25')}", f"::add-mask::{TOKEN}"} <= set(masks)


@pytest.mark.parametrize("secret", SECRETS)
def test_the_search_finds_every_form(secret, tmp_path):
    (tmp_path / "forms.py").write_text(FORMS)
    (tmp_path / "case").write_text("")
    environ = {**os.environ, "API_KEY": KEY, "SIGNING_KEY": PEM, "PYTHONPATH": str(tmp_path)}
    program = "import forms, json; print(json.dumps(list(forms.forms())))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, check=True)

    for form in json.loads(done.stdout):
        said = f"before {form} after".encode()
        known = [value for value in SECRETS if value in leaks(said, SECRETS)]
        assert known, form

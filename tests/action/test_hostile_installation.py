"""The action's own steps where the caller's environment and checkout are as wrong as can be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.load import interpreter
from tests.line.test_run import SERVER

from .machine import Machine, action_folder
from .step_runner import ActionRun

CONFIGURATIONS = {
    "json.py": "raise SystemExit('the checkout won')",
    "runpy.py": "raise SystemExit('the checkout won')",
    "sitecustomize.py": "raise SystemExit('the checkout won')",
    "usercustomize.py": "raise SystemExit('the checkout won')",
    "entrypoint.py": "raise SystemExit('the checkout won')",
    "gevent.py": "raise SystemExit('the checkout won')",
    "locust.conf": "users = 999\nrun-time = 1s\nlocustfile = evil.py\nhost = http://127.0.0.1:9\n",
    "pyproject.toml": "[tool.locust]\nusers = 999\nlocustfile = 'evil.py'\n[tool.uv]\nno-binary = true\noffline = true\n",
    "pip.conf": "[global]\nno-index = true\nindex-url = http://127.0.0.1:9/\ntarget = elsewhere\n",
    "uv.toml": "offline = true\nno-binary = true\nexclude-newer = '2001-01-01'\n",
    ".python-version": "2.7\n",
}


def hostile_environment(checkout: Path) -> dict[str, str]:
    """Every variable that would have pip, uv, Python or Locust do something else."""
    here = str(checkout)
    pip = {
        "CONFIG_FILE": f"{here}/pip.conf", "TARGET": f"{here}/elsewhere", "PREFIX": f"{here}/elsewhere", "USER": "1",
        "NO_BINARY": ":all:", "CONSTRAINT": f"{here}/none.txt", "DRY_RUN": "1", "NO_INDEX": "1", "PRE": "1",
        "REQUIREMENT": f"{here}/none.txt", "PYTHON": "/nonexistent", "EXTRA_INDEX_URL": "http://127.0.0.1:9/",
        "IGNORE_REQUIRES_PYTHON": "1", "FIND_LINKS": here,
    }  # fmt: skip
    uv = {
        "OFFLINE": "1", "NO_BINARY": "1", "CONFIG_FILE": f"{here}/uv.toml", "EXCLUDE_NEWER": "2001-01-01", "TARGET": here,
        "SYSTEM_PYTHON": "1", "CONSTRAINT": f"{here}/none.txt", "OVERRIDE": f"{here}/none.txt", "PYTHON": "2.7",
        "PROJECT_ENVIRONMENT": f"{here}/elsewhere", "FIND_LINKS": here, "EXTRA_INDEX_URL": "http://127.0.0.1:9/",
        "RESOLUTION": "lowest", "PRERELEASE": "allow", "NO_CACHE": "1",
    }  # fmt: skip
    python = {
        "PATH": here, "HOME": here, "STARTUP": f"{here}/json.py", "INSPECT": "1", "WARNINGS": "error", "OPTIMIZE": "2",
        "USERBASE": here, "SAFEPATH": "", "NOUSERSITE": "", "BREAKPOINT": "nothing.there", "PLATLIBDIR": "nowhere",
        "IOENCODING": "ascii", "HASHSEED": "0", "VERBOSE": "", "MALLOC": "malloc",
    }  # fmt: skip
    locust = {
        "LOCUSTFILE": "evil.py", "USERS": "999", "RUN_TIME": "1s", "HOST": "http://127.0.0.1:9", "HEADLESS": "false",
        "MODE_WORKER": "true", "WEB_PORT": "1", "CONFIG": f"{here}/locust.conf", "EXIT_CODE_ON_ERROR": "7", "TAGS": "none",
    }  # fmt: skip
    return {
        **{f"PIP_{name}": value for name, value in pip.items()},
        **{f"UV_{name}": value for name, value in uv.items()},
        **{f"PYTHON{name}": value for name, value in python.items()},
        **{f"LOCUST_{name}": value for name, value in locust.items()},
        "VIRTUAL_ENV": here,
        "BASH_ENV": "",
    }


def hostile(machine: Machine) -> Machine:
    for name, text in CONFIGURATIONS.items():
        (machine.workspace / name).write_text(text)
    machine.environ |= hostile_environment(machine.workspace)
    return machine


def versions(environment: Path) -> dict[str, str]:
    ask = "import json; from importlib.metadata import distributions as d; print(json.dumps({x.name: x.version for x in d()}))"
    done = subprocess.run([environment / "bin/python", "-I", "-c", ask], capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_what_is_installed_is_what_was_locked(tmp_path: Path, environments: Path):
    action = tmp_path / "action"
    action_folder(action, steps=2)
    machine = hostile(Machine(tmp_path, action))

    done = machine.run_action()

    assert done.conclusion == "success", done.log
    for name in ("conductor", "conductor-locust"):
        assert versions(machine.temp / "ml-loadtest" / name) == versions(environments / name)
    assert {path.name for path in machine.workspace.iterdir()} == set(CONFIGURATIONS)


def test_the_steps_call_the_conductor_and_believe_its_exit_code(rehearsal: Machine):
    hostile(rehearsal)

    assert rehearsal.run_action().conclusion == "success"
    failing = rehearsal.run_action(environ={"FAKE_EXIT": "1", "FAKE_VERDICT": "regression"})

    assert (failing.conclusion, failing.step("run").exit_code) == ("failure", 1)
    assert "the checkout won" not in failing.log


def test_a_locustfiles_requirements_are_installed_from_where_the_job_says_and_nowhere_else():
    kept = interpreter._for_uv(
        {
            **hostile_environment(Path("/x")),
            "UV_DEFAULT_INDEX": "https://mirror.test",
            "UV_SYSTEM_CERTS": "1",
            "PATH": "/bin",
        }
    )

    assert {name for name in kept if name.startswith(("UV_", "PIP_", "PYTHON", "VIRTUAL"))} == {
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_SYSTEM_CERTS",
    }
    assert kept["PATH"] == "/bin"


USERS = """
from locust import HttpUser, constant, task

class Caller(HttpUser):
    wait_time = constant(0.02)

    @task
    def ask(self):
        self.client.get("/asked-by-the-right-locustfile")
"""
CONFIG = f"""
suite: hostile
service: {{command: "{sys.executable} -I server.py {{port}}", ready: {{timeout: 30s}}}}
load: {{locustfile: load/users.py, users: 3, duration: 2s, warm-up: 1s}}
compare: {{with: none}}
thresholds: {{endpoint: "*", p50: {{max: 0.001ms}}}}
validity: {{generator-cpu: 100%, event-loop-lag: 60s, longest-stall: 60s, run-queue: 100%, steal: 100%}}
"""


def test_a_real_run_measures_what_it_was_told_to_and_fails_the_build(machine: Machine):
    hostile(machine)
    files = {"server.py": SERVER, "load/users.py": USERS, "evil.py": "raise SystemExit('evil')", "loadtest.yml": CONFIG}
    for name, text in files.items():
        (machine.workspace / name).parent.mkdir(exist_ok=True)
        (machine.workspace / name).write_text(text)

    done: ActionRun = machine.run_action(
        {"comment": "never", "check-run": "false", "github-token": ""}, github={"token": ""}
    )

    assert (done.conclusion, done.outputs.get("verdict")) == ("failure", "limit-exceeded"), done.log
    result = json.loads(Path(done.outputs["result"]).read_text())
    assert set(result["measurement"]["endpoints"]) == {"GET /asked-by-the-right-locustfile"}
    assert result["measurement"]["plan_text"].startswith("closed load, 3 users")
    assert "the checkout won" not in done.log

"""Where a case happens: a checkout, a place for temporary files, the program, and a look at what is left of it all."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from entrypoint.cli import main
from tests.action.machine import Machine, installed_environments
from tests.action.step_runner import ActionRun
from tests.engine import ours
from tests.line.test_run import PROGRAM, environment
from tests.line.test_run import SERVER as USUAL_SERVER

LONGEST_S = 90
USERS = """
from locust import FastHttpUser, constant, task

class Caller(FastHttpUser):
    wait_time = constant(0.01)
    network_timeout = 0.3

    @task
    def ask(self):
        self.client.get("/predict")
"""
# No case is about the machine that it happens on.
ANY_MACHINE = "validity: {generator-cpu: 100%, event-loop-lag: 60s, longest-stall: 60s, run-queue: 100%, steal: 100%}"
PROCESS = f'{{command: "{sys.executable} server.py {{port}}", ready: {{timeout: 20s}}}}'
LOAD = "{locustfile: users.py, users: 4, duration: 1s, warm-up: 1s}"
_DYING_S = 2.0
_DOCKERFILE = """
FROM python:3.13-slim
COPY server.py /server.py
STOPSIGNAL SIGKILL
CMD ["python", "/server.py", "8000"]
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code, as a shell gives it for a signal; None for an action whose run step was never begun.
        output: all that it printed, annotations included.
        results: the folder that it left its results in.
    """

    code: int | None
    output: str
    results: Path

    @property
    def result(self) -> dict[str, Any]:
        """What `result.json` holds, nothing if there is none."""
        path = self.results / "result.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    @property
    def reasons(self) -> str:
        """All reasons of the verdict in one text."""
        return " ".join(reason["text"] for reason in self.result["reasons"])


@dataclass
class Scene:
    """A folder of its own, with a service, a locustfile and settings in `work`.

    Attributes:
        suite: no other scene on this engine has it.
        results: where results go.
        written: the files of the checkout that the case wrote itself.
        at_end: called when the case is over, however it ended.
    """

    folder: Path
    suite: str = field(default_factory=lambda: f"fault-{uuid.uuid4().hex[:8]}")
    results: Path = field(init=False)
    written: set[Path] = field(default_factory=set)
    at_end: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.work.mkdir()
        self.results = self.work / "results"
        self.write("server.py", USUAL_SERVER)
        self.write("users.py", USERS)
        self.plan()

    @cached_property
    def work(self) -> Path:
        """The checkout, and the working directory of every command."""
        return self.folder / "work"

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the checkout."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.written.add(path)
        path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        return path

    def plan(self, service: str = PROCESS, load: str = LOAD, more: str = "") -> None:
        """Write `loadtest.yml`."""
        self.write("loadtest.yml", f"suite: {self.suite}\n{ANY_MACHINE}\nservice: {service}\nload: {load}\n{more}\n")

    def compose(self, text: str, more: str = "ready: {timeout: 20s}", load: str = LOAD, rest: str = "") -> None:
        """Write a compose file for the service `api`, whose image serves `server.py` everywhere, and the settings for it."""
        self.write("compose.yml", text)
        self.write("Dockerfile", _DOCKERFILE)
        self.write("server.py", USUAL_SERVER.replace("127.0.0.1", "0.0.0.0"))
        self.plan(f"{{compose-file: compose.yml, service: api, port: 8000, {more}}}", load, rest)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of every command; temporary files go to `work/tmp`."""
        return environment(self.work, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1", **more)

    def call(self, *arguments: str, before: tuple[str, ...] = (), **variables: str) -> Ended:
        """A command of the program from its beginning to its end."""
        done = subprocess.run(
            [*before, str(PROGRAM), *arguments], cwd=self.work, env=self.environment(**variables),
            capture_output=True, text=True, timeout=LONGEST_S, check=False,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout + done.stderr, self.results)

    def here(self, *arguments: str, **variables: str) -> Ended:
        """A command of the program in this very process, for what ends before anything is started: Python need not start anew."""
        said = io.StringIO()
        with (
            chdir(self.work), patch.dict(os.environ, self.environment(**variables), clear=True),
            patch.object(sys, "argv", [str(PROGRAM), *arguments]), redirect_stdout(said), redirect_stderr(said),
        ):  # fmt: skip
            try:
                main()
            except SystemExit as exit_:
                return Ended(int(exit_.code or 0), said.getvalue(), self.results)
        raise AssertionError("it did not end the process")

    def run(self, *arguments: str, **variables: str) -> Ended:
        """`ml-loadtest run`."""
        return self.call("run", *arguments, **variables)

    def begin(self, until: str, *arguments: str, **variables: str) -> "Begun":
        """`ml-loadtest run` until it has printed something."""
        process = subprocess.Popen(
            [str(PROGRAM), "run", *arguments], cwd=self.work, env=self.environment(**variables),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.at_end.append(lambda: end(process))
        begun = Begun(process, self.results)
        begun.read(until)
        return begun

    def elsewhere(self) -> Path:
        """A folder beside the checkout."""
        folder = self.folder / "elsewhere"
        folder.mkdir(exist_ok=True)
        return folder

    def machine(self, name: str = "machine", *, installed: bool = True) -> Machine:
        """A machine of GitHub's with a copy of this checkout."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        environments = installed_environments() if installed else None
        made = Machine(self.folder / name, environments=environments, environ={"TMPDIR": str(temporary)})
        shutil.copytree(self.work, made.workspace, dirs_exist_ok=True)
        self.written |= {made.folder / "event.json", *(path for path in made.workspace.rglob("*") if path.is_file())}
        return made

    def processes(self) -> Iterator[psutil.Process]:
        """Those that were started for this scene: what has its place for temporary files, or works in its folder."""
        for process in psutil.process_iter():
            try:
                there = process.environ().get("TMPDIR", "").startswith(str(self.folder))
                if process.status() != psutil.STATUS_ZOMBIE and (there or self._is_in(process.cwd())):
                    yield process
            except (psutil.Error, OSError):
                continue

    def left(self, *, engine: bool) -> list[str]:
        """Everything of this scene that is still there, but for results, the checkout, and what is the runner's own."""
        names = [f"engine: {name}" for name in ours() if self.suite in name] if engine else []
        # What was killed a moment ago is not gone yet on a busy machine.
        psutil.wait_procs(list(self.processes()), timeout=_DYING_S)
        alive = [f"process: {' '.join(process.cmdline())}" for process in self.processes()]
        return [*names, *alive, *(f"file: {name}" for name in sorted(self._files()))]

    def _files(self) -> set[str]:
        passed_over = {self.results, *self.folder.glob("machine*/temp"), *self.folder.glob("machine*/artifacts")}
        found = {path for path in self.folder.rglob("*") if path.is_file() or path.is_symlink()} - self.written
        return {
            str(path.relative_to(self.folder))
            for path in found
            if not any(path.is_relative_to(folder) for folder in passed_over)
        }

    def close(self) -> None:
        """The case is over."""
        for call in reversed(self.at_end):
            call()

    def sweep(self) -> None:
        """After a case that failed, end and remove what it has left, so that no other meets it."""
        for process in self.processes():
            process.kill()
        found = re.compile(rf"mlt-{self.suite}-\w+-candidate")
        for project in {
            match[0] for name in (ours() if shutil.which("docker") else ()) if (match := found.match(name))
        }:
            down = ["docker", "compose", "--project-name", project, "down", "--volumes", "--timeout", "0"]
            subprocess.run(down, capture_output=True, timeout=60, check=False)

    def _is_in(self, folder: str) -> bool:
        return Path(folder).is_relative_to(self.folder)


@dataclass(slots=True)
class Begun:
    """A run that is under way."""

    process: "subprocess.Popen[str]"
    results: Path
    output: str = ""

    def read(self, until: str) -> None:
        """Read on until it has printed something."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if until in line:
                return
        raise AssertionError(f"the run ended before it said {until!r}:\n{self.output}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> Ended:
        """Hear it out."""
        rest, _ = self.process.communicate(timeout=LONGEST_S)
        self.output += rest
        return Ended(self.process.returncode, self.output, self.results)


def end(process: "subprocess.Popen[str]") -> None:
    """End what a failed case left running."""
    if process.poll() is None:
        process.kill()
    process.communicate()


def of_action(done: ActionRun) -> Ended:
    """How the whole action ended; the exit code is that of its run step."""
    said = "\n".join(f"{each.kind}: {each.title}: {each.message}" for each in done.annotations)
    results = Path(done.step("install").outputs.get("results", os.devnull))
    code = done.step("run").exit_code
    return Ended(128 - code if code is not None and code < 0 else code, f"{done.log}\n{said}", results)

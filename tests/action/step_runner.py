"""Runs a composite action as GitHub's runner does, so that action.yml itself is what the tests execute.

Taken from actions/runner: CompositeActionHandler.cs (order, `if:`, outputs after a failure), ScriptHandler.cs (bash, folder,
environment), ProcessInvoker.cs (a cancelled step: SIGINT to its entry process alone, SIGTERM, SIGKILL). Only nested `uses:`
are played by the test.
"""

import base64
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import psutil
import yaml

from .commands import Annotation, FileCommandError, Masks, Voice, read_pairs, read_summary
from .expressions import ExpressionError, Scope, as_text, condition, interpolate

_FILES = ("OUTPUT", "ENV", "PATH", "STATE", "STEP_SUMMARY")
_STREAMS_S = 10  # how long the runner waits for the output of a process that has ended
_ANNOTATIONS_OF_A_KIND = 10  # a whole composite action counts as one step
_NOT_EXPORTED = ("token", "event")  # of the github context, every other text becomes GITHUB_<NAME>


class NestedFailure(Exception):  # noqa: N818 (a step's end, not a mistake)
    """What the stand-in of a nested action raises to fail."""


@dataclass(frozen=True)
class Nested:
    """A step with `uses:`, its inputs and environment evaluated."""

    uses: str
    inputs: Mapping[str, str]
    environ: Mapping[str, str]


Uses = Mapping[str, Callable[[Nested], Mapping[str, str]]]


@dataclass(frozen=True)
class Cancel:
    """The end of a job that was cancelled, or of a calling step whose own timeout-minutes ran out.

    Attributes:
        step, seen: it happens as soon as this step's output holds this text.
        step_timeout: whether it is the step's timeout: then every later step is signalled when it has just started.
        sigterm_s, sigkill_s: the runner's patience after SIGINT, and after SIGTERM.
        start_s: how long bash has to start before it is signalled. The runner leaves it some milliseconds, nobody says how
            many; a script's first line needs about three.
    """

    step: str
    seen: str
    step_timeout: bool = False
    sigterm_s: float = 7.5
    sigkill_s: float = 2.5
    start_s: float = 0.05


@dataclass
class Job:
    """The job that calls the action.

    Attributes:
        workspace, temp: GITHUB_WORKSPACE and RUNNER_TEMP.
        environ: the machine's and the job's environment, and the `env:` of the calling step.
        github: the github context; `event` is a mapping.
        matrix: the matrix context, None outside one.
    """

    workspace: Path
    temp: Path
    environ: Mapping[str, str]
    github: Mapping[str, Any]
    matrix: Mapping[str, Any] | None = None


@dataclass
class StepRun:
    """What became of one step.

    Attributes:
        outcome: success, failure, cancelled or skipped; `conclusion` is the same after continue-on-error.
        ran_s: how long its process lived.
    """

    name: str
    id: str
    outcome: str = "skipped"
    conclusion: str = "skipped"
    exit_code: int | None = None
    ran_s: float = 0
    log: list[str] = field(default_factory=list)
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.log)


@dataclass
class ActionRun:
    """What became of the whole action.

    Attributes:
        leaked_environ, leaked_path: what later steps of the caller's job would find changed.
        orphans: command lines of processes that outlived it, which the runner ends with the job.
    """

    conclusion: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[StepRun] = field(default_factory=list)
    leaked_environ: dict[str, str] = field(default_factory=dict)
    leaked_path: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    def step(self, name: str) -> StepRun:
        """A step by its id or name."""
        return next(step for step in self.steps if name in (step.id, step.name))

    @property
    def log(self) -> str:
        return "\n".join(step.text for step in self.steps)

    @property
    def summary(self) -> str:
        return "".join(step.summary for step in self.steps)

    @property
    def annotations(self) -> list[Annotation]:
        """What GitHub keeps: ten of each kind."""
        every = [annotation for step in self.steps for annotation in step.annotations]
        kinds = {annotation.kind for annotation in every}
        kept = [one for kind in kinds for one in [each for each in every if each.kind == kind][:_ANNOTATIONS_OF_A_KIND]]
        return [annotation for annotation in every if annotation in kept]


def run_composite(
    action: Path, inputs: Mapping[str, str], job: Job, uses: Uses, cancel: Cancel | None = None
) -> ActionRun:
    """Run the action whose action.yml is in a folder.

    Args:
        action: the folder, GITHUB_ACTION_PATH.
        inputs: the `with:` of the calling step; an input that is given empty stays empty.
        job: the job that calls it.
        uses: what plays nested actions, by their name without the version.
        cancel: when the job is cancelled, if it is.
    """
    return _Composite(action, inputs, job, uses, cancel).run()


class _Composite:
    def __init__(self, action: Path, inputs: Mapping[str, str], job: Job, uses: Uses, cancel: Cancel | None) -> None:
        self._definition = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
        self._job, self._uses, self._cancel = job, uses, cancel
        self._github = {
            "workspace": str(job.workspace), "action_path": str(action), "server_url": "https://github.com", **job.github,
        }  # fmt: skip
        self._tracking = f"github_{uuid4()}"
        self._masks = Masks()
        if token := self._github.get("token"):
            self._masks.add(token)
            self._masks.add(base64.b64encode(f"x-access-token:{token}".encode()).decode())
        self._result = ActionRun()
        self._contexts: dict[str, Any] = {
            "github": self._github, "matrix": job.matrix, "runner": {"temp": str(job.temp), "os": "Linux"}, "steps": {},
        }  # fmt: skip
        defaults = {
            name: interpolate(spec.get("default", ""), self._scope())
            for name, spec in self._definition["inputs"].items()
        }
        self._contexts["inputs"] = {**defaults, **inputs}

    def run(self) -> ActionRun:
        for number, definition in enumerate(self._definition["runs"]["steps"]):
            step = StepRun(definition.get("name", f"step {number}"), definition.get("id", f"__{number}"))
            self._result.steps.append(step)
            try:
                wanted = condition(as_text(definition.get("if", "success()")), self._scope())
            except ExpressionError as error:  # the runner stops here: not even an always() step runs
                step.annotations.append(Annotation("error", str(error)))
                self._end(step, "failure", lenient=False)
                break
            if wanted:
                self._run_step(step, definition)
            context = {"outputs": step.outputs, "outcome": step.outcome, "conclusion": step.conclusion}
            self._contexts["steps"][step.id] = context
        for name, output in self._definition.get("outputs", {}).items():
            self._result.outputs[name] = interpolate(output["value"], self._scope())
        self._result.orphans = _end_orphans(self._tracking)
        return self._result

    def _scope(self) -> Scope:
        conclusion = self._result.conclusion
        status = {
            "always": lambda: True,
            "success": lambda: conclusion == "success",
            "failure": lambda: conclusion == "failure",
            "cancelled": lambda: conclusion == "cancelled",
        }
        return Scope(self._contexts, status)

    def _run_step(self, step: StepRun, definition: Mapping[str, Any]) -> None:
        environ = {name: interpolate(value, self._scope()) for name, value in definition.get("env", {}).items()}
        outcome = (
            self._nested(step, definition, environ) if "uses" in definition else self._script(step, definition, environ)
        )
        self._end(step, outcome, lenient=bool(definition.get("continue-on-error")))

    def _end(self, step: StepRun, outcome: str, *, lenient: bool) -> None:
        step.outcome = outcome
        step.conclusion = "success" if lenient and outcome == "failure" else outcome
        order = ("success", "failure", "cancelled")
        self._result.conclusion = max(self._result.conclusion, step.conclusion, key=order.index)

    def _nested(self, step: StepRun, definition: Mapping[str, Any], environ: Mapping[str, str]) -> str:
        inputs = {name: interpolate(value, self._scope()) for name, value in definition.get("with", {}).items()}
        name = definition["uses"].split("@")[0]
        if self._timed_out():
            return "cancelled"
        try:
            step.outputs.update(self._uses[name](Nested(name, inputs, {**self._job.environ, **environ})))
        except NestedFailure as failure:
            step.annotations.append(Annotation("error", str(failure)))
            return "failure"
        return "success"

    def _script(self, step: StepRun, definition: Mapping[str, Any], environ: Mapping[str, str]) -> str:
        if definition["shell"] != "bash":
            raise NotImplementedError(f"shell: {definition['shell']}")
        script = interpolate(definition["run"], self._scope())
        folder = self._job.workspace / interpolate(definition.get("working-directory", ""), self._scope())
        path = self._job.temp / f"{uuid4()}.sh"
        path.write_text(script, encoding="utf-8")
        files = {name: self._job.temp / "_runner_file_commands" / f"{name.lower()}_{uuid4()}" for name in _FILES}
        for file in files.values():
            file.parent.mkdir(exist_ok=True)
            file.touch()
        voice = Voice(self._masks, step.log, step.annotations, step.outputs)
        head = [f"##[group]Run {script}", *(f"  {name}: {value}" for name, value in environ.items()), "##[endgroup]"]
        step.log += [self._masks.hide(line) for line in head]
        outcome = self._bash(step, path, folder, self._environment(environ, files), voice)
        return self._read_files(step, files, "failure" if voice.failed and outcome == "success" else outcome)

    def _environment(self, environ: Mapping[str, str], files: Mapping[str, Path]) -> dict[str, str]:
        github = {
            f"GITHUB_{name.upper()}": str(value) for name, value in self._github.items() if name not in _NOT_EXPORTED
        }
        path = ":".join([*reversed(self._result.leaked_path), self._job.environ.get("PATH", "/usr/bin:/bin")])
        return {
            **self._job.environ, "PATH": path, **self._result.leaked_environ, **environ, **github,
            **{f"GITHUB_{name}": str(file) for name, file in files.items()},
            "CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(self._job.temp), "RUNNER_OS": "Linux",
            "RUNNER_TRACKING_ID": self._tracking,
        }  # fmt: skip

    def _bash(self, step: StepRun, script: Path, folder: Path, environ: Mapping[str, str], voice: Voice) -> str:
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        cancel = self._cancel if self._cancel and self._cancel.step in (step.id, step.name) else None
        late = self._cancel if self._timed_out() else None
        started = time.monotonic()
        try:
            # The runner makes no session; here one keeps a step that signals its whole group from ending the tests.
            process = subprocess.Popen(
                command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            message = (
                f"An error occurred trying to start process 'bash' with working directory '{folder}'. {error.strerror}"
            )
            voice.annotations.append(Annotation("error", message))
            return "failure"
        cancelled = _listen(process, voice, late or cancel, at_once=bool(late))
        step.ran_s = time.monotonic() - started
        step.exit_code = process.returncode
        if cancelled:
            voice.annotations.append(Annotation("error", "The operation was canceled."))
            return "cancelled"
        if process.returncode:
            code = process.returncode if process.returncode > 0 else 128 - process.returncode
            voice.annotations.append(Annotation("error", f"Process completed with exit code {code}."))
            return "failure"
        return "success"

    def _timed_out(self) -> bool:
        return bool(self._cancel and self._cancel.step_timeout) and self._result.conclusion == "cancelled"

    def _read_files(self, step: StepRun, files: Mapping[str, Path], outcome: str) -> str:
        step.summary, mistakes = read_summary(files["STEP_SUMMARY"].read_bytes(), self._masks)
        step.annotations += mistakes
        self._result.leaked_path += files["PATH"].read_text(encoding="utf-8").split()
        places = {"OUTPUT": step.outputs, "ENV": self._result.leaked_environ, "STATE": {}}
        for name, place in places.items():
            try:
                place.update(read_pairs(files[name].read_text(encoding="utf-8", errors="replace")))
            except FileCommandError as error:
                step.annotations.append(
                    Annotation("error", f"Unable to process file command '{name.lower()}' successfully.")
                )
                step.annotations.append(Annotation("error", str(error)))
                outcome = "failure" if outcome == "success" else outcome
        return outcome


def _listen(process: subprocess.Popen[bytes], voice: Voice, cancel: Cancel | None, *, at_once: bool) -> bool:
    """Hear a process out, and cancel it when that is asked for. Whether it was cancelled."""
    clicked = threading.Event()

    def hear(line: str) -> None:
        voice.hear(line)
        if cancel and cancel.seen in line:
            clicked.set()

    assert process.stdout
    reader = threading.Thread(target=_read_lines, args=(process.stdout, hear), daemon=True)
    reader.start()
    if cancel and at_once:
        time.sleep(cancel.start_s)
        clicked.set()
    while process.poll() is None and not clicked.wait(0.02):
        pass
    if cancel and clicked.is_set() and process.poll() is None:
        _end(process, cancel)
    process.wait()
    reader.join(_STREAMS_S)
    return clicked.is_set()


def _read_lines(stream: IO[bytes], hear: Callable[[str], None]) -> None:
    """Each line as it comes; a carriage return ends one too."""
    rest = b""
    with stream:
        while chunk := os.read(stream.fileno(), 65536):
            *lines, rest = re.split(rb"\r\n|\r|\n", rest + chunk)
            for line in lines:
                hear(line.decode("utf-8", "replace"))
    if rest:
        hear(rest.decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes], cancel: Cancel) -> None:
    """SIGINT, SIGTERM, SIGKILL to the entry process, never to its children."""
    for number, patience in ((signal.SIGINT, cancel.sigterm_s), (signal.SIGTERM, cancel.sigkill_s)):
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()


def _end_orphans(tracking: str) -> list[str]:
    orphans = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RUNNER_TRACKING_ID") == tracking:
                orphans.append(" ".join(process.cmdline()))
                process.kill()
        except psutil.Error:
            continue
    return orphans

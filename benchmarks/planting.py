"""A copy of an example whose service can have something wrong, and a baseline of it with nothing wrong."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.errors import ExitCode
from entrypoint.judgement.model import Status
from entrypoint.measurement.metrics import METRICS

_ROOT = Path(__file__).parents[1]
_PROGRAM = Path(sys.executable).with_name("ml-loadtest")
_ATTEMPTS = 6
_ACCUSES = (Status.REGRESSED.value, Status.OVER_LIMIT.value)
# What a threshold asks of the service as a whole, where an example's own file asks nothing.
_ASKED = """
extends: loadtest.yml
service:
  compose-file: [compose.yml, planted.yml]
# Counters are right on a machine that is too busy for response times.
validity: {generator-cpu: 100%, event-loop-lag: 60s, longest-stall: 60s, run-queue: 100%, steal: 100%}
thresholds:
  - endpoint: (service)
    cpu-per-request: {max-increase: 10%}
    image-size: {max-increase: 10%}
    time-to-ready: {max-increase: 30%, max: READY}
    memory-growth: {max: 512KiB}
    throttled: {max: MOST}
"""
# Beside the base, which is the same but for what is planted in the commit that is measured.
_BESIDE = """
extends: asked.yml
load: {count: null, duration: 40s}
compare: {with: base, base-ref: HEAD~1}
thresholds:
  - endpoint: (service)
    cpu-per-request: {max-increase: 10%}
"""
_COMPOSE = """
services:
  SERVICE:
    environment: {EXTRA_MS: "${EXTRA_MS:-0}", LEAK: "${LEAK:-0}", START: "${START:-0}"}
    deploy: {resources: {limits: {cpus: "${CPUS:-USUAL}"}}}
    # A start is known to the beat of the healthcheck that others wait for.
    healthcheck: {interval: 1s}
"""
_COMMIT = (
    "-c",
    "user.name=benchmark",
    "-c",
    "user.email=benchmark@localhost",
    "commit",
    "--quiet",
    "--all",
    "--allow-empty",
)
_DOCKERFILE = "\nCOPY served.py app.py padding ./\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One of the examples.

    Attributes:
        service: that has its app in `app.py`, in the compose file.
        cpus: its limit in cores; 0 for none.
        fewer: a limit that it feels.
        load: flags that make it short.
        longer: the same for a run that is long enough for a leak: what is left behind seems to fill gaps of the heap first.
    """

    service: str
    cpus: str
    fewer: str
    load: tuple[str, ...]
    longer: tuple[str, ...]


EXAMPLES = {
    "recommender": Example(
        service="api", cpus="0", fewer="0.25", load=("--duration", "15s"), longer=("--duration", "60s")
    ),
    "fish": Example(service="ml", cpus="0.3", fewer="0.15", load=("--count", "1000"), longer=("--count", "4000")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What is planted in one run.

    Attributes:
        environment: see `planted/app.py`.
        padding: bytes by which the image is larger.
        longer: whether it takes the longer load, which the baseline knows nothing of: limits alone judge it.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    padding: int = 0
    longer: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run came to: its figures by metric, and the metrics of the service that its reasons accuse."""

    figures: dict[str, float]
    named: frozenset[str]


class Plot:
    """A folder with the copy, the baseline and the results.

    Args:
        name: of the example.
        folder: for all of it.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._example, self._folder = name, EXAMPLES[name], folder
        self._copy = folder / name
        shutil.copytree(_ROOT / "examples" / name, self._copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        (self._copy / "app.py").rename(self._copy / "served.py")
        shutil.copy(Path(__file__).parent / "planted/app.py", self._copy)
        with (self._copy / "Dockerfile").open("a") as dockerfile:
            dockerfile.write(_DOCKERFILE)
        self._ask(throttled=1.0, ready_s=120.0)
        self._compose = _COMPOSE.replace("SERVICE", self._example.service).replace("USUAL", self._example.cpus)
        (self._copy / "planted.yml").write_text(self._compose)

    def calibrate(self, occasion: int) -> None:
        """One more run of the baseline, which counts as an occasion of its own."""
        once = ("--runs", "1", *self._example.load)
        self._ml_loadtest("calibrate", Wrong(), f"calibrated-{occasion}", *once, GITHUB_RUN_ID=str(occasion))

    def limit(self) -> None:
        """From now on it may be held back for twice what is usual, and 1 % of the time more; and be ready a second late."""
        self._ask(
            throttled=min(1.0, 2 * self.usual("throttled") + 0.01), ready_s=self.usual("time-to-ready") / 1000 + 1.0
        )

    def _ask(self, throttled: float, ready_s: float) -> None:
        asked = _ASKED.replace("MOST", f"{throttled:.1%}").replace("READY", f"{1000 * ready_s:.0f}ms")
        (self._copy / "asked.yml").write_text(asked)

    def usual(self, metric: str) -> float:
        """A figure of the service with nothing wrong, the mean of the baseline."""
        group = json.loads((self._folder / "baseline.json").read_text())["groups"][0]
        return statistics.fmean(run["service"][metric] for run in group["runs"])

    def run(self, out: str, wrong: Wrong) -> Ran:
        """Measure it with something wrong, and have it judged by the baseline; the results stay in a folder of that name."""
        self._ml_loadtest("run", wrong, out, *(self._example.longer if wrong.longer else self._example.load))
        return self._ran(out)

    def beside(self, out: str, wrong: Wrong) -> Ran:
        """Measure it with something wrong beside a base with nothing wrong; see `run`."""
        (self._copy / "beside.yml").write_text(_BESIDE)
        planted, repository = self._copy / "planted.yml", self._copy / ".git"
        shutil.rmtree(repository, ignore_errors=True)
        for arguments in (("init", "--quiet"), ("add", "."), (*_COMMIT, "-m", "base")):
            self._git(*arguments)
        for name, value in wrong.environment.items():
            planted.write_text(planted.read_text().replace(f"${{{name}:-0}}", value))
        self._git(*_COMMIT, "-m", "candidate")
        self._ml_loadtest("run", Wrong(), out, config="beside.yml")
        planted.write_text(self._compose)
        return self._ran(out)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self._copy, check=True)

    def _ran(self, out: str) -> Ran:
        result = json.loads((self._folder / out / "result.json").read_text())
        measurement = result["measurement"]
        busiest = max(measurement["endpoints"].values(), key=lambda endpoint: endpoint["requests"])
        reasons = "\n".join(reason["text"] for reason in result["reasons"] if reason["code"] in _ACCUSES)
        named = {key for key, metric in METRICS.items() if f"{metric.label} of the service" in reasons}
        return Ran({"p50": busiest["metrics"]["p50"], **measurement["service"]}, frozenset(named))

    def _ml_loadtest(
        self, command: str, wrong: Wrong, out: str, *more: str, config: str = "asked.yml", **also: str
    ) -> None:
        """A run that the machine spoiled says nothing, and is made again; so is one that is not fit for a baseline."""
        with (self._copy / "padding").open("wb") as file:
            file.truncate(wrong.padding)
        arguments = ["--config", str(self._copy / config), "--baseline", str(self._folder / "baseline.json")]
        arguments += ["--locustfile", str(_ROOT / f"locustfiles/{self._name}.py"), "--out", str(self._folder / out)]
        arguments += ["--warm-up", "3s", *more]
        fit = (ExitCode.OK, ExitCode.REGRESSION) if command == "run" else (ExitCode.OK,)
        for _ in range(_ATTEMPTS):
            done = subprocess.run(
                [_PROGRAM, command, *arguments],
                env={**os.environ, **wrong.environment, **also},
                cwd=self._folder,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            if done.returncode in fit:
                return
            if done.returncode not in (ExitCode.REGRESSION, ExitCode.NOTHING_ASSERTED):
                break
        raise SystemExit(
            f"{command} of {self._name}, {wrong}, ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )

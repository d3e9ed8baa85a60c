"""Cancelled jobs, killed conductors, machines that several jobs share: the whole action, as GitHub's runner runs it."""

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from entrypoint.measurement.samples import read_samples
from tests.action.machine import Machine
from tests.action.step_runner import Cancel
from tests.faults.case import Group, Kept
from tests.faults.locustfiles import locusts
from tests.faults.scene import Ended, Scene, of_action
from tests.faults.services import COMMAND, SERVER

CANCELLED = Group(
    "A job that is cancelled",
    {"code": 130, "verdict": "invalid", "sees": "invalid: The run was cancelled.", "slow": True},
)
MACHINE = Group(
    "The machine and its other jobs", {"code": 0, "verdict": "no-baseline", "kept": Kept.SAMPLES, "slow": True}
)
HANGS = "services: {api: {build: ., environment: {HOST: 0.0.0.0, START_S: 60}}}"
BUILDS = """
services:
  api: {build: {context: ., dockerfile_inline: "FROM nginx:1.26\\nRUN sleep 60"}}
"""


def _act(scene: Scene, cancel: Cancel | None = None, machine: Machine | None = None, **inputs: str) -> Ended:
    """The action on a machine; without a token, so that nothing is asked of GitHub.

    What is still being installed when the job is cancelled ends with the job: the runner sees to that, and to nothing else.
    """
    given = {"github-token": "", "duration": "60s", **inputs}
    done = (machine or scene.machine()).run_action(given, cancel=cancel)
    ended = of_action(done)
    assert done.orphans == [] or done.step("install").outcome == "cancelled"
    assert done.outputs["verdict"] == ended.result.get("verdict", "")
    return ended


def _service(scene: Scene, more: str = "ready: {timeout: 60s}", server: str = SERVER) -> None:
    scene.write("server.py", server)
    scene.plan(f'{{command: "{COMMAND}", {more}}}')


@CANCELLED.case("While it is installed", sees="try 1 of 3 failed", code=None, verdict="", kept=Kept.NOTHING)
def _installing(scene: Scene) -> Ended:
    machine = scene.machine(installed=False)
    nobody = "http://127.0.0.1:9/simple"
    machine.environ |= {"PIP_INDEX_URL": nobody, "UV_DEFAULT_INDEX": nobody, "UV_HTTP_RETRIES": "0"}
    return _act(scene, Cancel("install", "try 1 of 3 failed", sigterm_s=0.5, sigkill_s=0.5), machine)


@CANCELLED.case("Just as the build of an image begins", kept=Kept.REPORTS, needs=("docker",))
def _beginning_to_build(scene: Scene) -> Ended:
    scene.compose(BUILDS)
    return _act(scene, Cancel("run", "Building api"))


@CANCELLED.case("While an image is built", kept=Kept.LOG, needs=("docker",))
def _building(scene: Scene) -> Ended:
    scene.compose(BUILDS)
    run = scene.begin("Building api")
    time.sleep(3)
    run.signal(signal.SIGINT)
    return run.ended()


@CANCELLED.case("While it waits until the service is ready", kept=Kept.LOG, needs=("docker",))
def _starting(scene: Scene) -> Ended:
    scene.compose(HANGS, "ready: {timeout: 60s}")
    scene.write("server.py", SERVER)
    return _act(scene, Cancel("run", "Starting the compose project"))


@CANCELLED.case("In `setup`", kept=Kept.LOG)
def _in_setup(scene: Scene) -> Ended:
    _service(scene, "setup: sleep 60")
    return _act(scene, Cancel("run", "Running `setup`"))


@CANCELLED.case("In warm-up", kept=Kept.SAMPLES)
def _in_warm_up(scene: Scene) -> Ended:
    _service(scene)
    return _act(scene, Cancel("run", "warm-up"), **{"warm-up": "5s"})


@CANCELLED.case("In the measured window", kept=Kept.SAMPLES)
def _in_window(scene: Scene) -> Ended:
    _service(scene)
    return _act(scene, Cancel("run", "measuring"))


@CANCELLED.case("In the measured window, with compose", kept=Kept.SAMPLES, needs=("docker",))
def _in_window_with_compose(scene: Scene) -> Ended:
    scene.compose("services: {api: {build: .}}")
    return _act(scene, Cancel("run", "measuring"))


@CANCELLED.case("In the measured window, and the service is deaf to SIGTERM", kept=Kept.SAMPLES)
def _deaf(scene: Scene) -> Ended:
    _service(scene, server=f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}")
    return _act(scene, Cancel("run", "measuring"))


@CANCELLED.case(
    "The runner's patience ends before the run has taken everything down",
    sees="Taking down mlt-",
    code=137,
    verdict="",
    kept=Kept.NOTHING,
)
def _impatient(scene: Scene) -> Ended:
    """The step after it takes down what the killed one left."""
    _service(scene, server=f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}")
    return _act(scene, Cancel("run", "measuring", sigterm_s=0.2, sigkill_s=0.2))


@CANCELLED.case("The step's own time-out ends it", kept=Kept.SAMPLES, needs=("docker",))
def _step_timeout(scene: Scene) -> Ended:
    """Every later step is signalled as soon as it has started."""
    scene.compose("services: {api: {build: .}}")
    return _act(scene, Cancel("run", "measuring", step_timeout=True))


def _signalled(scene: Scene, phase: str, number: int, *arguments: str) -> Ended:
    _service(scene)
    run = scene.begin(phase, *arguments, "--warm-up", "3s", "--duration", "60s")
    time.sleep(1.2)
    run.signal(number)
    return run.ended()


for what, phase, number, code, sees in (
    ("By Ctrl-C in warm-up, with workers", "warm-up", signal.SIGINT, 130, "invalid: The run was cancelled."),
    (
        "By SIGTERM in the measured window, with workers",
        "measuring",
        signal.SIGTERM,
        143,
        "invalid: The run was terminated.",
    ),
):

    def _with_workers(scene: Scene, phase: str = phase, number: int = number) -> Ended:
        ended = _signalled(scene, phase, number, "--workers", "2")
        assert len(list((scene.results / "samples").glob("samples-*.bin"))) == 2
        return ended

    CANCELLED.add(what, _with_workers, sees=sees, code=code, kept=Kept.SAMPLES)


@CANCELLED.case(
    "The run's own `timeout` ends it",
    sees="invalid: The whole run took longer than its timeout of 6 s.",
    code=3, kept=Kept.SAMPLES,
)  # fmt: skip
def _own_timeout(scene: Scene) -> Ended:
    _service(scene, "ready: {timeout: 20s}, setup: sleep 2")
    return scene.run("--duration", "4s", "--timeout", "6s")


# The machine and its other jobs -----------------------------------------------------------------------------------------


KILLS = SERVER.replace("asked = next(turn)", "asked = next(turn)\n        if asked == 300: os.kill(os.getppid(), 9)")


@MACHINE.case(
    "The run is killed, and the step after it takes down what it left",
    sees="took down 1 leftover of suite",
    code=137,
    verdict="",
    kept=Kept.NOTHING,
)
def _conductor_killed(scene: Scene) -> Ended:
    _service(scene, server=KILLS)
    return _act(scene)


@MACHINE.case(
    "The run is killed while Locust and its workers stand still",
    sees="took down 1 leftover of suite",
    verdict="",
    kept=Kept.NOTHING,
)
def _frozen(scene: Scene) -> Ended:
    """They would notice within a second that it is gone; they cannot where they stand still."""
    run = scene.begin("warm-up", "--workers", "2", "--duration", "60s")
    frozen = locusts(scene)
    assert len(frozen) == 3
    for locust in frozen:
        locust.suspend()
    scene.at_end.append(lambda: [locust.kill() for locust in locusts(scene)])
    run.signal(signal.SIGKILL)
    run.ended()
    ended = scene.call("teardown")
    assert "nothing was left" in scene.call("teardown").output
    return ended


@MACHINE.case(
    "Two jobs of the same repository at once", sees="no-baseline: There is no baseline yet", needs=("docker",)
)
def _two_jobs(scene: Scene) -> Ended:
    """Each with a copy of the same services, and its own teardown, which leaves the other's alone."""
    scene.compose("services: {api: {build: ., container_name: the-api, ports: ['8000:8000']}}")
    machines = [scene.machine("machine-1"), scene.machine("machine-2")]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(
            lambda pair: _act(scene, None, pair[0], duration=pair[1]), zip(machines, ("1s", "3s"), strict=True)
        )
    assert (second.code, second.result["verdict"]) == (0, "no-baseline"), second.output
    assert len(read_samples(second.results / "samples")) > 100
    return first


@MACHINE.case(
    "An earlier job crashed and left its service up",
    sees="Taking down mlt-…, which an earlier run left. … no-baseline: There is no baseline yet",
    needs=("docker",),
)  # fmt: skip
def _leftovers(scene: Scene) -> Ended:
    """The machine went down with the job, so that no later step ran, and the runner has emptied its folder since."""
    scene.compose("services: {api: {build: .}}")
    run = scene.begin("measuring", "--duration", "60s", RUNNER_TEMP=str(scene.elsewhere()))
    run.signal(signal.SIGKILL)
    run.ended()
    shutil.rmtree(scene.elsewhere())
    scene.elsewhere()
    return scene.run(RUNNER_TEMP=str(scene.elsewhere()))

"""The compose file, its images, and the engine."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

from tests.faults.case import Group, Kept, Play
from tests.faults.scene import Ended, Scene

FILE = Group("The compose file", {"code": 2, "needs": ("docker",)})
START = Group(
    "Images and start",
    {"code": 3, "verdict": "invalid", "kept": Kept.REPORTS, "needs": ("docker",), "slow": True},
)
ENGINE = Group("The engine", {"code": 3, "verdict": "invalid", "kept": Kept.REPORTS})
SERVES = "services: {api: {build: .}}"
PROFILED = "services: {api: {build: ., profiles: [load]}, db: {image: 'nginx:1.26'}}"
HAS_TO_WAIT = """
services:
  api: {build: ., depends_on: {db: {condition: service_healthy}}}
  db: {image: "nginx:1.26", command: [sleep, "60"], stop_signal: SIGKILL, healthcheck: {test: "exit 1", interval: %s, retries: 1}}
"""
ENDS = """
services:
  api: {build: ., depends_on: [db]}
  db: {image: "nginx:1.26", command: ["sh", "-c", "sleep 1.5; echo no disk; exit 9"]}
"""
MIGRATION = """
services:
  api: {build: ., depends_on: {migrate: {condition: service_completed_successfully}}}
  migrate: {image: "nginx:1.26", command: ["sh", "-c", "echo no table; exit 4"]}
"""
NEVER_READY = "services: {api: {build: ., command: [sleep, '60']}}"
UNBUILDABLE = """
services:
  api: {build: {context: ., dockerfile_inline: "FROM nginx:1.26\\nRUN echo no luck && exit 6"}}
"""


def _composed(text: str, more: str = "ready: {timeout: 20s}", **variables: str) -> Play:
    def play(scene: Scene) -> Ended:
        scene.compose(text, more)
        return scene.run(**variables)

    return play


# The file ---------------------------------------------------------------------------------------------------------------


@FILE.case("It is not there", sees="`compose-file` names …/none.yml, which is not a file.", needs=())
def _missing(scene: Scene) -> Ended:
    scene.plan("{compose-file: none.yml, service: api, port: 8000}")
    return scene.here("run")


@FILE.case("Its `env-file` is not there", sees="`env-file` names …/ci.env, which is not a file.", needs=())
def _no_env_file(scene: Scene) -> Ended:
    scene.compose(SERVES, "env-file: ci.env")
    return scene.here("run")


for what, text, sees in (
    ("It is not YAML", "services: [", "docker compose cannot read compose.yml."),
    ("It has a key that there is not", "services: {api: {bild: .}}", "bild … docker compose cannot read compose.yml."),
    (
        "It has no service of that name",
        "services: {apis: {image: x}}",
        "compose.yml cannot be used … did you mean `apis`?",
    ),
    ("The service is behind a profile", PROFILED, "`api` is not enabled; add its profile `load`"),
    ("The service is on the host's network", "services: {api: {build: ., network_mode: host}}", "`network_mode: host`"),
    ("A variable that it requires is not set", "services: {api: {image: '${X:?set X}'}}", "set X"),
):
    FILE.add(what, _composed(text), sees=sees)

# Images and start -------------------------------------------------------------------------------------------------------

for what, text, more, sees, kept in (
    ("An image cannot be built", UNBUILDABLE, "", "no luck … An image of compose.yml could not be built.", Kept.LOG),
    (
        "An image cannot be pulled",
        "services: {api: {image: 'localhost:1/none'}}",
        "",
        "An image of compose.yml could not be pulled.",
        Kept.LOG,
    ),
    (
        "A network that is external is not there",
        "services: {api: {build: ., networks: [out]}}\nnetworks: {out: {external: true, name: no-such-network}}",
        "",
        "docker compose could not start compose.yml. … an earlier step has to create it",
        Kept.LOG,
    ),
    (
        "The service exits at once",
        "services: {api: {image: 'nginx:1.26', command: ['sh', '-c', 'echo oops >&2; exit 3']}}",
        "",
        "oops … The compose service `api` exited with code 3 before the candidate was ready.",
        Kept.LOG,
    ),
    (
        "The service is done at once",
        "services: {api: {image: 'nginx:1.26', command: ['true']}}",
        "",
        "The compose service `api` exited with code 0 before the candidate was ready.",
        Kept.REPORTS,
    ),
    (
        "Another service exits",
        ENDS,
        "ready: {path: /broken, expect: a, timeout: 20s}",
        "no disk … The compose service `db` exited with code 9 before the candidate was ready.",
        Kept.LOG,
    ),
    (
        "A migration fails",
        MIGRATION,
        "",
        "no table … The compose service `migrate` exited with code 4 before the candidate was ready.",
        Kept.LOG,
    ),
    (
        "A service that it waits for is unhealthy",
        HAS_TO_WAIT % "500ms",
        "",
        "The compose service `db` is unhealthy, and another one waits for it.",
        Kept.LOG,
    ),
    (
        "Nothing listens on its port",
        NEVER_READY,
        "ready: {timeout: 2s}",
        "The candidate was not ready within 2 s. … Does it listen on 0.0.0.0 (not on 127.0.0.1) and on port 8000",
        Kept.LOG,
    ),
    (
        "A service that it waits for takes too long",
        HAS_TO_WAIT % "60s",
        "ready: {timeout: 3s}",
        "The services of compose.yml were not started within 3 s (`ready.timeout`).",
        Kept.LOG,
    ),
):
    START.add(what, _composed(text, more or "ready: {timeout: 20s}"), sees=sees, kept=kept)


# The engine -------------------------------------------------------------------------------------------------------------


@ENGINE.case("`docker` is not installed", sees="`docker` could not be run. It is not on the PATH of this machine")
def _no_docker(scene: Scene) -> Ended:
    scene.compose(SERVES)
    return scene.run(PATH=str(scene.work))


@ENGINE.case("Docker has no Compose v2", sees="`docker compose` could not be run. This docker has no Compose v2")
def _no_compose(scene: Scene) -> Ended:
    scene.compose(SERVES)
    program = scene.write("docker", "#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2; exit 1\n")
    program.chmod(0o755)
    return scene.run(PATH=f"{scene.work}:/bin")


@ENGINE.case(
    "No engine is running",
    sees="No docker engine answers. It is not running, or this user may not talk to it.",
    needs=("docker",),
)
def _no_engine(scene: Scene) -> Ended:
    scene.compose(SERVES)
    return scene.run(DOCKER_HOST=f"unix://{scene.folder}/none.sock")


class Wire:
    """A socket that leads to the engine until it is cut."""

    def __init__(self, scene: Scene) -> None:
        self._engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        # A socket's path may have hardly more than a hundred characters.
        self.path = Path("/tmp") / f"{scene.suite}.sock"
        self._open: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        scene.at_end.append(self.cut)

    def cut(self) -> None:
        """From now on nobody is there."""
        self.path.unlink(missing_ok=True)
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@ENGINE.case(
    "It goes away in mid-run",
    sees="may still be there: No docker engine answers. `ml-loadtest teardown` tries again. … No docker engine answers.",
    kept=Kept.SAMPLES, needs=("docker",), slow=True,
)  # fmt: skip
def _engine_goes_away(scene: Scene) -> Ended:
    """What it left is taken down by `teardown`, once an engine answers again."""
    scene.compose(SERVES)
    wire = Wire(scene)
    run = scene.begin("measuring", "--duration", "3s", DOCKER_HOST=f"unix://{wire.path}")
    wire.cut()
    ended = run.ended()
    down = scene.call("teardown")
    assert "took down 1 leftover" in down.output, down.output
    return ended

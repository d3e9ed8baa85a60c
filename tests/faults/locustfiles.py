"""The locustfile, and Locust itself."""

import socket
import time

import psutil

from tests.faults.case import Group, Kept, Play
from tests.faults.scene import USERS, Begun, Ended, Scene

GROUP = Group("The locustfile and Locust", {"code": 3, "verdict": "invalid", "kept": Kept.SAMPLES, "slow": True})


def _with_users(text: str, *arguments: str) -> Play:
    def play(scene: Scene) -> Ended:
        scene.write("users.py", text)
        return scene.run(*arguments)

    return play


def locusts(scene: Scene, kind: str = "") -> list[psutil.Process]:
    """Locust's processes of a run: those with that word in their command line."""
    commands = [(process, process.cmdline()) for process in scene.processes()]
    return [process for process, words in commands if "launch.py" in " ".join(words) and (not kind or kind in words)]


for what, text, sees in (
    ("It is not Python", "x = (", "SyntaxError … `users.py` could not be loaded. … Mend what the last line says"),
    (
        "It needs a package that is not there",
        "import nowhere",
        "No module named 'nowhere' … `users.py` could not be loaded. … packages it needs belong into `requirements`.",
    ),
    ("It has no user", "x = 1", "`users.py` has no User class. … Add one with at least one @task."),
):
    GROUP.add(what, _with_users(text), sees=sees, code=2, verdict="", kept=Kept.NOTHING)

for what, more, sees, kept in (
    (
        "`on_start` raises",
        "    def on_start(self): raise RuntimeError('no key')",
        "None of 4 users could start: `on_start` raised RuntimeError: no key; mend it, or give it what it needs.",
        Kept.REPORTS,
    ),
    (
        "A task raises",
        "    @task\n    def broken(self): raise KeyError('typo')",
        "first with KeyError: 'typo'; mend it",
        Kept.SAMPLES,
    ),
    (
        "It asks nothing in the measured window",
        "    wait_time = constant(60)",
        "No requests were due in the measured window; measure for longer, or let the users wait less.",
        Kept.REPORTS,
    ),
):
    GROUP.add(what, _with_users(f"{USERS}\n{more}\n"), sees=sees, kept=kept)


@GROUP.case(
    "Its requirements cannot be installed",
    sees="The locustfile's requirements `needs.txt` could not be installed.",
    code=2, verdict="", kept=Kept.NOTHING,
)  # fmt: skip
def _requirements(scene: Scene) -> Ended:
    scene.write("needs.txt", "no-such-package @ file:///nowhere\n")
    return scene.run("--requirements", "needs.txt")


@GROUP.case(
    "The package index does not answer while they are installed",
    sees="operation timed out … The locustfile's requirements `needs.txt` could not be installed.",
    code=2,
    verdict="",
    kept=Kept.NOTHING,
)
def _index_hangs(scene: Scene) -> Ended:
    scene.write("needs.txt", "some-package\n")
    silent = socket.create_server(("127.0.0.1", 0))
    scene.at_end.append(silent.close)
    index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
    patience = {"UV_HTTP_TIMEOUT": "1", "UV_HTTP_RETRIES": "0"}
    return scene.run("--requirements", "needs.txt", UV_DEFAULT_INDEX=index, **patience)


@GROUP.case(
    "A user blocks all others and never lets go",
    sees="invalid: The whole run took longer than its timeout of 10 s.",
    kept=Kept.REPORTS,
)
def _blocks(scene: Scene) -> Ended:
    """Locust alone would be waited for as long as the plan can take if everything is slow: here two and a half minutes."""
    blocking = "    @task\n    def stuck(self):\n        while True: pass\n"
    return _with_users(f"{USERS}\n{blocking}", "--timeout", "10s")(scene)


def _killed(scene: Scene, kind: str, *arguments: str) -> Begun:
    run = scene.begin("measuring", *arguments, "--duration", "60s")
    time.sleep(1.5)
    locusts(scene, kind)[0].kill()
    return run


@GROUP.case(
    "Locust is killed",
    sees="Locust was ended by signal 9 (Killed; the kernel does that when memory runs out) before it could close its records; "
    "`locust/locust.log` of the results says more.",
)
def _locust_killed(scene: Scene) -> Ended:
    return _killed(scene, "").ended()


@GROUP.case("A worker is killed", sees="invalid: Worker … it died, froze or lost its connection; its log says more")
def _worker_killed(scene: Scene) -> Ended:
    return _killed(scene, "--worker", "--workers", "2").ended()

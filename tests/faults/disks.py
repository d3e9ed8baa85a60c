"""The disk takes no more, or never did."""

import os
import shutil
import subprocess

from tests.faults.case import Group, Kept, Play
from tests.faults.scene import USERS, Ended, Scene

GROUP = Group("Disk and permissions", {"code": 2})


def _own_disk(scene: Scene, mounted: str, otherwise: str) -> tuple[str, ...]:
    """The beginning of a command for which `results` is a disk of its own, or else a limit of small files stands for one.

    What is on it afterwards is left in `results`.
    """
    scene.results.mkdir()
    tried = ["unshare", "-rm", "sh", "-c", mounted]
    can = not subprocess.run(tried, cwd=scene.work, check=False, capture_output=True).returncode
    first = mounted if can else otherwise
    script = f'{first} && {{ "$@"; code=$?; cp -a results kept; exit $code; }}'
    return (*(("unshare", "-rm") if can else ()), "sh", "-c", script, "sh")


def _brought_back(scene: Scene) -> None:
    shutil.rmtree(scene.results)
    (scene.work / "kept").rename(scene.results)


def _full(*arguments: str) -> Play:
    def play(scene: Scene) -> Ended:
        # Twenty numbers with long names for each request fill the disk fast.
        fill = "        attach(self, **{'x' * 35 + f'_{n}': 1 / (n + 3) for n in range(20)})\n"
        scene.write("users.py", "from ml_loadtest import attach\n" + USERS.rstrip() + "\n" + fill)
        disk = _own_disk(scene, "mount -t tmpfs -o size=2300k none results", "ulimit -f 3200")
        ended = scene.call("run", *arguments, "--duration", "60s", before=disk)
        _brought_back(scene)
        assert ended.result["reasons"][0]["code"] == "complete"
        assert (scene.results / "report.html").read_text().rstrip().endswith("</html>")
        return ended

    return play


for what, arguments in (("It is full in mid-run", ()), ("It is full in mid-run, with workers", ("--workers", "2"))):
    GROUP.add(
        what, _full(*arguments), code=3, verdict="invalid", kept=Kept.SAMPLES, slow=True,
        sees="The samples could not be written: …; make room where the results go, or name another place with `--out`.",
    )  # fmt: skip


@GROUP.case(
    "It is full before the run begins", sees="`--out` names `…/results`, which cannot be written to: … Make room there"
)
def _full_before(scene: Scene) -> Ended:
    ended = scene.call("run", before=_own_disk(scene, "mount -t tmpfs -o size=64k none results", "ulimit -f 64"))
    _brought_back(scene)
    return ended


def _read_only(scene: Scene) -> tuple[str, ...]:
    """The beginning of a command for which the checkout is read-only: for root by its mount, for others by its mode."""
    if os.getuid():
        scene.work.chmod(0o555)
        scene.at_end.append(lambda: scene.work.chmod(0o755))
        return ()
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && "$@"'
    return ("unshare", "-m", "sh", "-c", mount, str(scene.work))


@GROUP.case(
    "The workspace is read-only", sees="`--out` names `…/results`, which cannot be written to: … Make room there"
)
def _read_only_workspace(scene: Scene) -> Ended:
    elsewhere = scene.elsewhere()
    return scene.call("run", before=_read_only(scene), TMPDIR=str(elsewhere))


@GROUP.case(
    "The workspace is read-only, and the results go elsewhere",
    sees="no-baseline: There is no baseline yet",
    code=0, verdict="no-baseline", kept=Kept.SAMPLES, slow=True,
)  # fmt: skip
def _read_only_and_elsewhere(scene: Scene) -> Ended:
    elsewhere = scene.elsewhere()
    scene.results = elsewhere / "results"
    return scene.call("run", "--out", str(scene.results), before=_read_only(scene), TMPDIR=str(elsewhere))


@GROUP.case(
    "The results folder may not be written to",
    sees="`--out` names `…/results`, which cannot be written to: Permission denied. Make room there, or name a folder",
)
def _not_permitted(scene: Scene) -> Ended:
    scene.results.mkdir(mode=0o555)
    # Root may write anywhere, unless that is taken from it.
    without = () if os.getuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    return scene.call("run", before=without)


@GROUP.case(
    "The results folder has files of somebody else's",
    sees="`--out` names `…/results`, which has a `service` that no run of ours wrote.",
)
def _somebody_elses(scene: Scene) -> Ended:
    path = scene.write("results/service/model.py", "precious")
    ended = scene.here("run")
    assert path.read_text() == "precious"
    return ended

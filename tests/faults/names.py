"""Names that nobody would give: very many, very long, of every script, of several lines."""

import json
import sys

from tests.faults.case import Group, Kept
from tests.faults.scene import Ended, Scene
from tests.faults.services import SERVER

GROUP = Group(
    "Names",
    {
        "code": 0,
        "verdict": "no-baseline",
        "kept": Kept.SAMPLES,
        "slow": True,
        "sees": "no-baseline: There is no baseline yet",
    },
)
LARGEST_COMMENT = 65_536
USERS = """
import itertools
from locust import FastHttpUser, constant, task

names = [eval(line) for line in open("names.txt")]
turn = itertools.count()

class Caller(FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self):
        self.client.get("/predict", name=names[next(turn) % len(names)])
"""


def _named(scene: Scene, names: list[str], seconds: int = 2) -> Ended:
    """A run that asks under each name in turn; each must be an endpoint of its own in the end, as it was given."""
    scene.write("names.txt", "\n".join(map(ascii, names)))
    scene.write("users.py", USERS)
    scene.write("server.py", SERVER)
    ended = scene.run("--duration", f"{seconds}s")
    endpoints = ended.result["measurement"]["endpoints"] if ended.result else {}
    assert len(endpoints) == len(names), ended.output[-2000:]
    assert len((scene.results / "comment.md").read_text()) < LARGEST_COMMENT
    return ended


@GROUP.case("1,000 endpoints")
def _thousand(scene: Scene) -> Ended:
    return _named(scene, [f"/predict/{number}" for number in range(1000)], 6)


@GROUP.case("A name of every Unicode block")
def _every_block(scene: Scene) -> Ended:
    """A block begins at a multiple of 16, so that every sixteenth character meets each of them."""
    characters = [chr(code) for code in range(16, sys.maxunicode + 1, 16) if not 0xD800 <= code < 0xE000]
    return _named(scene, ["".join(characters[at : at + 512]) for at in range(0, len(characters), 512)])


@GROUP.case("Half a surrogate pair in a name")
def _surrogate(scene: Scene) -> Ended:
    return _named(scene, ["/a\ud800", "/b"])


@GROUP.case("Newlines, control characters and commands of the runner in names")
def _newlines(scene: Scene) -> Ended:
    names = [
        "/a\nb",
        "/a\r\n::error::x",
        "/a\x00b",
        "/a\x1b[31m",
        "/\u2028",
        "::set-output name=verdict::pass",
        "##[error]x",
        "<script>",
    ]
    ended = _named(scene, names)
    assert not [line for line in ended.output.splitlines() if line.startswith(("::", "##["))]
    return ended


@GROUP.case("A name of 10 KB")
def _long(scene: Scene) -> Ended:
    ended = _named(scene, ["/" + "x" * 10_240, "/b"])
    found = json.loads((scene.results / "result.json").read_text())["measurement"]["endpoints"]
    assert max(map(len, found)) < 10_300
    return ended

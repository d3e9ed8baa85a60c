"""A committed baseline that is missing, damaged, or of something else."""

import json

from tests.faults.case import Group, Kept, Play
from tests.faults.scene import Ended, Scene

GROUP = Group("The baseline", {"code": 2})


def _holding(text: str | bytes) -> Play:
    def play(scene: Scene) -> Ended:
        scene.write(".loadtest/baseline.json", text)
        return scene.here("run")

    return play


_A_RUN = {
    "occasion": "1",
    "commit": "c",
    "date": "2026-01-02",
    "endpoints": {"GET /": {"requests": 9, "failures": 0, "values": {}}},
}
_GROUP = {"fingerprint": {"machine": "m", "launcher": "process", "plan": "p"}, "runs": [_A_RUN]}


@GROUP.case(
    "There is none",
    sees="no-baseline: There is no baseline yet",
    verdict="no-baseline", code=0, kept=Kept.SAMPLES, slow=True,
)  # fmt: skip
def _none(scene: Scene) -> Ended:
    return scene.run()


for what, text, sees in (
    ("It is empty", "", "The baseline `baseline.json` is not JSON: Expecting value"),
    ("It is not JSON", "p50: 4 ms", "The baseline `baseline.json` is not JSON: Expecting value"),
    (
        "It is not UTF-8",
        b'{"a": "\xff"}',
        "The baseline `…/baseline.json` cannot be read: 'utf-8' codec can't decode byte 0xff",
    ),
    ("It is a list", "[]", "The baseline `baseline.json` is not one: … Restore it from the repository's history"),
    (
        "It is nested 100,000 deep",
        "[" * 100_000,
        "The baseline `baseline.json` is not JSON: maximum recursion depth exceeded",
    ),
    (
        "It is of a newer schema",
        json.dumps({"schema_version": 9, "groups": []}),
        "The baseline `baseline.json` is of schema version 9; this ml-loadtest knows 1.",
    ),
    (
        "It holds NaN",
        '{"schema_version": 1, "groups": [NaN]}',
        "The baseline `baseline.json` is not JSON: NaN is not a number.",
    ),
    (
        "It holds a number too large to be one",
        '{"schema_version": 1, "groups": 1e999}',
        "The baseline `baseline.json` is not one: `groups`",
    ),
    (
        "It has 20 MB",
        b" " * (20 * 2**20),
        "The baseline `…/baseline.json` cannot be read: it is larger than 10 MB. … Restore it from the repository's history",
    ),
):
    GROUP.add(what, _holding(text), sees=sees)


@GROUP.case("It is a folder", sees="The baseline `…/baseline.json` cannot be read: Is a directory.")
def _folder(scene: Scene) -> Ended:
    (scene.work / ".loadtest/baseline.json").mkdir(parents=True)
    return scene.here("run")


@GROUP.case(
    "It is of another plan",
    sees="inconclusive: The baseline has no run on this kind of machine with this load",
    verdict="inconclusive", code=0, kept=Kept.SAMPLES, slow=True,
)  # fmt: skip
def _of_another_plan(scene: Scene) -> Ended:
    scene.write(".loadtest/baseline.json", json.dumps({"schema_version": 1, "groups": [_GROUP]}))
    return scene.run()

"""Programs that are run to their end, and what they have started."""

import os
import time

import psutil
import pytest

from entrypoint.service.commands import run

STUBBORN = """
trap '' TERM
exec sleep 60
"""


def left(folder):
    """Processes that work in a folder."""
    every = psutil.process_iter(["cwd", "status"])
    return [each for each in every if each.info["cwd"] == str(folder) and each.info["status"] != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("how", ["&", "</dev/null >/dev/null 2>&1 &"], ids=["with its pipes", "without"])
@pytest.mark.parametrize("group", ["", "set -m;"], ids=["in its group", "in a group of its own"])
def test_what_a_program_has_started_ends_with_it(tmp_path, how, group):
    """The program is gone at the first signal; what it has started is deaf to that."""
    (tmp_path / "stubborn").write_text(STUBBORN)
    began = time.monotonic()
    script = f"{group} sh stubborn {how} exec sleep 60"

    outcome = run(["bash", "-c", script], environment=dict(os.environ), cwd=tmp_path, timeout_s=0.5)

    assert (outcome.timed_out, outcome.succeeded) == (True, False)
    assert left(tmp_path) == []
    assert time.monotonic() - began < 6


def test_what_an_interrupted_program_has_started_ends_too(tmp_path, monkeypatch):
    (tmp_path / "stubborn").write_text(STUBBORN)

    def interrupt(*_args, **_more):
        monkeypatch.undo()
        time.sleep(0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.communicate", interrupt)
    with (tmp_path / "log").open("wb") as log, pytest.raises(KeyboardInterrupt):
        run(
            ["bash", "-c", "sh stubborn & exec sleep 60"],
            environment=dict(os.environ), cwd=tmp_path, timeout_s=60, output=log,
        )  # fmt: skip
    assert left(tmp_path) == []

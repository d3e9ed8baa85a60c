"""The Docker engine, where there is one."""

import os
import subprocess
from functools import cache

import pytest

REQUIRED = "ML_LOADTEST_REQUIRE_DOCKER"


@cache
def missing() -> str:
    """Why tests with docker cannot run here, "" if they can."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{' '.join(command)}: {error}"
        if done.returncode:
            return f"{' '.join(command)}: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
    return ""


def engine_or_skip() -> None:
    """Skip the test with the reason; fail it where an engine was promised."""
    if reason := missing():
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but {reason}")
        pytest.skip(f"no Docker engine: {reason}")


_LISTS = (
    ("ps", "--all", "--format", "{{.Names}}"),
    ("network", "ls", "--format", "{{.Name}}"),
    ("volume", "ls", "--format", "{{.Name}}"),
    ("image", "ls", "--format", "{{.Repository}}"),
)


def ours() -> set[str]:
    """Containers, networks, volumes and images with our project names."""
    found: set[str] = set()
    for kind in _LISTS:
        done = subprocess.run(["docker", *kind], capture_output=True, text=True, timeout=30, check=True)
        found |= {name for name in done.stdout.split() if name.startswith("mlt-")}
    return found

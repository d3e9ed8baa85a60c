"""Where a run came from: the machine it ran on, and the occasion that its runs share."""

import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from entrypoint.settings.runner import Runner

_FIELDS = (
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "cache size",
    "CPU implementer",
    "CPU part",
    "CPU variant",
)


def machine() -> str:
    """Processor and cores of this machine: family, model, stepping, cache. The same text on every machine of a kind."""
    first = _first_processor()
    name = first.get("model name") or first.get("CPU part") or platform.machine()
    details = "/".join(first.get(field, "-") for field in _FIELDS if field != "model name")
    digest = hashlib.sha256(details.encode()).hexdigest()[:6]
    cores = len(os.sched_getaffinity(0))
    return f"{name}, {cores} cores, {first.get('cache size', 'cache unknown')} [{digest}]"


def _first_processor() -> dict[str, str]:
    try:
        block = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
    return {key.strip(): " ".join(value.split()) for key, value in pairs if key.strip() in _FIELDS}


def occasion(runner: Runner) -> str:
    """What runs share that luck has in common: one job, each of a matrix by itself; outside CI, one boot and clock hour."""
    if runner.run_id:
        return "-".join((runner.run_id, runner.attempt or "1", runner.job or "job", *runner.matrix))
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        boot = platform.node() or "here"
    return f"{boot}-{time.strftime('%Y%m%d%H', time.gmtime())}"


def commit(runner: Runner, root: Path, environment: Mapping[str, str]) -> str:
    """The commit that was measured: the job's, else the checkout's, "" outside both."""
    if runner.sha:
        return runner.sha
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(git, env=dict(environment), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

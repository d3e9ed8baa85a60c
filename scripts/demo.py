"""`make demo`: the main job on the recommender, from calibration to a red build, in under three minutes.

With a Docker engine it runs the service by compose, as the action does; without one, as a plain process.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

_ROOT = Path(__file__).parents[1]
_DEMO = _ROOT / ".demo"
_BASELINE = _DEMO / "baseline.json"
_CONFIG = "examples/recommender/loadtest.yml"
_QUICK = ("--warm-up", "4s..8s", "--duration", "12s")


def main() -> int:
    """Calibrate, measure the unchanged service, measure the slowed one. 0 if the gate did as it should."""
    console = Console()
    began = time.monotonic()
    launcher = _launcher(console)
    _BASELINE.unlink(missing_ok=True)
    console.rule("1 of 3: calibrate, two runs of the unchanged service")
    if code := _ml_loadtest("calibrate", "--runs", "2", "--out", str(_DEMO / "calibration"), *launcher):
        return code
    console.rule("2 of 3: the unchanged service must not be accused")
    unchanged = _run(console, "unchanged", launcher)
    console.rule("3 of 3: every prediction 50 ms slower must be caught")
    slowed = _run(console, "slowed", launcher, DELAY_MS="50")
    console.rule("done")
    console.print(
        f"unchanged: exit code {unchanged}; slowed: exit code {slowed}; {time.monotonic() - began:.0f} s in all"
    )
    console.print(f"The HTML reports: {_DEMO}/unchanged/report.html and {_DEMO}/slowed/report.html")
    if (unchanged, slowed) != (0, 1):
        console.print("[bold red]The demonstration did not go as it should: 0 and 1 were expected.[/]")
        return 1
    return 0


def _launcher(console: Console) -> tuple[str, ...]:
    if _has_engine():
        console.print("A Docker engine is running: the service runs by docker compose.")
        return ()
    console.print("No Docker engine answers: the service runs as a plain process.")
    return ("--command", f"{_ROOT}/.venv-examples/bin/python serve.py --port {{port}}")


def _has_engine() -> bool:
    try:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False, timeout=20)
        return (
            not done.returncode
            and not subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=20).returncode
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _ml_loadtest(command: str, *arguments: str, **environment: str) -> int:
    program = str(Path(sys.executable).with_name("ml-loadtest"))
    line = [program, command, "--config", _CONFIG, "--baseline", str(_BASELINE), *_QUICK, *arguments]
    return subprocess.run(line, cwd=_ROOT, env={**os.environ, **environment}, check=False).returncode


def _run(console: Console, name: str, launcher: tuple[str, ...], **environment: str) -> int:
    folder = _DEMO / name
    code = _ml_loadtest("run", "--out", str(folder), *launcher, **environment)
    comment = folder / "comment.md"
    if comment.exists():
        console.print(Markdown(comment.read_text(encoding="utf-8").split("<details>")[0]))
    console.print(f"exit code {code}")
    return code


if __name__ == "__main__":
    sys.exit(main())

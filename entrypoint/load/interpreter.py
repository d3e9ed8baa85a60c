"""Locust's own Python environment, and the one that a locustfile's requirements go into."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from entrypoint.errors import LoadError, SettingsError

_LOCK = Path(__file__).parents[2] / "requirements" / "locust.txt"


def locust_python(requirements: Path | None, environment: Mapping[str, str]) -> Path:
    """The interpreter that has Locust, and the user's own packages where there are any.

    Locust's environment stands beside ours, named `<ours>-locust`. A user's requirements get a copy of it, kept for the next
    run under a name made of both locks, and are constrained by our lock: a locustfile cannot change Locust's version.

    Raises:
        LoadError: if Locust's environment was not installed.
        SettingsError: if the requirements cannot be installed beside our lock.
    """
    plain = Path(f"{sys.prefix}-locust")
    if not (plain / "bin" / "python").exists():
        raise LoadError(
            f"Locust's environment `{plain}` is missing.", remedy="Run `make install`, or install the action again."
        )
    if requirements is None:
        return plain / "bin" / "python"
    if not requirements.is_file():
        raise SettingsError(f"`requirements` names `{requirements}`, which is not a file.")
    digest = hashlib.sha256(_LOCK.read_bytes() + requirements.read_bytes()).hexdigest()[:12]
    folder = Path(f"{plain}-{digest}")
    if not (folder / ".complete").exists():
        _install(folder, requirements, environment)
    return folder / "bin" / "python"


def _install(folder: Path, requirements: Path, environment: Mapping[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = str(Path(sys.prefix) / "bin" / "uv")
    python = str(folder / "bin" / "python")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        # Hashes would force hashes on the user's own file, so the constraints are the lock's versions alone.
        constraints.write("\n".join(line.split(" \\")[0] for line in _LOCK.read_text().splitlines() if "==" in line))
        constraints.flush()
        steps = (
            [uv, "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--no-config", "--python", python, "--require-hashes", "-r", str(_LOCK)],
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--no-config",
                "--python",
                python,
                "-r",
                str(requirements),
                "-c",
                constraints.name,
            ],
        )
        for step in steps:
            done = subprocess.run(step, env=dict(environment), capture_output=True, text=True, check=False)
            if done.returncode:
                raise SettingsError(
                    f"The locustfile's requirements `{requirements.name}` could not be installed.",
                    cause="A package is missing, or it needs another version of something that Locust needs too.",
                    remedy="Loosen its version, or drop it: what Locust brings is there already.",
                    log="\n".join(done.stderr.splitlines()[-20:]),
                )
    (folder / ".complete").touch()

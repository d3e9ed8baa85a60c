"""Locust's own Python environment, and the one that a locustfile's requirements go into."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from entrypoint.errors import LoadError, SettingsError

# Larger packages than those for models hardly exist, and they come within minutes.
_LONGEST_S = 900.0
# Where packages come from is the job's to say.
_SOURCES = (
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_KEYRING_PROVIDER",
    "UV_CACHE_DIR",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_HTTP_",
)
_LOCK = Path(__file__).parents[2] / "requirements" / "locust.txt"


def locust_python(requirements: Path | None, environment: Mapping[str, str]) -> Path:
    """The interpreter that has Locust, and the user's own packages where there are any.

    Locust's environment stands beside ours, named `<ours>-locust`. A user's requirements get a copy of it, kept for the next
    run under a name made of both locks, and are constrained by our lock: a locustfile cannot change Locust's version.

    Raises:
        LoadError: if Locust's environment was not installed, or that of the requirements takes too long.
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
        try:
            _install(folder, requirements, environment)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder / "bin" / "python"


def _for_uv(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what would have uv install something else, or elsewhere; where packages come from is left."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_SOURCES) or not name.startswith(("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV"))
    }


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
        deadline = time.monotonic() + _LONGEST_S
        for step in steps:
            _do(step, requirements.name, environment, deadline)
    (folder / ".complete").touch()


def _do(step: list[str], name: str, environment: Mapping[str, str], deadline: float) -> None:
    """One step of the installation of the requirements in the file of that name."""
    try:
        left_s = max(0.1, deadline - time.monotonic())
        done = subprocess.run(
            step, env=_for_uv(environment), capture_output=True, text=True, timeout=left_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(
            f"The locustfile's requirements `{name}` were not installed after {_LONGEST_S:g} s.",
            cause="The package index is slow or hangs, or a package is built from its sources.",
            remedy="Run the job again; or name an index that is nearer in `UV_DEFAULT_INDEX`.",
        ) from error
    if done.returncode:
        raise SettingsError(
            f"The locustfile's requirements `{name}` could not be installed.",
            cause="A package is missing, or it needs another version of something that Locust needs too.",
            remedy="Loosen its version, or drop it: what Locust brings is there already.",
            log="\n".join(done.stderr.splitlines()[-20:]),
        )

"""Files from npm packages, for tests against what others publish."""

import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path


class PackageUnavailableError(Exception):
    """npm is missing, or the registry did not answer three times."""


def packed(package: str, version: str, name: str) -> bytes:
    """One file of a package. `npm pack` into a folder of its own: installed, some packages take hundreds of megabytes.

    Raises:
        PackageUnavailableError: it is not to be had.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PackageUnavailableError(f"npm is not installed, and {package} {version} is not cached")
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        for pause_s in (0, 2, 5):
            time.sleep(pause_s)
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
            if done.returncode == 0:
                with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                    member = archive.extractfile(f"package/{name}")
                    assert member is not None
                    return member.read()
            said = done.stderr.strip()[-300:]
    raise PackageUnavailableError(f"npm pack {package}@{version} failed three times: {said}")

"""Ask pip-audit for known vulnerabilities of every locked package: `python -P -m scripts.audit PIP_AUDIT LOCK...`.

It fails for a vulnerability, and just as much for a package that was not looked up: pip-audit passes over what its database does
not answer for, and what a marker keeps from this machine, and so could audit nothing and be content.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)[^\\]*", re.MULTILINE)


def pins(lock: str) -> list[tuple[str, str]]:
    """Name and version of each package of a lock, for every platform and Python."""
    return [(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in _PIN.findall(lock)]


def batches(pinned: Iterable[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """The same in groups with one version of each package: a lock has several where Python versions need different ones."""
    left = sorted(set(pinned))
    while left:
        batch = dict(reversed(left))
        left = [pin for pin in left if pin not in batch.items()]
        yield batch


def findings(batch: dict[str, str], report: str) -> list[str]:
    """What is wrong with a batch by pip-audit's report in JSON: vulnerabilities, and packages that it did not look up."""
    told = {found["name"].lower(): found for found in json.loads(report)["dependencies"]}
    wrong = []
    for name, version in batch.items():
        found = told.get(name, {})
        if found.get("version") != version:
            wrong.append(
                f"{name} {version} was not looked up: {found.get('skip_reason', 'pip-audit does not say why')}"
            )
        wrong += [
            f"{name} {version} has {vulnerability['id']}, mended in {', '.join(vulnerability['fix_versions']) or 'no release'}"
            for vulnerability in found.get("vulns", [])
        ]
    return wrong


def audit(program: str, batch: dict[str, str]) -> list[str]:
    """Ask about one batch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("".join(f"{name}=={version}\n" for name, version in batch.items()), encoding="utf-8")
        command = [
            program,
            "--requirement",
            path,
            "--no-deps",
            "--disable-pip",
            "--progress-spinner=off",
            "--format=json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        return [f"pip-audit could not audit {len(batch)} packages: {done.stderr.strip() or 'it says nothing'}"]
    return findings(batch, done.stdout)


def main() -> int:
    """Audit the locks that are named."""
    program, *locks = sys.argv[1:]
    pinned = [pin for lock in locks for pin in pins(Path(lock).read_text(encoding="utf-8"))]
    wrong = [line for batch in batches(pinned) for line in audit(program, batch)]
    print(
        "\n".join(wrong)
        if wrong
        else f"{len(set(pinned))} packages were looked up, and none has a known vulnerability."
    )
    return 1 if wrong or not pinned else 0


if __name__ == "__main__":
    sys.exit(main())

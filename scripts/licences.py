"""THIRD-PARTY.md: what a release installs, and under which licence, from the packages' own metadata.

`python -P -m scripts.licences` writes it anew; `make install` has to be done.
"""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "THIRD-PARTY.md"
ENVIRONMENTS = {"the conductor": (".venv", "conductor.txt"), "Locust's environment": (".venv-locust", "locust.txt")}
_HEAD = """# What is installed, and under which licence

Packages that the action installs on Linux, as their own metadata says; `python -P -m scripts.licences` makes this list. The
library in the HTML report is in [its own folder](entrypoint/report/vendor/README.md).

| package | licence | for |
| --- | --- | --- |
"""
_ASK = """
import json
from importlib.metadata import distributions
keys = ("License-Expression", "Classifier", "License")
print(json.dumps([[d.metadata["Name"], {key: d.metadata.get_all(key) or [] for key in keys}] for d in distributions()]))
"""
_CLASSIFIER = "License :: OSI Approved :: "


def normal(name: str) -> str:
    """A package's name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> set[str]:
    """The names in a lock."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    return {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def installed(environment: str) -> dict[str, str]:
    """The licence of each package in an environment."""
    python = ROOT / environment / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, text=True, check=True)
    return {normal(name): licence(metadata) for name, metadata in json.loads(done.stdout)}


def licence(metadata: dict[str, list[str]]) -> str:
    """An SPDX expression where there is one, else the classifiers, else the first line of a free text; "" without any."""
    if expression := metadata["License-Expression"]:
        return expression[0]
    approved = [text.removeprefix(_CLASSIFIER) for text in metadata["Classifier"] if text.startswith(_CLASSIFIER)]
    return " or ".join(approved) or next(iter(metadata["License"]), "").strip().split("\n")[0]


def rows() -> dict[str, tuple[str, str]]:
    """Licence and purpose of each locked package that is installed here."""
    found: dict[str, tuple[str, str]] = {}
    for purpose, (environment, lock) in ENVIRONMENTS.items():
        licences = installed(environment)
        for name in locked(lock) & licences.keys():
            both = name in found
            found[name] = (licences[name], "both" if both else purpose)
    return dict(sorted(found.items()))


def main() -> None:
    """Write the file."""
    lines = [f"| {name} | {text} | {purpose} |\n" for name, (text, purpose) in rows().items()]
    FILE.write_text(_HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

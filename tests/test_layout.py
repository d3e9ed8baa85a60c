"""The house's own rules: arrows point one way, the wall stands, functions stay short."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "entrypoint").rglob("*.py"))

# What each stage may import of ours, beside itself. `measurement.metrics` and `settings` are leaves that all may name.
LEAVES = {"errors", "interruption", "files", "concealment", "settings", "contract", "timer", "measurement.metrics"}
ALLOWED = {
    "errors": set(),
    "interruption": {"errors"},
    "files": set(),
    "concealment": {"errors", "settings", "contract"},
    "settings": {"errors", "files", "measurement.metrics"},
    "service": LEAVES,
    "load": LEAVES,
    "measurement": LEAVES,
    "baseline": LEAVES | {"measurement"},
    "judgement": LEAVES | {"measurement", "baseline.model"},
    "report": LEAVES | {"measurement", "judgement"},
    "history": LEAVES | {"measurement", "judgement", "report"},
    "publish": {"errors", "settings"},
}
# What the conductor may import of the instrument.
OVER_THE_WALL = {"contract", "timer"}
ANYTHING = {
    "run",
    "generation",
    "deciding",
    "side_by_side",
    "known",
    "cli",
    "commands",
    "console",
    "__main__",
    "__init__",
}


def modules(path):
    """Every module of ours that a file imports, without the package's name."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from names


def stage(path):
    parts = path.relative_to(ROOT / "entrypoint").with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    here = stage(path)
    if here in ANYTHING:
        return
    for name in modules(path):
        if name.startswith("locustfiles."):
            target = name.removeprefix("locustfiles.ml_loadtest.").split(".")[0]
            assert target in OVER_THE_WALL, name
        elif name.startswith("entrypoint."):
            target = name.removeprefix("entrypoint.")
        else:
            continue
        allowed = {here, *ALLOWED[here]}
        if target != "__version__":
            assert any(target == one or target.startswith(f"{one}.") for one in allowed), (
                f"{here} must not import {target}"
            )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_conductor_never_imports_locust_or_gevent(path):
    assert not {name.split(".")[0] for name in modules(path)} & {"locust", "gevent"}


@pytest.mark.parametrize("path", sorted((ROOT / "locustfiles").rglob("*.py")), ids=lambda path: path.name)
def test_the_instrument_never_imports_the_conductor(path):
    assert not any(name.startswith("entrypoint") for name in modules(path))


@pytest.mark.parametrize("module", sorted(OVER_THE_WALL))
def test_what_both_sides_of_the_wall_use_needs_only_the_standard_library(module):
    import sys

    names = {name.split(".")[0] for name in modules(ROOT / f"locustfiles/ml_loadtest/{module}.py")}
    assert names <= set(sys.stdlib_module_names)


def test_only_settings_and_the_command_line_read_the_environment():
    readers = {stage(path) for path in SOURCES if "os.environ" in path.read_text()}
    assert readers <= {"settings", "cli"}


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "locustfiles").rglob("*.py"))], ids=lambda path: path.name)
def test_no_function_is_longer_than_fifty_lines(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 50, f"{node.name} has {node.end_lineno - node.lineno + 1} lines"


def test_files_speak_of_the_project_alone():
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        if name.endswith((".png", ".npz")) or name in {".ci/run"}:
            continue
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        for word in (".".join(("pypi", "org")), "python" + "hosted", "npm" + "js", "/work" + "/"):
            assert word not in text, f"{name} names {word}"

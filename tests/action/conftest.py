"""Machines to run the action on: with the real conductor, or with one that only notes how it is called."""

from pathlib import Path

import pytest

from .machine import Machine, action_folder, bare_environments, installed_environments


@pytest.fixture(scope="session")
def environments() -> Path:
    return installed_environments()


@pytest.fixture
def machine(tmp_path: Path, environments: Path) -> Machine:
    """A machine that runs this project's action as it is."""
    return Machine(tmp_path, environments=environments)


@pytest.fixture(scope="session")
def faked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("faked")
    action = action_folder(folder / "action", entrypoint=Path(__file__).parent / "fake_entrypoint")
    return action, bare_environments(folder / "environments")


@pytest.fixture
def rehearsal(tmp_path: Path, faked: tuple[Path, Path]) -> Machine:
    """A machine whose conductor is the fake one; its calls are in `calls.jsonl` in RUNNER_TEMP."""
    action, environments = faked
    return Machine(tmp_path, action=action, environments=environments)

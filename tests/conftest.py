"""Options of the whole test run."""

import pytest
from hypothesis import Phase, settings

# For `make mutants`: the same examples each time, and none made smaller, since only whether a test fails is asked.
settings.register_profile("mutants", derandomize=True, deadline=None, phases=(Phase.explicit, Phase.generate))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write the expected reports anew; read the diff as prose"
    )

"""Starts Locust with our instrument in it: python launch.py EXCHANGE [Locust's arguments].

Run as a file by Locust's own interpreter. `ml_loadtest` becomes importable, alone: our ready-made locustfiles beside it never
shadow a module of the user's. A worker's exchange is a folder that it leaves words in, or `-`.
"""

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def make_importable() -> None:
    """Register this folder as the package `ml_loadtest`, without putting its parent on the path."""
    spec = importlib.util.spec_from_file_location(
        "ml_loadtest", _HERE / "__init__.py", submodule_search_locations=[str(_HERE)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["ml_loadtest"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Start Locust; its configuration files are not read, for they would change the load silently."""
    exchange = Path(sys.argv.pop(1))
    make_importable()
    from locust import argument_parser, main

    from ml_loadtest.instrument import attach

    argument_parser.LocustArgumentParser._open_config_files = lambda _self, _arguments: []
    attach(exchange)
    sys.argv[0] = "locust"
    # What is imported from now on is the user's, whose checkout stays as it is.
    sys.dont_write_bytecode = True
    main.main()


if __name__ == "__main__":
    main()

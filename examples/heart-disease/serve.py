"""Start the example's only service as a plain process.

python serve.py --port 8080
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    if importlib.util.find_spec("gunicorn") is None:
        sys.exit(
            f"gunicorn is not installed for {sys.executable}; install requirements.txt there, or put another Python first on PATH"
        )
    here = str(Path(__file__).resolve().parent)
    # Loaded once and then forked: workers that load for themselves would each train, where nobody has done it yet.
    gunicorn = [sys.executable, "-m", "gunicorn", "app:app", "--chdir", here, "--workers", "2", "--preload"]
    # Its control socket would be a file in the home folder, and the image's user has none.
    quiet = ["--log-level", "warning", "--no-control-socket"]
    # This process becomes gunicorn, so that a signal to it is a signal to the service.
    os.execv(sys.executable, [*gunicorn, *quiet, "--bind", f"{options.host}:{options.port}"])  # noqa: S606


if __name__ == "__main__":
    main()

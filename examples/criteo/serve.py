"""Start the example's only service as a plain process.

python serve.py --port 8000
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    if importlib.util.find_spec("uvicorn") is None:
        sys.exit(
            f"uvicorn is not installed for {sys.executable}; install requirements.txt there, or put another Python first on PATH"
        )
    here = str(Path(__file__).resolve().parent)
    uvicorn = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", here, "--log-level", "warning"]
    # This process becomes uvicorn, so that a signal to it is a signal to the service.
    os.execv(sys.executable, [*uvicorn, "--host", options.host, "--port", str(options.port)])  # noqa: S606


if __name__ == "__main__":
    main()

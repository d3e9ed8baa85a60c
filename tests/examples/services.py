"""An example's service as a real process: what starts it and Locust, a port for it, and requests to it."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-examples/bin/python"
LOCUST = ROOT / ".venv-locust/bin/locust"

needs_service = pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-examples; `make install` makes it")
needs_locust = pytest.mark.skipif(not LOCUST.exists(), reason="no .venv-locust; `make install` makes it")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_answered(service: subprocess.Popen, port: int, path: str) -> None:
    """Until it answers at all, whatever the status; a first start may have a model to train."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert service.poll() is None, f"the service ended with {service.returncode}"
        try:
            answer_of(port, path)
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the service was not ready within two minutes")


def answer_of(
    port: int, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. A GET, or with a body a POST, unless said otherwise; redirects of a POST are not followed."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()

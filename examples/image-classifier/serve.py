"""Start the classifier and the server of its pictures as plain processes; when one ends, the other is ended too.

python serve.py --port 8000
"""

import argparse
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
LOOPBACK = "127.0.0.1"
GRACE_S = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default=LOOPBACK)
    options = parser.parse_args()
    if importlib.util.find_spec("uvicorn") is None:
        sys.exit(
            f"uvicorn is not installed for {sys.executable}; install requirements.txt there, or put another Python first on PATH"
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    services: list[subprocess.Popen] = []
    try:
        port = free_port()
        services.append(start("images:app", LOOPBACK, port))
        wait_until_open(port, services[0])
        services.append(start("app:app", options.host, options.port, IMAGES_URL=f"http://{LOOPBACK}:{port}"))
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        sys.exit("one of the two services ended by itself")
    finally:
        stop(services)


def start(app: str, host: str, port: int, **variables: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "uvicorn", app, "--app-dir", HERE, "--log-level", "warning"]
    return subprocess.Popen([*command, "--host", host, "--port", str(port)], env={**os.environ, **variables})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return listener.getsockname()[1]


def wait_until_open(port: int, service: subprocess.Popen) -> None:
    """The classifier comes second, or its first requests would be for pictures that nobody serves yet."""
    while service.poll() is None:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server of the pictures ended by itself")


def stop(services: list[subprocess.Popen]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # we are at it
    for service in services:
        service.terminate()
    deadline = time.monotonic() + GRACE_S
    for service in services:
        try:
            service.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()


if __name__ == "__main__":
    main()

"""Starts the servers that are loaded, each in a process of its own, and ends them."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_HERE = Path(__file__).parent
FAST = _HERE / "fast_server.py"
LEDGER = _HERE / "ledger_server.py"
_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up."""

    url: str
    process: psutil.Process

    def count(self) -> int:
        """How many requests the fast server has answered."""
        return int(self._get("/count"))

    def ledger(self) -> list[tuple[str, float, float]]:
        """[id, arrived, answered] of every request the ledger server has answered."""
        return [(identity, arrived, answered) for identity, arrived, answered in json.loads(self._get("/ledger"))]

    def cpu_s(self) -> float:
        """CPU time it has used."""
        return cpu_s(self.process)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            body: bytes = answer.read(int(answer.headers["Content-Length"]))
        return body


def cpu_s(process: psutil.Process) -> float:
    """User and system time of a process, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def serving(program: Path, *arguments: str) -> Iterator[Server]:
    """The server `program`, gone when the block is left."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        process = subprocess.Popen([sys.executable, "-P", str(program), str(port_file), *arguments])
        try:
            yield Server(f"http://127.0.0.1:{_await_port(port_file)}", psutil.Process(process.pid))
        finally:
            process.kill()
            process.wait()


def _await_port(port_file: Path) -> str:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if port_file.exists() and (port := port_file.read_text()):
            return port
        time.sleep(0.02)
    raise TimeoutError("the benchmark's server did not start")

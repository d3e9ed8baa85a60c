"""What it costs to read the processor time of two services ten times a second: python -m benchmarks.counting"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import machine
from entrypoint.service.cpu import counted, of_container, of_process
from entrypoint.service.resources import Gauge
from entrypoint.service.resources import of_process as all_of_process

_SECONDS = 20.0
_SLEEPS = "import threading, time\nfor _ in range({}): threading.Thread(target=time.sleep, args=(999,)).start()\ntime.sleep(999)"


def share(gauges: list[Gauge]) -> float:
    """Of one core, that this process uses while they are read."""
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), time.process_time()
        with counted(gauges, Path(folder) / "cpu.jsonl"):
            time.sleep(_SECONDS)
        return (time.process_time() - used) / (time.perf_counter() - began)


def of_processes(threads: int) -> float:
    with ExitStack() as stack:
        commands = [[sys.executable, "-c", _SLEEPS.format(threads)]] * 2
        processes = [stack.enter_context(subprocess.Popen(command)) for command in commands]
        time.sleep(0.5)
        found = share(
            [Gauge(service="api", read=all_of_process(one.pid), cpu=of_process(one.pid)) for one in processes]
        )
        for process in processes:
            process.kill()
    return found


def of_containers() -> float:
    """Two of them, on an engine on this machine."""
    command = ["docker", "run", "--rm", "-d", "python:3.13-slim", "sleep", "120"]
    names = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    try:
        ask = ["docker", "inspect", "--format", "{{.State.Pid}}", *names]
        pids = [int(pid) for pid in subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()]
        return share([Gauge(service="api", read=all_of_process(pid), cpu=of_container(pid)) for pid in pids])
    finally:
        subprocess.run(["docker", "rm", "-f", *names], capture_output=True, check=False)


def main() -> None:
    print(f"{machine.describe()}\n\n| Two services | Share of a core |\n| --- | --- |")
    for threads in (0, 40):
        print(f"| processes of {threads + 1} threads | {of_processes(threads) * 100:.2f} % |", flush=True)
    print(f"| containers | {of_containers() * 100:.2f} % |")


if __name__ == "__main__":
    main()

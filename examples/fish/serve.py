"""Start the replicas and what stands in front of them as plain processes.

    python serve.py --port 8000

`REPLICAS` says how many (2). nginx is used if it is on PATH, else front.py. When one process ends, all do.
"""

import argparse
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    if importlib.util.find_spec("uvicorn") is None:
        sys.exit(
            f"uvicorn is not installed for {sys.executable}; install requirements.txt there, or put another Python first on PATH"
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    bound = [bind_free_port() for _ in range(number_of_replicas())]
    ports = [one.getsockname()[1] for one in bound]
    processes: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory(prefix="fish-") as folder:
        try:
            for one in bound:
                processes.append(start_replica(one))
                one.close()  # the replica has it now; held here too, a dead one's port would still be open
            wait_until_open(ports, processes)
            processes.append(subprocess.Popen(front(options.host, options.port, ports, Path(folder))))
            sys.exit(wait_until_one_ends(processes))
        finally:
            take_down(processes)


def number_of_replicas() -> int:
    text = os.environ.get("REPLICAS") or "2"
    if not text.isdecimal() or not 1 <= int(text) <= 8:
        sys.exit(f"REPLICAS is {text!r}; it has to be a number from 1 to 8")
    return int(text)


def start_replica(bound: socket.socket) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(HERE / "replica.py"), str(bound.fileno())], pass_fds=[bound.fileno()])


def front(host: str, port: int, ports: list[int], folder: Path) -> list[str]:
    """nginx with the image's own configuration, but for the addresses; or else front.py."""
    addresses = [f"127.0.0.1:{one}" for one in ports]
    if nginx := shutil.which("nginx"):
        print(f"nginx stands in front of {', '.join(addresses)}", flush=True)
        return [nginx, "-p", str(folder), "-c", str(write_configuration(folder, f"{host}:{port}", addresses))]
    print(f"there is no nginx on PATH; front.py stands in front of {', '.join(addresses)}", flush=True)
    return [sys.executable, str(HERE / "front.py"), "--host", host, "--port", str(port), *addresses]


def write_configuration(folder: Path, listen: str, addresses: list[str]) -> Path:
    servers = (HERE / "nginx/default.conf").read_text().replace("listen 80;", f"listen {listen};")
    (server,) = (line for line in servers.splitlines(keepends=True) if "server ml:8080" in line)
    servers = servers.replace(server, "".join(server.replace("ml:8080", address) for address in addresses))
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, servers=servers))
    return file


def bind_free_port() -> socket.socket:
    """Bound and not listening: the port is taken, and refuses connections until the replica listens."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def wait_until_open(ports: list[int], processes: list[subprocess.Popen]) -> None:
    """uvicorn listens when its models are read. Only then is there a front: whoever gets an answer has all replicas."""
    for port in ports:
        while not is_open(port):
            if any(process.poll() is not None for process in processes):
                sys.exit("a replica ended before it was ready; its last lines say why")
            time.sleep(0.05)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


def wait_until_one_ends(processes: list[subprocess.Popen]) -> int:
    while True:
        for process in processes:
            if process.poll() is not None:
                print(f"`{' '.join(process.args)}` ended with {process.returncode}, so all do", flush=True)
                return process.returncode or 1
        time.sleep(0.2)


def take_down(processes: list[subprocess.Popen]) -> None:
    """A second signal must not leave anything behind, so from here on none is heard."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()

"""The machine that the figures are from, in a line."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from entrypoint.load.interpreter import locust_python

_VERSIONS = "from importlib.metadata import version as v; print(v('locust'), v('gevent'))"


def describe() -> str:
    """Processor, cores, memory, system, versions, and how busy it was before we began."""
    command = [str(locust_python(None, os.environ)), "-P", "-c", _VERSIONS]
    locust, gevent = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, Locust {locust}, gevent {gevent}, numpy {version('numpy')}; "
        f"load average before the run {os.getloadavg()[0]:.2f}"
    )


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", names.read_text()) if names.exists() else None
    return found[1].strip() if found else platform.processor() or "unknown processor"

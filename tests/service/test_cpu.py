"""Processor time alone: real processes, and control groups as the kernel's two versions write them."""

import json
import subprocess
import sys
import time

import pytest

from entrypoint.service import cpu
from entrypoint.service.cpu import counted, looks, of_container, of_process
from entrypoint.service.resources import Gauge

from .test_control_groups import VERSION_1, VERSION_2, write

# Computes for so many seconds in a thread that ends, in a child that ends, and in a child that stays.
COMPUTES = """
import subprocess, sys, threading, time
BURN = "import time\\nwhile time.process_time() < 0.3: pass\\n"
def burn():
    until = time.thread_time() + 0.2
    while time.thread_time() < until: pass
thread = threading.Thread(target=burn)
thread.start()
thread.join()
subprocess.run([sys.executable, "-c", BURN])
child = subprocess.Popen([sys.executable, "-c", BURN + "print('up', flush=True)\\ntime.sleep(60)"])
print(time.process_time(), flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""


def gauge(cpu, service="api"):
    return Gauge(service=service, read=lambda: None, cpu=cpu)


def test_a_process_is_charged_with_threads_and_children_that_have_ended_and_with_those_that_run():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", COMPUTES], **pipes) as process:
        own = float(process.stdout.readline())
        assert process.stdout.readline() == b"up\n"
        used = of_process(process.pid)
        first, second = used(), used()

    assert own + 0.55 < first < own + 0.9
    assert first <= second < first + 0.1


def test_children_that_come_and_go_are_noticed():
    """Each of them computes for longer than what is read between two looks."""
    script = (
        "import subprocess, sys\nfor line in sys.stdin: subprocess.run([sys.executable, '-c', line]); print(flush=True)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:
        used, found = of_process(process.pid), []
        for _ in range(3):
            process.stdin.write("import time; exec('while time.process_time() < 0.2: pass')\n")
            process.stdin.flush()
            process.stdout.readline()
            found.append(used())
        process.stdin.close()

    assert 0.15 < found[1] - found[0] < 0.4
    assert 0.15 < found[2] - found[1] < 0.4


ON_DEMAND = """
import subprocess, sys
BURNS = "import time\\nwhile time.process_time() < 0.2: pass\\nprint('up', flush=True)\\ntime.sleep(60)"
sys.stdin.readline()
child = subprocess.Popen([sys.executable, "-c", BURNS])
sys.stdin.readline()
child.kill()
child.wait()
print("collected", flush=True)
sys.stdin.readline()
"""


def told(process):
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_child_that_came_after_the_first_look_is_in_the_next_one():
    with subprocess.Popen([sys.executable, "-c", ON_DEMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        used = of_process(process.pid)
        before = used()
        assert told(process) == b"up\n"
        assert 0.2 <= used() - before < 0.4
        told(process)
        told(process)


def test_a_child_that_ended_costs_one_look_even_if_the_machine_began_no_process_since(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", ON_DEMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        told(process)
        used = of_process(process.pid)
        read = cpu._read
        monkeypatch.setattr(cpu, "_read", lambda path: b"7" if path == "/proc/loadavg" else read(path))
        before = used()
        assert told(process) == b"collected\n"
        with pytest.raises(OSError, match="No such"):
            used()
        assert used() == pytest.approx(before, abs=0.05)
        told(process)


def test_a_process_that_has_ended_cannot_be_read():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        used = of_process(process.pid)
    with pytest.raises(OSError, match="No such"):
        used()
    assert of_process(process.pid) is None


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_a_container_s_time_is_its_control_group_s(tmp_path, files):
    write(tmp_path, files)
    assert of_container(7, tmp_path)() == 2.5


@pytest.mark.parametrize(
    "files", [{}, {"proc/7/cgroup": "0::/elsewhere\n"}, {"proc/7/cgroup": "4:memory:/docker/ab\n"}]
)
def test_a_container_out_of_reach_has_none(tmp_path, files):
    write(tmp_path, files)
    assert of_container(7, tmp_path) is None


def test_it_is_read_ten_times_a_second_and_once_more_at_the_end(tmp_path):
    reads = iter(range(10**6))
    with counted([gauge(lambda: float(next(reads)))], tmp_path / "cpu.jsonl"):
        time.sleep(1.05)
        ended = time.time()

    found = looks(tmp_path / "cpu.jsonl")["api"]
    assert 5 <= len(found) <= 12
    assert [used for _, used in found] == sorted(used for _, used in found)
    assert found[-1][0] >= ended


def test_a_look_that_fails_is_left_out_and_others_go_on(tmp_path):
    def gone():
        raise ProcessLookupError

    with counted([gauge(gone, "gone"), gauge(lambda: 1.0)], tmp_path / "cpu.jsonl"):
        time.sleep(0.25)

    assert set(looks(tmp_path / "cpu.jsonl")) == {"api"}


def test_where_one_service_cannot_be_read_none_is(tmp_path):
    with counted([gauge(lambda: 1.0), gauge(None, "far away")], tmp_path / "cpu.jsonl"):
        time.sleep(0.15)
    with counted([], tmp_path / "cpu.jsonl"):
        pass

    assert looks(tmp_path / "cpu.jsonl") == {}


def test_half_a_line_at_the_end_is_left_out(tmp_path):
    (tmp_path / "cpu.jsonl").write_text(json.dumps([1.0, "api", 2.0]) + '\n[2.0, "ap')
    assert looks(tmp_path / "cpu.jsonl") == {"api": [(1.0, 2.0)]}

"""What a service uses: real processes, looked at once a second."""

import json
import subprocess
import sys
import time

from entrypoint.service.resources import Gauge, of_process, readings, sampled, usage

BURNS = """
import time
held = bytearray(60 * 2**20)
print("up", flush=True)
while True:
    until = time.process_time() + 0.05
    while time.process_time() < until: pass
    time.sleep(0.05)
"""


def test_a_process_s_cores_and_memory_are_what_it_does(tmp_path):
    """It holds 60 MiB, and computes for half of the time: less where neighbours take the core, never more."""
    process = subprocess.Popen([sys.executable, "-c", BURNS], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        began = time.time()
        with sampled([Gauge(service="api", read=of_process(process.pid))], tmp_path / "resources.jsonl"):
            time.sleep(4.5)
    finally:
        process.kill()
        process.communicate()

    looks = usage(tmp_path / "resources.jsonl", began)["api"]
    assert len(looks) >= 3
    assert 0.5 < looks[0][0] < 2.5
    assert 0.1 < sorted(cores for _, cores, _ in looks)[len(looks) // 2] < 0.65
    assert all(60 < mib < 120 for _, _, mib in looks)
    every = readings(tmp_path / "resources.jsonl")["api"]
    assert {kind for look in every for kind in look.stalled_s} <= {"machine-cpu", "machine-memory"}


def test_a_service_that_ends_leaves_what_was_read_of_it(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", BURNS], stdout=subprocess.PIPE)
    process.stdout.readline()
    with sampled([Gauge(service="api", read=of_process(process.pid))], tmp_path / "resources.jsonl"):
        time.sleep(1.5)
        process.kill()
        process.communicate()
        time.sleep(1.2)

    assert (tmp_path / "resources.jsonl").read_text().count("\n") == 2


def test_a_service_out_of_reach_has_no_readings(tmp_path):
    with sampled([], tmp_path / "resources.jsonl"):
        pass

    assert usage(tmp_path / "resources.jsonl", 0.0) == {}
    assert usage(tmp_path / "none.jsonl", 0.0) == {}


def test_a_counter_that_began_anew_is_no_negative_use(tmp_path):
    looks = [(10.0, 5.0), (11.0, 5.5), (12.0, 0.1), (13.0, 0.4)]
    lines = [json.dumps({"at": at, "service": "api", "cpu_s": cpu, "memory": 2**20}) for at, cpu in looks]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n" + lines[0][:20])

    found = usage(tmp_path / "r.jsonl", 10.0)["api"]

    assert [(second, round(cores, 6), mib) for second, cores, mib in found] == [(1.0, 0.5, 1.0), (3.0, 0.3, 1.0)]

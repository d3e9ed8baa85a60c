"""The pacer's alarm clock, in Locust's own Python."""

import json
import subprocess
from pathlib import Path

import pytest

from entrypoint.load.interpreter import locust_python

INSTRUMENT = Path(__file__).parents[2] / "locustfiles"
HEADER = f"""
import json, sys, time
sys.path.insert(0, {str(INSTRUMENT)!r})
import gevent
from ml_loadtest import alarm as module
from ml_loadtest.alarm import Alarm
alarm, woken = Alarm(), []
def sleeper(name, seconds):
    due = time.perf_counter() + seconds
    alarm.sleep_until(due)
    woken.append((name, time.perf_counter() - due))
def told():
    print(json.dumps(woken))
"""
ELSEWHERE = "alarm._timer = None\n"


def run(code):
    done = subprocess.run(
        [str(locust_python(None, {})), "-P", "-c", HEADER + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("system", ["", ELSEWHERE], ids=["Linux", "elsewhere"])
class TestAlarm:
    def test_whoever_is_due_first_wakes_first_and_nobody_early(self, system):
        woken = run(
            system
            + "gevent.joinall([gevent.spawn(sleeper, n, n / 20) for n in (5, 1, 3, 2, 4)], raise_error=True)\ntold()"
        )
        assert [name for name, _ in woken] == [1, 2, 3, 4, 5]
        assert all(late >= 0 for _, late in woken)

    def test_an_earlier_one_that_comes_later_does_not_wait_for_the_others(self, system):
        code = "first = gevent.spawn(sleeper, 'late', 30)\ngevent.sleep(0.01)\nsleeper('early', 0.05)\nfirst.kill()\ntold()"
        ((name, late),) = run(system + code)
        assert name == "early"
        assert late < 5

    def test_who_was_killed_while_it_slept_is_not_woken_and_the_others_are(self, system):
        code = """
doomed = gevent.spawn(sleeper, "doomed", 0.1)
others = [gevent.spawn(sleeper, n, 0.1 + n / 100) for n in range(3)]
gevent.sleep(0.01)
doomed.kill()
gevent.joinall(others, raise_error=True)
told()
"""
        assert [name for name, _ in run(system + code)] == [0, 1, 2]

    def test_what_is_due_already_blocks_nobody(self, system):
        code = "gevent.spawn(woken.append, ('other', 0))\nsleeper('now', -1)\ntold()"
        assert [name for name, _ in run(system + code)] == ["now"]

    def test_the_event_loop_ends_when_nobody_sleeps_any_more(self, system):
        assert run(system + "gevent.spawn(sleeper, 1, 0.01)\ngevent.wait()\ntold()")[0][0] == 1


def test_on_linux_waiting_costs_no_cpu():
    code = """
began = time.process_time()
gevent.joinall([gevent.spawn(lambda: [sleeper(0, 0.002) for _ in range(200)]) for _ in range(5)], raise_error=True)
woken[:] = [(0, time.process_time() - began)]
told()
"""
    ((_, linux),), ((_, elsewhere),) = run(code), run(ELSEWHERE + code)
    assert linux < elsewhere / 2

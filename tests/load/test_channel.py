"""What a bad channel or a bad neighbour can do to a run with workers. Locustfiles that tamper with their own worker's socket."""

import re

import pytest

from .test_load import PLAIN, failed_checks, ours

TAMPER = """
from locust.rpc import Message

@events.init.add_listener
def tamper(environment, **_):
    if type(environment.runner).__name__ != "WorkerRunner":
        return
    client, seen = environment.runner.client, []
    send, recv = client.send, client.recv
    def sending(msg):
        if msg.type == "ml_loadtest_file" and msg.data["kind"] == "samples":
            seen.append(msg)
            if len(seen) == 2 and environment.runner.worker_index == 0:
                return meet(msg, send)
        return send(msg)
    def receiving():
        while True:
            msg = recv()
            if environment.runner.worker_index != 0 or keep(msg):
                return msg
    client.send, client.recv = sending, receiving

def meet(msg, send):
    send(msg)

def keep(msg):
    return True
"""


def tampered(code):
    return TAMPER + "".join(f"{line}\n" for line in code) + PLAIN


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (["def meet(msg, send): pass"], "samples were lost on the way"),
        (["def meet(msg, send): send(msg); send(msg)"], "samples came twice"),
        (
            ["def keep(msg): return not (msg.type == 'ml_loadtest_order' and msg.data['order'] == 'turn')"],
            "said nothing for",
        ),
        (
            ["def keep(msg): return msg.type != 'ml_loadtest_order' or msg.data['order'] in ('load', 'abandon')"],
            "said nothing for",
        ),
        (
            ["def meet(msg, send):", "    send(Message('quit', None, msg.node_id))", "    send(msg)"],
            "left before the run",
        ),
    ],
    ids=["lost", "twice", "one order lost", "every order lost", "leaves"],
)
def test_whatever_is_lost_or_doubled_makes_the_run_invalid_by_name(load, code, problem):
    run = load(tampered(code), workers=2, users=4, duration="4s")

    assert not run.closing.complete
    assert problem in run.closing.problem
    # Locust and our master number workers by the order in which each has heard of them.
    assert re.search("worker [01] on", run.closing.problem)
    assert "complete" in failed_checks(run)
    assert ours() == []


def test_an_order_that_is_never_carried_out_does_not_hang_the_run(load):
    code = ["def keep(msg): return not (msg.type == 'ml_loadtest_order' and msg.data['order'] == 'flush')"]
    run = load(tampered(code), workers=2, users=4, duration="2s")

    assert not run.closing.complete
    assert re.search("worker [01] on", run.closing.problem)
    assert "did not carry out an order within 10 s" in run.closing.problem


def test_nonsense_and_words_in_the_name_of_another_are_dropped(load, web):
    code = ["def meet(msg, send):", "    send(msg)", "    send(Message('quit', None, 'somebody-else'))",
            "    gevent.spawn(strange)",
            "def strange():",
            "    import sys",
            "    from locust.rpc.zmqrpc import Client",
            "    stranger = Client('127.0.0.1', int(sys.argv[sys.argv.index('--master-port') + 1]), 'stranger')",
            "    for name, data in [('stats', {'nonsense': 1}), ('spawning', None), ('ml_loadtest_hello', 7),",
            "                       ('client_ready', '2.47.0'), ('ml_loadtest_hello', {'nonsense': 1})]:",
            "        stranger.send(Message(name, data, 'stranger'))"]  # fmt: skip
    run = load(tampered(code), workers=2, users=4, duration="3s")

    assert run.closing.complete, run.closing.problem
    assert run.closing.started == len(run.samples) == web.asked["/a"]
    log = (run.folder / "results/locust/locust.log").read_text()
    assert "in the name of somebody-else" in log
    assert "stranger says hello in words that nobody understands" in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_worker_that_connects_anew_loses_nothing_or_the_run_is_invalid(load, web):
    code = ["def meet(msg, send):", "    send(msg)",
            "    from locust import runners",
            "    gevent.spawn_later(0.2, lambda: RUNNERS[0].reset_connection())",
            "RUNNERS = []",
            "@events.init.add_listener",
            "def keep_runner(environment, **_): RUNNERS.append(environment.runner)"]  # fmt: skip
    run = load(tampered(code), workers=2, users=4, duration="5s")

    if run.closing.complete:
        assert run.closing.started == len(run.samples) == web.asked["/a"]
        assert not failed_checks(run) & {"lost-records", "time-sum"}
    else:
        assert "worker 0 on" in run.closing.problem
        assert "complete" in failed_checks(run)
    assert ours() == []


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("worker.VERSIONS = {**worker.VERSIONS, 'locust': '2.0'}", "it has locust 2.0, the master "),
        ("worker.VERSIONS = {}", "it has locust None, the master "),
        ("worker.contract.VERSION = 0", "it is of another version of ml-loadtest (contract 0, not "),
    ],
    ids=["another Locust", "no versions", "another contract"],
)
def test_a_worker_of_another_version_is_refused_by_name(load, lie, why):
    code = f"import sys\nfrom ml_loadtest import worker\nif '--worker' in sys.argv:\n    {lie}\n"
    run = load(code + PLAIN, workers=2)

    assert not run.closing.complete
    assert why in run.closing.problem
    assert len(run.samples) == 0
    assert ours() == []

"""What a locustfile may build on, under real Locust: answers are looked at, streams are timed as they arrive."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from entrypoint.errors import LoadError
from entrypoint.load.interpreter import locust_python
from entrypoint.measurement.samples import read_samples
from locustfiles import ml_loadtest
from locustfiles.ml_loadtest import contract

from .conftest import HEADER
from .test_load import failed_checks, ours

IMPORT = "from ml_loadtest import JsonUser, SseUser, attach\n"
LOCUSTFILES = Path(ml_loadtest.__file__).parents[1]

STREAMS = (
    IMPORT
    + """
class Reader(SseUser):
    abstract = True
    network_timeout = 0.5
    wait_time = constant(0.02)
    def read(self, path, **more):
        answer = self.stream(f"/sse/{path}", name=path, json={"stream": True}, **more)
        if answer is not None:
            events.request.fire(request_type="TEXT", name=f"{path} {answer.text}", response_time=0, response_length=0,
                                exception=None, context=self.context())

class Chatter(Reader):
"""
)


@pytest.fixture
def load(load):
    """As ever, but with next to no warm-up: every request is looked at here, not only those of the window."""
    return partial(load, warm_up="0.2s")


def messages(run):
    return {failure.name: failure.message for failure in run.closing.failures}


def rows(run, name):
    samples = run.samples
    return samples[samples["endpoint"] == name]


def test_time_to_first_token_and_between_tokens_are_those_of_the_server(load, web):
    run = load(STREAMS + "    @task\n    def chat(self): self.read('tokens')\n", users=1, duration="3s")

    found = rows(run, "POST tokens").sort_values("start_s")
    truth = [sent for path, sent in web.streams if path == "/sse/tokens"]
    assert len(found) == len(truth) >= 5
    # The role is the first thing sent, the first token the second; the test server's own clock says when.
    # The median, for a neighbour on the machine may hold one of them up.
    assert np.abs(found["ttft_ms"] - [sent[1] for sent in truth]).median() < 25
    assert np.abs(found["response_ms"] - [sent[-1] for sent in truth]).median() < 40
    assert found["ttft_ms"].median() == pytest.approx(200, abs=25)
    assert found["response_ms"].median() == pytest.approx(500, abs=40)
    assert set(found["tokens"]) == set(found["chunks"]) == {11}
    assert np.allclose(found["tpot_ms"], (found["response_ms"] - found["ttft_ms"]) / 10, atol=1e-3)
    assert found["itl_p95_ms"].median() == pytest.approx(30, abs=20)
    assert set(found["bytes"]) == {sum(len(part) for part in stream_parts("tokens"))}
    # One sample each, from the sending to the last byte: no request of the only user begins before the last one's end.
    ends = (found["start_s"] + found["response_ms"] / 1000).to_numpy()
    assert np.all(found["start_s"] >= found["due_s"] - 1e-6)
    assert np.all(found["start_s"].to_numpy()[1:] >= ends[:-1])
    assert not failed_checks(run)


def stream_parts(path):
    from .web import SSE

    return [part for part in SSE[path] if isinstance(part, bytes)]


RIGHT_STREAMS = (
    STREAMS
    + """
    @task
    def usage(self): self.read("usage")
    @task
    def split(self): self.read("split", check=lambda answer: answer.text == "héé – 你好")
    @task
    def crlf(self): self.read("crlf")
    @task
    def slow(self): self.read("slow")
    @task
    def lingers(self): self.read("lingers")
    @task
    def own_content(self): self.read("error", content=lambda event: event.get("error", {}).get("message", ""))
    @task
    def wrong(self):
        with_check = lambda answer: f"{answer.chunks} chunks, {answer.tokens} tokens"
        self.stream("/sse/usage", name="checked", json={}, check=with_check)
    @task
    def fan_out(self):
        started = [gevent.spawn(self.stream, f"/sse/{path}", name=f"beside {path}", json={}) for path in ("slow", "usage")]
        gevent.joinall(started)

class Endless(Reader):
    last_event = None
    @task
    def open(self): self.read("open")
"""
)


def test_streams_that_are_right_are_read_to_the_letter_and_keep_their_connection(load, web):
    run = load(RIGHT_STREAMS, users=3, duration="2s")

    texts = {
        "usage": "ab",
        "split": "héé – 你好",
        "crlf": "ab",
        "slow": "abc",
        "lingers": "a",
        "open": "ab",
        "error": "out of memory",
    }
    for name, text in texts.items():
        assert run.outcomes(f"POST {name}") == run.outcomes(f"TEXT {name} {text}"), name
        assert set(run.outcomes(f"POST {name}")) == {"ok"}, name
    usage = rows(run, "POST usage")
    assert (set(usage["tokens"]), set(usage["chunks"])) == ({7}, {2})
    assert rows(run, "POST lingers")["response_ms"].median() < 100
    assert messages(run) == {"checked": "2 chunks, 7 tokens"}
    assert set(rows(run, "POST beside slow")["chunks"]) == {3}
    assert set(rows(run, "POST beside usage")["tokens"]) == {7}
    assert rows(run, "POST beside slow")["response_ms"].min() > 299
    assert rows(run, "POST beside usage")["response_ms"].median() < 100
    assert rows(run, "TEXT usage ab")["ttft_ms"].isna().all()
    # Two side by side at most, for each of three users.
    assert web.connections <= 6
    assert not failed_checks(run)


WRONG_STREAMS = (
    STREAMS
    + """
    @task
    def cut(self): self.read("cut")
    @task
    def cut_line(self): self.read("cut-line")
    @task
    def stalls(self): self.read("stalls")
    @task
    def malformed(self): self.read("malformed")
    @task
    def latin(self): self.read("latin")
    @task
    def error(self): self.read("error")
    @task
    def silent(self): self.read("silent")
    @task
    def open(self): self.read("open")
    @task
    def broken(self): self.stream("/status/500", name="broken", json={})
    @task
    def no_stream(self): self.stream("/html", name="html", json={})
    @task
    def number(self): self.stream("/sse/cut", name="number", json={}, content=lambda event: 7)
"""
)


def test_streams_that_are_wrong_are_failures_that_say_how(load):
    run = load(WRONG_STREAMS, users=2, duration="2s", seed=3)

    says = {
        "cut": "the stream broke off, after 2 chunks and",
        "cut-line": "the stream broke off, after 1 chunks and",
        "stalls": "timed out, after 1 chunks and",
        "malformed": "chunk 2 is not JSON (Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)): {choices",
        "latin": "chunk 2 is no UTF-8",
        "error": "chunk 2 is wrong: ValueError: {'message': 'out of memory'}",
        "silent": "the stream had no content, after 0 chunks and",
        "open": "the stream ended without [DONE], after 2 chunks and",
        "html": "the stream ended without [DONE], after 0 chunks and 17 bytes (no content type)",
        "number": "content returned int for chunk 1, not a text",
        "broken": "500",
    }
    found = messages(run)
    assert {name: text for name, text in says.items() if text not in found.get(name, "")} == {}, found
    others = {"stalls": {"timeout"}, "broken": {"server error"}}
    assert {name: set(run.outcomes(f"POST {name}")) for name in says} == {
        name: others.get(name, {"invalid"}) for name in says
    }
    stalled = rows(run, "POST stalls")
    assert stalled["response_ms"].between(500, 700).all()
    assert stalled["ttft_ms"].median() < 100
    assert stalled["tokens"].isna().all() if "tokens" in stalled else True
    assert not failed_checks(run)


CALLERS = (
    IMPORT
    + """
def raises(answer): return answer["score"] > 0
class Caller(JsonUser):
    wait_time = constant(0.01)
    connection_timeout = 1
    network_timeout = 0.3
    def ask_a(self, name, check=None, path="/a", method="GET", **more):
        answer = self.ask(method, path, name=name, check=check, **more)
        if answer != (None if name not in ("right", "true", "sent") else {"ok": True}):
            raise RuntimeError(f"{name}: {answer}")
    @task
    def right(self): self.ask_a("right")
    @task
    def true(self): self.ask_a("true", lambda answer: answer["ok"])
    @task
    def sent(self): self.ask_a("sent", method="post", json=[{"é": 1.5}], headers={"X-Key": "7"})
    @task
    def sent_empty(self): self.ask_a("sent", method="POST", json=[])
    @task
    def false(self): self.ask_a("false", lambda answer: answer == {})
    @task
    def text(self): self.ask_a("text", lambda answer: f"wanted a score, got {answer}")
    @task
    def raising(self): self.ask_a("raising", raises)
    @task
    def odd(self): self.ask_a("odd", lambda answer: 1)
    @task
    def html(self): self.ask_a("html", path="/html")
    @task
    def nan(self): self.ask_a("nan", path="/nan")
    @task
    def empty(self): self.ask_a("empty", path="/empty")
    @task
    def unmodified(self): self.ask_a("302", path="/status/302")
    @task
    def missing(self): self.ask_a("404", raises, path="/status/404")
    @task
    def broken(self): self.ask_a("503", raises, path="/status/503")
    @task
    def hangs(self): self.ask_a("hangs", raises, path="/sleep/1")
    @task
    def closes(self): self.ask_a("closes", path="/close", method="POST", json={})
    @task
    def plain(self): self.client.get("/html", name="plain")
class Patient(JsonUser):
    wait_time = constant(0.1)
    @task
    def ask_all(self): self.ask("GET", "/a", name=f"{self.connection_timeout} {self.network_timeout}")
"""
)


def test_a_json_user_looks_at_every_answer(load, web):
    run = load(CALLERS, users=6, duration="2s")

    outcomes = dict.fromkeys(["right", "true", "POST sent", "plain", "10.0 30.0"], "ok")
    outcomes |= dict.fromkeys(["false", "text", "raising", "odd", "html", "nan", "empty", "302"], "invalid")
    outcomes |= {"404": "unexpected rejection", "503": "server error", "hangs": "timeout", "POST closes": "connection"}
    wanted = {
        name if " " in name and "." not in name else f"GET {name}": {outcome} for name, outcome in outcomes.items()
    }
    assert {name: set(run.outcomes(name)) for name in wanted} == wanted
    found = messages(run)
    assert found["false"] == "check said that the answer is wrong"
    assert found["text"] == "wanted a score, got {'ok': True}"
    assert found["raising"] == "check raised KeyError: 'score'"
    assert found["odd"] == "check returned int, not None, True, False or a text"
    assert found["html"] == "not JSON (Expecting value: line 1 column 1 (char 0)): <html>busy</html>"
    assert found["nan"] == 'not JSON (NaN is no JSON): {"score": NaN}'
    assert found["empty"] == "the body is empty, not JSON"
    assert found["302"] == "status 302, not 2xx"
    assert {bytes(body) for body in web.bodies} == {b"[]", b'[{"\\u00e9": 1.5}]', b"{}"}
    assert not failed_checks(run)


MISREAD_ARGUMENTS = (
    IMPORT
    + """
class Careful(FastHttpUser):
    wait_time = constant(0.1)
    @task
    def caught(self):
        for argument in ("timeout", "verify", "proxies", "cert"):
            try:
                self.client.post("/never", data="x", **{argument: 1})
            except TypeError as error:
                events.request.fire(request_type="ERROR", name=str(error), response_time=0, response_length=0,
                                    exception=None, context=self.context())
class Nameless(JsonUser):
    wait_time = constant(0.1)
    @task
    def caught(self):
        try:
            self.ask("POST", "/never", name="", json={})
        except Exception as error:
            events.request.fire(request_type="ERROR", name=str(error), response_time=0, response_length=0,
                                exception=None, context=self.context())
class Browser(HttpUser):
    wait_time = constant(0.1)
    @task
    def fine(self): self.client.get("/fine", timeout=5, verify=True)
class Careless(FastHttpUser):
    wait_time = constant(0.1)
    @task
    def ask(self):
        self.client.get("/a")
        self.client.get("/never", timeout=1)
"""
)


def test_arguments_that_fast_http_user_would_misread_are_refused_before_anything_is_sent(load, web):
    run = load(MISREAD_ARGUMENTS, users=4, duration="1s")

    assert web.asked["/never"] == 0
    errors = {name.removeprefix("ERROR FastHttpUser does not understand ") for name in set(run.samples["endpoint"])}
    for argument, way in {
        "timeout": "network_timeout",
        "verify": "insecure",
        "proxies": "proxy_host",
        "cert": "ssl_",
    }.items():
        assert any(error.startswith(f"`{argument}`:") and way in error for error in errors), argument
    assert any("name='': the request needs a name" in error for error in errors)
    assert set(run.outcomes("GET /a")) == set(run.outcomes("GET /fine")) == {"ok"}
    assert failed_checks(run) == {"complete"}
    assert "`timeout`: set `network_timeout`" in run.closing.problem


def test_labelled_predictions_and_distinct_payloads_become_figures(load):
    run = load(
        IMPORT
        + """
class Labelled(FastHttpUser):
    wait_time = constant(0.02)
    @task
    def drawn(self):
        with self.client.post("/echo", json={"x": random.randrange(10 ** 9)}, name="drawn", catch_response=True):
            attach(correct=random.random() < 0.75)
    @task
    def frozen(self):
        self.client.post("/echo", json={"x": 7}, name="frozen")
    @task
    def refused(self):
        try:
            self.client.get("/a", name="odd")
            attach(correct=0.5)
        except Exception as error:
            assert "expected True or False" in str(error)
"""
    )
    found = run.measurement.endpoints
    drawn, frozen = found["POST drawn"], found["POST frozen"]
    assert 0.5 < drawn.metrics["accuracy"] < 0.95
    assert drawn.share("accuracy")[1] == drawn.requests
    assert drawn.metrics["distinct"] == 1.0
    assert frozen.share("distinct") == (frozen.requests - 1, frozen.requests)
    assert "accuracy" not in frozen.metrics
    assert "accuracy" not in found["GET odd"].metrics


ATTACHERS = (
    IMPORT
    + """
from ml_loadtest.users import LocustfileMistake
from gevent.pool import Group

def number(): return random.randrange(40)

class Several(FastHttpUser):
    wait_time = constant(0.01)
    def on_start(self):
        self.client.get("/a", name="login")
        attach(number=1)
    @task
    def three(self):
        for _ in range(3):
            n = number()
            self.client.get("/a", name=f"n{n}")
            if n % 4:
                attach(number=n, half=n / 2)
                attach(late=n)
    @task
    def inside(self):
        a, b = number(), number()
        self.client.get("/a", name="before")
        with self.client.get("/a", name=f"n{a}", catch_response=True) as outer:
            attach(number=a)
            with self.client.get("/a", name=f"n{b}", catch_response=True) as inner:
                attach(number=b)
            attach(half=a / 2)
            outer.failure("wrong") if a % 2 else None
    @task
    def beside(self):
        def ask(n):
            with self.client.get(f"/sleep/{n / 1000}", name=f"n{n}", catch_response=True):
                gevent.sleep(n % 3 / 100)
                attach(number=n)
        group = Group()
        for _ in range(4):
            group.spawn(ask, number())
        group.join()
    @task
    def custom(self):
        n = number()
        events.request.fire(request_type="GET", name=f"n{n}", response_time=1, response_length=0, exception=None, context={})
        attach(number=n)
    @task
    def raises_inside(self):
        n = number()
        with self.client.get("/a", name=f"n{n}", catch_response=True):
            attach(number=n)
            raise ValueError("the task raises while it looks at the answer")
    @task
    def raises_after(self):
        self.client.get("/status/500", name="n7")
        attach(number=7)
        raise ValueError("and then the task raises")

class Mistaken(FastHttpUser):
    wait_time = constant(0.2)
    @task
    def refused(self):
        self.mistake("before any request", x=1)
        self.client.get("/a", name="mistaken")
        for numbers in ({"Bad": 1}, {"a" * 41: 1}, {"bytes": 1}, {"x": float("nan")}, {"x": "7"}, {"x": True}, {"x": 10 ** 400},
                        {f"x{n}": 1 for n in range(21)}):
            self.mistake(str(numbers)[:30], **numbers)
        gevent.spawn(self.mistake, "another greenlet", x=1).join()
    def mistake(self, name, **numbers):
        try:
            attach(**numbers)
        except LocustfileMistake as error:
            events.request.fire(request_type="NO", name=f"{name}: {error}", response_time=0, response_length=0,
                                exception=None, context=self.context() if name != "before any request" else {})
"""
)


def test_attached_numbers_stay_with_their_request(load):
    run = load(ATTACHERS, users=6, duration="2s")

    samples = run.samples
    numbered = samples[samples["endpoint"].str.fullmatch(r"GET n\d+")]
    truth = numbered["endpoint"].str.removeprefix("GET n").astype(int)
    given = numbered["number"].notna()
    assert len(numbered) > 100
    assert (numbered["number"][given] == truth[given]).all()
    assert (truth[~given] % 4 == 0).all()
    assert given.mean() > 0.8
    halves = numbered["half"].notna()
    assert (numbered["half"][halves] == truth[halves] / 2).all()
    assert samples["number"][~samples["endpoint"].isin(set(numbered["endpoint"]))].isna().all()
    assert "x" not in samples
    refusals = [name for name in set(samples["endpoint"]) if name.startswith("NO ")]
    assert len(refusals) == 10, refusals
    assert not failed_checks(run)


def test_numbers_are_on_disk_a_second_later_even_if_locust_is_killed(load):
    def kill(progress):
        if progress.phase == "measuring" and progress.left_s < 29:
            ours()[0].kill()

    text = """
class Caller(FastHttpUser):
    wait_time = constant(0.02)
    @task
    def ask(self):
        self.client.get("/a")
        attach(number=7)
"""
    run = load(IMPORT + text, watch=kill, duration="30s")

    assert run.closing is None
    assert len(run.samples) > 50
    # Of the second before the last flush, the requests whose turn was not over are missing: one for each user.
    assert run.samples["number"].notna().all()


def test_a_locustfile_that_uses_all_of_it_runs_under_plain_locust(web, tmp_path):
    text = """
class Caller(JsonUser, SseUser):
    wait_time = constant(0.05)
    @task
    def ask_and_read(self):
        answer = self.ask("POST", "/a", name="a", json={})
        attach(batch=8, fields=len(answer))
        assert self.stream("/sse/usage", name="usage", json={}).tokens == 7
        self.stream("/sse/cut", name="cut", json={})
"""
    (tmp_path / "users.py").write_text(HEADER + IMPORT + text)
    options = ["--headless", "--users", "2", "--run-time", "1s", "--stop-timeout", "2", "--json", "--skip-log"]
    done = subprocess.run(
        [locust_python(None, {}), "-m", "locust", "--locustfile", "users.py", "--host", web.url, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(LOCUSTFILES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    entries = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert set(entries) == {"a", "usage", "cut"}, done.stderr
    assert {name: entry["num_failures"] for name, entry in entries.items()} == {
        "a": 0,
        "usage": 0,
        "cut": entries["cut"]["num_requests"],
    }
    assert "Traceback" not in done.stderr


def test_the_package_imports_neither_locust_nor_gevent_until_it_is_asked(tmp_path):
    script = "import sys, ml_loadtest, ml_loadtest.contract; print({'locust', 'gevent'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(LOCUSTFILES)}, capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="nothing"):
        ml_loadtest.nothing  # noqa: B018 (asking is the test)


def write(folder, worker, samples, lines):
    rows = [contract.SAMPLE.pack(0, 0, 0, index, 0, 0, 0, 0, 0, 1, 0) for index in range(samples)]
    (folder / f"samples-{worker}.bin").write_bytes(b"".join(rows))
    (folder / f"endpoints-{worker}.jsonl").write_text('[0, "GET", "/a"]\n')
    (folder / f"extras-{worker}.jsonl").write_text(lines)


def test_every_worker_counts_its_own_samples_and_a_line_cut_off_is_ignored(tmp_path):
    write(tmp_path, 0, 2, '[1, {"tokens": 5}]\n')
    write(tmp_path, 1, 3, '[0, {"tokens": 6, "batch": 2.5}]\n[2, {"tokens": 7}]\n[1, {"tok')

    table = read_samples(tmp_path)

    assert table["tokens"].fillna(-1).tolist() == [-1, 5, 6, -1, 7]
    assert table["batch"].fillna(-1).tolist() == [-1, -1, 2.5, -1, -1]


@pytest.mark.parametrize("lines", ['[2, {"tokens": 5}]\n', "[0, {\n", '[-1, {"tokens": 5}]\n'])
def test_numbers_of_no_sample_are_damage(tmp_path, lines):
    write(tmp_path, 0, 2, lines)

    with pytest.raises(LoadError):
        read_samples(tmp_path)

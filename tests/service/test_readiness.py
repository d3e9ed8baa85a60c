"""Real requests to real sockets."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from entrypoint.service.deadline import Deadline
from entrypoint.service.readiness import Access, Question, ask, wait_until_ready


class Recorder(BaseHTTPRequestHandler):
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.server.seen.append({"path": self.path, **self.headers})  # type: ignore[attr-defined]
        time.sleep(getattr(self.server, "delay_s", 0))
        self.send_response(int(self.path.rsplit("/", 1)[-1] or 200))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append({"path": self.path, "asked": asked, **self.headers})  # type: ignore[attr-defined]
        answers = self.server.answers  # type: ignore[attr-defined]
        body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as running:
        running.seen = []  # type: ignore[attr-defined]
        running.url = f"http://127.0.0.1:{running.server_port}"  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "ready"), [(200, True), (204, True), (302, True), (399, True), (400, False), (503, False)]
)
def test_a_status_below_400_is_ready(server, status, ready):
    answer = ask(f"{server.url}/{status}", Access(), 2)
    assert (answer.ready, answer.said) == (ready, f"it answered with status {status}")
    assert len(server.seen) == 1, "a redirect was followed"


def test_headers_and_login_are_sent(server):
    ask(f"http://me:p%40ss@127.0.0.1:{server.server_port}/", Access(headers={"X-Key": "k"}), 2)
    assert server.seen[0]["X-Key"] == "k"
    assert server.seen[0]["Authorization"] == "Basic bWU6cEBzcw=="


def test_a_proxy_is_asked_for_others_and_never_for_loopback(server):
    proxied = {"http_proxy": server.url, "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "inner.example"}
    assert ask("http://service.example/200", Access(environment=proxied), 2).ready
    assert server.seen[0]["Host"] == "service.example"
    assert not ask("http://inner.example/200", Access(environment=proxied), 2).ready
    nowhere = {"http_proxy": "http://127.0.0.1:9"}
    assert ask(f"{server.url}/200", Access(environment=nowhere), 2).ready
    assert ask(f"http://localhost:{server.server_port}/200", Access(environment=nowhere), 2).ready


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://127.0.0.1:x/", "http://nowhere.invalid/", "http://:0/"])
def test_no_answer_is_said_and_never_raised(url):
    answer = ask(url, Access(), 2)
    assert not answer.ready
    assert answer.said.startswith("there was no answer: ")


def test_a_server_that_hangs_up(server):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            listening.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert not ask(f"http://127.0.0.1:{listening.getsockname()[1]}/", Access(), 2).ready
        thread.join()


def test_a_server_that_drips_has_no_more_time_than_any_other():
    """A socket's own time limit begins anew with every byte."""

    def drip() -> None:
        with suppress(OSError), listening.accept()[0] as accepted:
            while not over.wait(0.05):
                accepted.sendall(b"H")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        answer = ask(f"http://127.0.0.1:{listening.getsockname()[1]}/", Access(), 0.5)
        over.set()
        thread.join()
    assert time.monotonic() - began < 2
    assert (answer.ready, answer.timed_out, answer.said) == (False, True, "it did not answer in time")


def test_a_slow_first_answer_is_waited_for(server):
    server.delay_s = 2.5
    assert wait_until_ready(lambda: server.url, Access(), Deadline(10), Question(path="/200")).said == ""
    assert 1 <= len(server.seen) <= 2


def test_the_deadline_ends_the_wait_with_the_last_answer(server):
    began = time.monotonic()
    found = wait_until_ready(lambda: server.url, Access(), Deadline(0.4), Question(path="/503"))
    assert found.said == "it answered with status 503"
    assert 0.35 < time.monotonic() - began < 1.5


def test_no_address_yet():
    assert wait_until_ready(lambda: "", Access(), Deadline(0.2)).said == "no port of it was open"


PREDICT = Question(path="/predict", body=b'{"x": 1}', expect="prediction")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"prediction": "cat"}', ""),
        (b'{"prediction": 0}', ""),
        (b'{"prediction": []}', "and nothing at `prediction`: {"),
        (b'{"error": "loading"}', "and nothing at `prediction`: {"),
        (b"<html>", "and no JSON: <html>"),
    ],
)
def test_a_right_answer_has_what_is_expected(server, body, said):
    server.answers = [body]
    answer = ask(server.url, Access(), 2, PREDICT)
    assert answer.ready is (said == "")
    assert answer.said == "it answered with status 200" if not said else said in answer.said
    assert (server.seen[0]["asked"], server.seen[0]["Content-Type"]) == ({"x": 1}, "application/json")


def test_a_wrong_answer_begins_the_row_anew(server):
    right, wrong = b'{"prediction": 1}', b"{}"
    server.answers = [wrong, right, right, wrong, right, right, right]
    found = wait_until_ready(lambda: server.url, Access(), Deadline(10), PREDICT, lambda: 3)
    assert (found.said, len(server.seen)) == ("", 7)
    assert found.first_ms > 0 < found.usual_ms


def test_how_many_of_the_row_there_were_is_said(server):
    asked = iter(range(10**6))
    found = wait_until_ready(
        lambda: server.url, Access(), Deadline(0.3), Question(path="/200"), lambda: next(asked) + 100
    )
    assert "right answers of" in found.said


def test_the_first_answers_time_stands_apart_from_the_usual(server):
    server.delay_s = 0.4

    def look() -> str:
        server.delay_s = 0.4 if not server.seen else 0.0
        return server.url

    found = wait_until_ready(look, Access(), Deadline(10), Question(path="/200"), lambda: 4)
    assert found.first_ms > 350
    assert found.usual_ms < 200


@pytest.mark.parametrize(
    "body",
    [b'{"echo": "Bearer supersecret99"}', b"Bearer supersecret99", b'{"you": "sent supersecret99 and hunter2hunter2"}'],
)
def test_what_was_sent_is_never_said(server, body):
    server.answers = [b"x" * 90 + b" " + body]
    question = Question(body=b'{"password": ["hunter2hunter2"]}', expect="prediction")
    said = ask(server.url, Access(headers={"Authorization": "Bearer supersecret99"}), 2, question).said
    assert "supersecret" not in said
    assert "hunter2" not in said


def test_a_header_that_cannot_be_sent_is_not_shown(server):
    said = ask(server.url, Access(headers={"Authorization": "Bearer supersecret99\nx"}), 2).said
    assert said.startswith("there was no answer")
    assert "supersecret99" not in said


def test_a_path_that_does_not_fit_the_answer_is_said(server):
    server.answers = [b'{"a": null}']
    said = ask(server.url, Access(), 2, Question(body=b"{}", expect="length(a)")).said
    assert "an answer in which `length(a)` cannot be looked up" in said

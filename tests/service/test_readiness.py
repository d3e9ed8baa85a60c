"""Real requests to real sockets."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from entrypoint.service.deadline import Deadline
from entrypoint.service.readiness import Access, ask, wait_until_ready


class Recorder(BaseHTTPRequestHandler):
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.server.seen.append({"path": self.path, **self.headers})  # type: ignore[attr-defined]
        time.sleep(getattr(self.server, "delay_s", 0))
        self.send_response(int(self.path.rsplit("/", 1)[-1] or 200))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

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


def test_a_slow_first_answer_is_waited_for(server):
    server.delay_s = 2.5
    assert wait_until_ready(lambda: f"{server.url}/200", Access(), Deadline(10)) == ""
    assert 1 <= len(server.seen) <= 2


def test_the_deadline_ends_the_wait_with_the_last_answer(server):
    began = time.monotonic()
    assert wait_until_ready(lambda: f"{server.url}/503", Access(), Deadline(0.4)) == "it answered with status 503"
    assert 0.35 < time.monotonic() - began < 1.5


def test_no_address_yet():
    assert wait_until_ready(lambda: "", Access(), Deadline(0.2)) == "no port of it was open"

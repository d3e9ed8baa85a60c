"""The service's own page for Prometheus: what is read of it, and what a page that fails comes to."""

import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.openmetrics import exposition

from entrypoint.measurement.series import Window, figures_of_series
from entrypoint.service import prometheus, running
from entrypoint.service.prometheus import Look, Unreadable, looks_at, parse_page, watched
from entrypoint.service.readiness import Access
from entrypoint.settings.prometheus import Prometheus, parse_selector
from tests.service.conftest import docker, settings

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
WANTED = Prometheus.model_validate({"series": [{"name": "hits", "series": "hits_total", "per": "second"}]})


def parsed(text: str, *names: str, kind: str = TEXT) -> Look:
    return parse_page(text, kind, {name: parse_selector(name) for name in names})


@pytest.mark.parametrize(("write", "kind"), [(generate_latest, TEXT), (exposition.generate_latest, OPEN_METRICS)])
def test_what_the_library_exports_is_read_in_either_format(write, kind):
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    seconds = Histogram("request_seconds", "Time.", ["path"], registry=registry)
    for path, value in (("/a", 0.5), ("/a", 0.25), ('/b"\n\\', 4.0)):
        seconds.labels(path).observe(value, exemplar={"id": "x # {y"} if kind == OPEN_METRICS else None)
    hits = Counter("hits", "Hits.", registry=registry)
    hits.inc(3, exemplar={"id": "1"} if kind == OPEN_METRICS else None)
    Gauge("queue", "Waiting.", ["model"], registry=registry).labels("m").set(7)
    page = write(registry).decode()

    found = parsed(page, "request_seconds_sum", 'request_seconds_count{path="/a"}', "hits_total", "queue", kind=kind)

    assert {name: sum(values.values()) for name, values in found.values.items()} == {
        "request_seconds_sum": 4.75,
        'request_seconds_count{path="/a"}': 2.0,
        "hits_total": 3.0,
        "queue": 7.0,
    }
    assert len(found.values["request_seconds_sum"]) == 2
    assert (found.kinds["hits_total"], found.kinds["queue"]) == ("counter", "gauge")
    assert 0 < found.began < time.time()


def test_a_counter_need_not_end_as_counters_do():
    page = '# HELP nv_success Requests.\n# TYPE nv_success counter\nnv_success{model="a"} 5\nnv_success_ratio 9\n'
    found = parsed(page, "nv_success", 'nv_success{model="b"}')
    assert found.values == {"nv_success": {'model="a"': 5.0}, 'nv_success{model="b"}': {}}
    assert found.kinds == {"nv_success": "counter"}
    assert found.began is None


def test_names_that_begin_alike_are_not_taken_for_each_other():
    page = "x 1\nx_total 2\nx_total_bytes 3\n# TYPE x_other gauge\nx_other 4\n\n# a remark\n"
    assert parsed(page, "x", "x_total").values == {"x": {"": 1.0}, "x_total": {"": 2.0}}


@pytest.mark.parametrize(
    ("text", "kind"), [("hits_total many\n", TEXT), ("hits_total{\n", TEXT), ("hits_total 1\n", OPEN_METRICS)]
)
def test_what_is_no_page_or_only_half_of_one_is_refused(text, kind):
    with pytest.raises((ValueError, IndexError, KeyError)):
        parsed(text, "hits_total", kind=kind)


def test_a_series_that_is_there_twice_has_no_value():
    assert len(parsed('x{a="1"} 1\nx{a="2"} 2\n', "x").values["x"]) == 2
    with pytest.raises(Unreadable, match="it has a series of `x` twice, with the same labels"):
        parsed('x{a="1",b="2"} 1\nx{b="2",a="1"} 2\n', "x")


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who asked has gone, as it should."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def page(handler: BaseHTTPRequestHandler, text: str, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": TEXT, "Content-Length": str(len(text.encode())), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(text.encode())


def watch(tmp_path: Path, *urls: str, seconds: float = 0.0, access: Access | None = None) -> list[Look]:
    path = tmp_path / "pages.jsonl"
    with watched({f"ml {n}": url for n, url in enumerate(urls, 1)}, WANTED, access or Access(), path):
        time.sleep(seconds)
    return list(looks_at(path))


def test_it_is_read_from_before_to_after_and_then_so_often_that_every_process_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(prometheus, "_EVERY_S", 0.2)
    monkeypatch.setattr(prometheus, "_TIMES", 1.0)
    asked = []

    def answer(handler):
        asked.append((handler.path, handler.headers["Accept"], handler.headers["X-Key"]))
        page(handler, f"# TYPE hits_total counter\nhits_total {len(asked)}\n")

    with serving(answer) as url:
        began = time.time()
        looks = watch(tmp_path, url, seconds=0.9, access=Access(headers={"X-Key": "7"}))
        ended = time.time()

    assert [look.values["hits_total"][""] for look in looks] == list(range(1, len(asked) + 1))
    assert set(asked) == {("/metrics", "text/plain;version=0.0.4", "7")}
    assert 2 + 2 + 12 <= len(looks) <= 2 + 6 + 12
    assert began <= looks[0].at < began + 0.9
    assert began + 0.9 <= looks[-12].at <= looks[-1].at <= ended
    assert not any(look.trouble for look in looks)


def test_a_page_that_takes_long_is_read_seldom(tmp_path, monkeypatch):
    monkeypatch.setattr(prometheus, "_EVERY_S", 0.05)
    monkeypatch.setattr(prometheus, "_AT_REST", 0)

    def answer(handler):
        time.sleep(0.05)
        page(handler, "hits_total 1\n")

    with serving(answer) as url:
        assert len(watch(tmp_path, url, seconds=1.0)) == 3


def test_a_first_answer_that_takes_long_does_not_make_reads_seldom(tmp_path, monkeypatch):
    monkeypatch.setattr(prometheus, "_EVERY_S", 0.1)
    monkeypatch.setattr(prometheus, "_TIMES", 20.0)
    monkeypatch.setattr(prometheus, "_AT_REST", 0)
    first = iter([0.2])

    def answer(handler):
        time.sleep(next(first, 0.0))
        page(handler, "hits_total 1\n")

    with serving(answer) as url:
        assert len(watch(tmp_path, url, seconds=1.5)) > 3


def test_where_none_is_wanted_nothing_is_read(tmp_path):
    with watched({"api": "http://127.0.0.1:1"}, None, Access(), tmp_path / "pages.jsonl"):
        pass
    assert looks_at(tmp_path / "pages.jsonl") == []


def drips(handler):
    """A whole head, and a byte now and then for ever."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"#")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (lambda handler: page(handler, "no such page", 404), "it answered with status 404"),
        (lambda handler: page(handler, "", 302, Location="http://127.0.0.1:9/secret"), "it answered with status 302"),
        (lambda handler: page(handler, "hits_total soon\n"), "it is no page for Prometheus"),
        (lambda handler: page(handler, "hits_total 1\n" * 100), "it is larger than 0.001 MB"),
        (
            lambda handler: page(handler, "hits_total 1\n" * 50),
            "it has more than 0.0005 MB of series with names like these",
        ),
        (
            lambda handler: page(handler, "# a remark\n" * 50 + "hits_total 1\n", **{"Content-Type": OPEN_METRICS}),
            "it was cut short",
        ),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "there was no answer"),
        (drips, "there was no whole answer within 0.3 s"),
        (lambda handler: page(handler, "hits_total 1", **{"Content-Length": "14"}), "it was cut short"),
        (lambda handler: page(handler, "hits_total 1\nhits_total 2\n"), "it has a series of `hits_total` twice"),
    ],
    ids=[
        "missing",
        "redirect",
        "not-numbers",
        "too-large",
        "too-much",
        "no-end",
        "not-http",
        "drips",
        "cut-short",
        "twice",
    ],
)
def test_a_page_that_fails_is_a_look_that_says_why_and_never_an_error(tmp_path, monkeypatch, answer, trouble):
    monkeypatch.setattr(prometheus, "_LARGEST", 1000)
    monkeypatch.setattr(prometheus, "_MOST_KEPT", 500)
    monkeypatch.setattr(prometheus, "_TIMEOUT_S", 0.3)
    with serving(answer) as url:
        looks = watch(tmp_path, url, seconds=0.1)
    assert looks
    assert all(look.trouble.startswith(trouble) and not look.values for look in looks)
    assert len(looks) <= 3 + 1, "once it failed after the load, it is not asked again and again"


def test_a_run_that_is_broken_off_is_not_kept_waiting_for_reads_at_rest(tmp_path):
    with serving(lambda handler: page(handler, "hits_total 1\n")) as url:
        with suppress(KeyboardInterrupt), watched({"api": url}, WANTED, Access(), tmp_path / "pages.jsonl"):
            time.sleep(0.5)
            raise KeyboardInterrupt
        assert len(looks_at(tmp_path / "pages.jsonl")) == 3


def test_reads_at_rest_end_soon_where_a_page_is_slow(tmp_path, monkeypatch):
    monkeypatch.setattr(prometheus, "_REST_S", 0.5)

    def answer(handler):
        time.sleep(0.2)
        page(handler, "hits_total 1\n")

    with serving(answer) as url:
        began = time.monotonic()
        looks = watch(tmp_path, url, seconds=0.7)
        took = time.monotonic() - began
    assert 4 <= len(looks) < 10
    assert took < 0.7 + 0.5 + 2 * 0.4


def test_a_page_that_drips_leaves_nobody_waiting_for_it(tmp_path, monkeypatch):
    """In a soak of an hour that would be a thread and a connection for each of two thousand reads."""
    monkeypatch.setattr(prometheus, "_TIMEOUT_S", 0.2)
    monkeypatch.setattr(prometheus, "_EVERY_S", 0.1)
    left = []
    with serving(drips) as url:
        assert len(watch(tmp_path, url, seconds=1.5)) > 2
        for _ in range(20):
            left = [thread for thread in threading.enumerate() if thread.name.endswith("(<lambda>)")]
            if not left:
                break
            time.sleep(0.1)
    assert left == []


def test_who_does_not_answer_is_told_in_the_system_s_own_words(tmp_path):
    with serving(lambda _: None) as gone:
        pass
    (look, *_) = watch(tmp_path, gone)
    assert look.trouble == "there was no answer (Connection refused)"


def test_a_container_without_the_port_is_told(tmp_path):
    (look, *_) = watch(tmp_path, "")
    assert look.trouble == "the container has no such port"


def test_a_process_has_its_page_where_it_takes_the_load(place, say):
    (place.root / "server.py").write_text(
        "import http.server, sys\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'hits_total 3\\n' if self.path == '/own/metrics' else b'ok')\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Answer).serve_forever()\n"
    )
    said = {"path": "own/metrics", "series": [{"name": "hits", "series": "hits_total", "per": "second"}]}
    service = settings(command=f"{sys.executable} server.py {{port}}", prometheus=said)
    for in_turns in (False, True):
        with running(service, name="candidate", place=place, say=say, in_turns=in_turns):
            pass
        looks = looks_at(place.logs / prometheus.PAGES)
        (place.logs / prometheus.PAGES).unlink(missing_ok=True)
        assert {look.source for look in looks} == (set() if in_turns else {"candidate"})
        assert all(look.values == {"hits_total": {"": 3.0}} for look in looks)


PREFORK = """
import os, socket, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from prometheus_client import Counter, generate_latest

listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.fork()
hits = Counter("hits", "Requests.")

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/metrics":
            hits.inc()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(generate_latest() if self.path == "/metrics" else b"ok")
    def log_message(self, *_):
        pass

server = HTTPServer(listening.getsockname(), Answer, bind_and_activate=False)
server.socket = listening
server.serve_forever()
"""


def test_two_processes_behind_one_socket_have_no_figure(place, say, monkeypatch):
    """The page tells half of the requests, and no read while they are made need ever go back."""
    monkeypatch.setattr(prometheus, "_EVERY_S", 0.1)
    (place.root / "server.py").write_text(PREFORK)
    service = settings(command=f"{sys.executable} server.py {{port}}", prometheus=WANTED.model_dump(by_alias=True))
    with running(service, name="candidate", place=place, say=say) as target:
        began = time.time()
        while time.time() < began + 1.5:
            urllib.request.urlopen(target.url, timeout=5).close()
    looks = looks_at(place.logs / prometheus.PAGES)

    window = Window(begin=began, end=began + 1.2, successes=1, answers=())
    found, (told,) = figures_of_series(WANTED, looks, window)

    assert found == {}
    assert told.missing.startswith("the page of `candidate` is not one process's, or it began anew: ")


REPLICAS = """
services:
  front:
    image: python:3.13-slim
    stop_signal: SIGKILL
    command: [python, -m, http.server, "80"]
  ml:
    image: python:3.13-slim
    stop_signal: SIGKILL
    deploy: {replicas: 2}
    command:
      - python
      - -c
      - |
        import http.server, os
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f'up{{host="{os.uname().nodename}"}} 1\\n'.encode())
        http.server.ThreadingHTTPServer(("0.0.0.0", 8002), Answer).serve_forever()
"""


@pytest.mark.docker
def test_every_replica_behind_a_proxy_is_read_by_itself(docker_engine, left_behind, place, say):
    (place.root / "compose.yml").write_text(REPLICAS)
    said = {"service": "ml", "port": 8002, "series": [{"name": "up", "series": "up"}]}
    launcher = {"compose_file": [place.root / "compose.yml"], "service": "front", "port": 80, "prometheus": said}
    service = settings(**launcher, ready={"timeout": "30s", "in-a-row": 1})

    with running(service, name="candidate", place=place, say=say):
        label = f"label=com.docker.compose.project={place.project('candidate')}"
        names = docker(
            "ps", "--filter", label, "--filter", "label=com.docker.compose.service=ml", "--format", "{{.ID}}"
        )
    looks = looks_at(place.logs / prometheus.PAGES)

    assert {look.source for look in looks} == {"ml 1", "ml 2"}
    assert not any(look.trouble for look in looks)
    hosts = {source: {label for look in looks if look.source == source for label in look.values["up"]}
             for source in ("ml 1", "ml 2")}  # fmt: skip
    assert sorted(host for seen in hosts.values() for host in seen) == sorted(
        f'host="{name}"' for name in names.split()
    )
    assert left_behind() == []

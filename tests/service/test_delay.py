"""The proxy that plants a delay: it changes when answers come, and nothing else."""

import http.client
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from urllib.parse import urlsplit

import psutil
import pytest

from entrypoint.service.delay import delayed

BIG = bytes(range(256)) * 20_000
# The server's own threads may still hold a connection when a test ends; what the proxy leaves is looked at by name.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self):
        if self.path == "/stream":
            return self._stream()
        return self._answer({"/empty": b"", "/one": b"x"}.get(self.path, BIG if self.path == "/big" else b"ok"))

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"first", b"second"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


@pytest.fixture
def service():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def connect(url):
    return closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10))


def get(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read()


@pytest.mark.parametrize("delay_s", [0.0, 0.005])
def test_what_is_answered_passes_byte_for_byte(service, delay_s):
    with delayed(service, delay_s) as url, connect(url) as connection:
        assert [get(connection, path) for path in ("/empty", "/one", "/big", "/stream", "/")] == [
            b"", b"x", BIG, b"firstsecond", b"ok",
        ]  # fmt: skip
        connection.request("POST", "/", BIG)
        assert connection.getresponse().read() == BIG


def test_each_answer_comes_as_much_later_as_was_asked_for(service):
    """Taken in turns, so that the machine's moods fall on both alike; medians, for it has neighbours."""
    times = ([], [])
    with (
        delayed(service, 0.02) as slow,
        delayed(service, 0.0) as plain,
        connect(slow) as slow_one,
        connect(plain) as plain_one,
    ):
        for _ in range(80):
            for connection, taken in zip((slow_one, plain_one), times, strict=True):
                began = time.perf_counter()
                get(connection, "/one")
                taken.append(time.perf_counter() - began)

    assert median(times[0]) - median(times[1]) == pytest.approx(0.02, abs=0.001)


def test_a_stream_comes_later_as_a_whole_and_takes_no_longer(service):
    with delayed(service, 0.3) as url, connect(url) as connection:
        began = time.perf_counter()
        connection.request("GET", "/stream")
        assert connection.getresponse().read() == b"firstsecond"

    assert 0.4 <= time.perf_counter() - began < 0.8


def test_fifty_connections_at_once_are_served(service):
    with delayed(service, 0.01) as url:
        got = []

        def ask():
            with connect(url) as connection:
                got.extend(get(connection, "/one") for _ in range(3))

        threads = [threading.Thread(target=ask) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert got == [b"x"] * 150


@contextmanager
def leaving_nothing():
    process = psutil.Process()
    listening = _listening(process)
    yield
    assert "ml-loadtest-delay" not in {thread.name for thread in threading.enumerate()}
    assert _listening(process) == listening


def _listening(process):
    return {one.laddr for one in process.net_connections() if one.status == psutil.CONN_LISTEN}


def test_a_service_that_refuses_closes_the_clients_connection():
    with (
        leaving_nothing(),
        delayed("http://127.0.0.1:9", 0.0) as url,
        connect(url) as connection,
        pytest.raises((ConnectionError, http.client.HTTPException)),
    ):
        get(connection, "/one")


def test_an_answer_in_flight_does_not_keep_it_from_ending(service):
    with leaving_nothing():
        began = time.perf_counter()
        with delayed(service, 30.0) as url:
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
            connection.request("GET", "/one")
            time.sleep(0.2)
        assert time.perf_counter() - began < 2
        with closing(connection), pytest.raises((ConnectionError, http.client.HTTPException)):
            connection.getresponse()


def test_https_is_refused():
    with pytest.raises(ValueError, match="expected an http address"), delayed("https://127.0.0.1:1", 0.0):
        pass

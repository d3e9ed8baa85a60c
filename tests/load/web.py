"""A small HTTP server in this process, whose paths misbehave on demand."""

import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODIES = {"/wrong": b'{"error": "x"}', "/html": b"<html>busy</html>", "/nan": b'{"score": NaN}', "/empty": b""}
CUT = object()


def event(text=None, **fields):
    """A chunk as OpenAI's chat completions send it."""
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    return f"data: {json.dumps({'choices': choices, **fields}, ensure_ascii=False)}\n\n".encode()


ROLE = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
DONE = b"data: [DONE]\n\n"
SPLIT = event("héé", note="naïve") + event(" – 你好")

# What is sent, with pauses in seconds between; CUT closes the connection in the middle of the message.
SSE = {
    # The role at once, the first token after 200 ms, ten more, each 30 ms later.
    "tokens": (ROLE, 0.2, event("t0"), *(part for n in range(1, 11) for part in (0.03, event(f" t{n}"))), DONE),
    "usage": (ROLE, b": ping\n\n", event("a"), event("b"), event(usage={"completion_tokens": 7}), DONE),
    "split": (*(part for byte in SPLIT for part in (bytes([byte]), 0.001)), DONE),
    "crlf": (
        event("a").replace(b"\n", b"\r\n"),
        b'data: {"choices":\r\ndata: [{"text": "b"}]}\r\n\r\n',
        b"data:[DONE]",
    ),
    "open": (event("a"), event("b")),
    "slow": (event("a"), 0.15, event("b"), 0.15, event("c"), DONE),
    "cut": (event("a"), event("b"), CUT),
    "cut-line": (event("a"), event("b")[:-9], CUT),
    "stalls": (event("a"), 3, event("b"), DONE),
    "malformed": (event("a"), b"data: {choices\n\n", DONE),
    "latin": (event("a"), 'data: {"choices": "é"}\n\n'.encode("latin-1"), DONE),
    "error": (event("a"), b'data: {"error": {"message": "out of memory"}}\n\n', DONE),
    "silent": (ROLE, DONE),
    "lingers": (event("a"), DONE, 0.3),
}


def stream(handler, *parts):
    """Send server-sent events, and note when the first token and the last byte left, in ms since the request was here."""
    began = time.perf_counter()
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    sent = []
    for part in parts:
        if part is CUT:
            handler.close_connection = True
            return
        if isinstance(part, bytes):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            sent.append((time.perf_counter() - began) * 1000)
        else:
            time.sleep(part)
    handler.wfile.write(b"0\r\n\r\n")
    handler.server.streams.append((handler.path, sent))


class Web(ThreadingHTTPServer):
    """Counts what it was asked, by path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = Counter()
        self.bodies = []
        self.streams = []
        self.one_at_a_time = threading.Lock()
        self.connections = 0
        self.turn = itertools.count(1)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        pass  # clients of these tests hang up on purpose


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.asked[path] += 1
        match path.strip("/").split("/"):
            case ["sleep", seconds, *_]:
                time.sleep(float(seconds))
            case ["queue", seconds, *_]:
                with self.server.one_at_a_time:
                    time.sleep(float(seconds))
            case ["every", number]:
                # That one fails, and exactly that one.
                path = "/status/500" if next(self.server.turn) % int(number) == 0 else path
            case ["close"]:
                self.close_connection = True
                return
        status = int(path.split("/")[2]) if path.startswith("/status/") else 200
        body = BODIES.get(path, b'{"ok": true}')
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/sse/"):
            self.server.asked[self.path] += 1
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream(self, *SSE[self.path.removeprefix("/sse/")])
        else:
            self.do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def serving() -> Iterator[Web]:
    web = Web()
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.shutdown()
        web.server_close()

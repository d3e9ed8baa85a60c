"""A small model service in this process, as strict as one of FastAPI's; it remembers every request in full."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = []

    def handle_error(self, request, client_address):
        pass  # clients hang up on purpose

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def to(self, path):
        """What was asked below a path."""
        return [asked for asked in self.asked if asked.path.startswith(path)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers), body))
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] == "predict":
            self.answer(*predict(body))
        elif parts[0] == "lenient":
            self.answer(200, {"prediction": "cat"})
        elif parts[0] == "status":
            self.answer(int(parts[1]), {"detail": "as you wish"})
        elif parts[0] == "sleep":
            time.sleep(float(parts[1]))
            self.answer(200, {"slept": float(parts[1])})
        elif parts[0] == "echo":
            self.answer(
                200, {"method": self.command, "path": self.path, "headers": dict(self.headers), "length": len(body)}
            )
        elif parts[0] == "leak":
            self.answer(400, {"detail": f"key {self.headers.get('X-Key')} and {self.path} are unknown"})
        else:
            self.answer(200, {"ok": True})

    do_POST = do_GET  # noqa: N815 (http.server's name)
    do_PUT = do_GET  # noqa: N815

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def predict(body):
    """A cat under ten years of age, else a dog; anything but a name and an age from 0 to 30 is refused."""
    try:
        asked = json.loads(body)
    except ValueError:
        return 400, {"detail": "no JSON"}
    name, age = asked.get("name"), asked.get("age")
    if not isinstance(name, str) or isinstance(age, bool) or not isinstance(age, int | float) or not 0 <= age <= 30:
        return 422, {"detail": "a name and an age from 0 to 30 are needed"}
    return 200, {"prediction": "cat" if age < 10 else "dog", "scores": [{"value": age / 30}]}


@contextmanager
def serving():
    server = ModelServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

"""Git over HTTP as GitHub serves it: shallow fetches, any reachable commit, one Authorization header and no second."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class GitServer:
    """Serves every repository in a folder to who shows the token.

    Attributes:
        url: its address.
        silent: while it is there, and not set, no request is answered.
        authorizations: the Authorization headers of each request so far.
    """

    root: Path
    token: str
    url: str = ""
    silent: threading.Event | None = None
    authorizations: list[list[str]] = field(default_factory=list)

    @property
    def expected(self) -> str:
        return "basic " + base64.b64encode(f"x-access-token:{self.token}".encode()).decode()


@contextmanager
def serving(root: Path, token: str) -> Iterator[GitServer]:
    server = GitServer(root, token)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if server.silent:
                server.silent.wait(60)
            shown = self.headers.get_all("Authorization") or []
            server.authorizations.append(shown)
            if len(shown) > 1:
                self.send_error(400, "Duplicate header: Authorization")
            elif shown != [server.expected]:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer()

        do_POST = do_GET  # noqa: N815 (its base class asks for this name)

        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            length = self.headers.get("Content-Length", "")
            body = self.rfile.read(int(length or 0))
            environ = {
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(server.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": length,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_USER": "x", "HOME": str(server.root),
            }  # fmt: skip
            answer = subprocess.run(
                ["git", "http-backend"], env=environ, input=body, stdout=subprocess.PIPE, check=True
            ).stdout
            head, _, content = answer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    return Handler

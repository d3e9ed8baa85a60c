"""A static HTTP server that costs a small part of what its client does: python fast_server.py PORT_FILE [HOST PORT].

One process, one thread, epoll, one prepared answer. `GET /count` tells how many other requests were answered.
"""

import os
import select
import socket
import sys
from pathlib import Path

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"ok": true}'
_END = b"\r\n\r\n"


class FastServer:
    """Answers whatever is asked; requests without a body only."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = socket.create_server((host, port), backlog=1024)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, socket.socket] = {}
        self._answered = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Serve until the process that started this one is gone or ends it."""
        parent = os.getppid()
        while os.getppid() == parent:
            for number, _ in self._poll.poll(1.0):
                connection = self._connections.get(number)
                if connection is None:
                    self._accept()
                else:
                    self._answer(connection)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.fileno()] = connection
        self._poll.register(connection, select.EPOLLIN)

    def _answer(self, connection: socket.socket) -> None:
        try:
            asked = connection.recv(65536)
            if asked.startswith(b"GET /count "):
                count = str(self._answered).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(count), count))
            elif asked:
                requests = asked.count(_END)
                self._answered += requests
                connection.sendall(_ANSWER * requests)
        except ConnectionError:
            asked = b""
        if not asked:
            self._poll.unregister(connection)
            del self._connections[connection.fileno()]
            connection.close()


if __name__ == "__main__":
    server = FastServer(sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else FastServer()
    Path(sys.argv[1]).write_text(str(server.port))
    server.serve()

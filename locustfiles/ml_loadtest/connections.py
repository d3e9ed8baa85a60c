"""No request goes out on a connection that the server is about to close.

Servers close a connection that was idle for a while, uvicorn after 5 s. A request that is on its way at that moment is lost, and
its client says "connection closed": at a few requests a second for each user, one in some thousands, by nobody's change.
Well-kept clients open a new connection instead when one was idle for about 4 s (undici, Node's own client, does). Locust's two
clients keep theirs for ever, so their pools are taught to.
"""

import time
from typing import Any

from geventhttpclient.connectionpool import ConnectionPool
from urllib3.connectionpool import HTTPConnectionPool

IDLE_S = 4.0


def install() -> None:
    """Have both pools close connections that were idle for long; those of plugins and proxies are pools like the others."""
    _teach_geventhttpclient()
    _teach_urllib3()


def _teach_geventhttpclient() -> None:
    put, is_alive = ConnectionPool.return_socket, ConnectionPool._is_socket_alive

    def return_socket(self: Any, sock: Any) -> None:
        self.__dict__.setdefault("ml_loadtest_idle", {})[id(sock)] = time.perf_counter()
        put(self, sock)

    def _is_socket_alive(self: Any, sock: Any) -> bool:
        since = self.__dict__.get("ml_loadtest_idle", {}).pop(id(sock), None)
        return not _stale(since) and is_alive(self, sock)

    ConnectionPool.return_socket = return_socket
    ConnectionPool._is_socket_alive = _is_socket_alive


def _teach_urllib3() -> None:
    put, get = HTTPConnectionPool._put_conn, HTTPConnectionPool._get_conn

    def _put_conn(self: Any, conn: Any) -> None:
        if conn is not None:
            conn.ml_loadtest_idle = time.perf_counter()
        put(self, conn)

    def _get_conn(self: Any, timeout: Any = None) -> Any:
        conn = get(self, timeout)
        if _stale(getattr(conn, "ml_loadtest_idle", None)):
            conn.close()  # it connects anew when it is used
        return conn

    HTTPConnectionPool._put_conn = _put_conn
    HTTPConnectionPool._get_conn = _get_conn


def _stale(since: float | None) -> bool:
    return since is not None and time.perf_counter() - since > IDLE_S

"""An example's own app, which lies beside as served.py, with something wrong; nothing by default.

EXTRA_MS    every request computes for so many milliseconds more
LEAK        every request leaves so many bytes behind
START       the service is ready so many seconds later
"""

import os
import time

from starlette.types import ASGIApp, Receive, Scope, Send

_extra_s = float(os.environ.get("EXTRA_MS", "0")) / 1000
_leak = int(os.environ.get("LEAK", "0"))
_left_behind: list[bytes] = []
time.sleep(float(os.environ.get("START", "0")))

from served import app  # noqa: E402 (a start that is later is later with all of it)


class Planted:
    """Between the server and the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            until = time.thread_time() + _extra_s
            while time.thread_time() < until:
                pass
            if _leak:
                _left_behind.append(os.urandom(_leak))
        await self._app(scope, receive, send)


app.add_middleware(Planted)

"""A service that keeps a ledger of each request's own times: python ledger_server.py PORT_FILE [stalls].

A request takes 15 to 25 ms, however many there are. With `stalls`, nothing is answered in the last 2 s of every 20 s: what would
be ready in that time is ready at its end. `GET /ledger` is the ledger: [id, arrived, answered] of each request, seconds of the
monotonic clock that all processes of the machine share.
"""

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_PERIOD_S = 20.0
_STALL_S = 2.0
_BODY = b'{"ok": true}'


class Ledger:
    """What was asked when, and when it was answered."""

    def __init__(self, stalls: bool) -> None:
        self.entries: list[tuple[str, float, float]] = []
        self.began = time.perf_counter()
        self._random = random.Random(1)
        self._stalls = stalls

    def ready(self, arrived: float) -> float:
        """When the answer to a request is ready."""
        done = arrived + self._random.uniform(0.015, 0.025)
        left = _PERIOD_S - (done - self.began) % _PERIOD_S
        return done + (left if self._stalls and left < _STALL_S else 0.0)


class Connection(asyncio.Protocol):
    """One client's connection; one request at a time, as Locust's clients send them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        arrived = time.perf_counter()
        url = urlsplit(data.split(b" ", 2)[1].decode())
        if url.path == "/ledger":
            self._send(json.dumps(self._ledger.entries).encode())
            return
        loop = asyncio.get_running_loop()
        # The loop's clock has the same source and origin as the ledger's.
        loop.call_at(self._ledger.ready(arrived), self._answer, parse_qs(url.query)["id"][0], arrived)

    def _answer(self, identity: str, arrived: float) -> None:
        self._send(_BODY)
        self._ledger.entries.append((identity, arrived, time.perf_counter()))

    def _send(self, body: bytes) -> None:
        assert self._transport is not None
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def main(port_file: Path, stalls: bool) -> None:
    ledger = Ledger(stalls)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(ledger), "127.0.0.1", 0, backlog=1024)
    port_file.write_text(str(server.sockets[0].getsockname()[1]))
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), "stalls" in sys.argv[2:]))

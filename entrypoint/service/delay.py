"""A small proxy in front of a running service whose answers come later: the planted change of `self-test`."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

from locustfiles.ml_loadtest.timer import COARSE_S, Timer

_CHUNK = 65536
# So much of an answer may be on its way; a service that sends more waits, as it would for a slow client.
_MOST_CHUNKS = 256


@contextmanager
def delayed(url: str, delay_s: float) -> Iterator[str]:
    """An address that answers as the service at `url` does, every byte of it `delay_s` later.

    Args:
        url: of an http service on this machine.
        delay_s: seconds, 0 for a proxy that only costs what every proxy costs.

    Yields:
        the address on loopback, without a trailing slash.

    Raises:
        ValueError: if the url is not http.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise ValueError(f"expected an http address, got {parts.scheme}")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="ml-loadtest-delay", daemon=True)
    thread.start()
    relay = _Relay(parts.hostname, parts.port or 80, delay_s)
    try:
        port = asyncio.run_coroutine_threadsafe(relay.listen(), loop).result()
        yield f"http://127.0.0.1:{port}{parts.path.rstrip('/')}"
    finally:
        asyncio.run_coroutine_threadsafe(relay.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Relay:
    """All connections of one proxy."""

    def __init__(self, host: str, port: int, delay_s: float) -> None:
        self._upstream = (host, port)
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None
        self._clock = _Clock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """Begin; the port."""
        self._clock.attach(asyncio.get_running_loop())
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """End, whatever is in flight."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # connections are closed by the loop's next rounds, of which there must be some
        self._clock.detach(asyncio.get_running_loop())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # Cancelled at the end of the run, or reset by either side: the other side sees its connection closed.
            with suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        for side in (writer, upstream_writer):
            side.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS)
        ways = [
            asyncio.ensure_future(self._deliver(on_the_way, writer)),
            asyncio.ensure_future(_questions(reader, upstream_writer)),
            asyncio.ensure_future(self._answers(upstream_reader, on_the_way)),
        ]
        try:
            # A client that has said all it has to say still waits for the answer; a service that hung up does not.
            await ways[0]
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            upstream_writer.close()

    async def _answers(self, reader: asyncio.StreamReader, on_the_way: "asyncio.Queue[tuple[float, bytes]]") -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            await on_the_way.put((time.perf_counter() + self._delay_s, data))

    async def _deliver(self, on_the_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        """To the client, each piece when it is due; an empty one is the last."""
        while True:
            due, data = await on_the_way.get()
            await self._clock.wait_until(due)
            if not data:
                return
            writer.write(data)
            await writer.drain()


async def _questions(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class _Clock:
    """Waits to a tenth of a millisecond; the event loop's own timers round up to a whole one."""

    def __init__(self) -> None:
        self._timer = Timer.if_there()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, in the loop that waits."""
        if self._timer:
            loop.add_reader(self._timer.fileno(), self._timer.ring)

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        """End."""
        if self._timer:
            loop.remove_reader(self._timer.fileno())
            self._timer.close()

    async def wait_until(self, due: float) -> None:
        """On the clock of `time.perf_counter`."""
        if self._timer and due > time.perf_counter():
            called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = self._timer.call_at(due, partial(_come_true, called))
            try:
                await called
            finally:
                entry.clear()  # a connection may end before its answer is due
            return
        if (left := due - time.perf_counter()) > COARSE_S:
            await asyncio.sleep(left - COARSE_S)
        while time.perf_counter() < due:
            await asyncio.sleep(0)


def _come_true(called: "asyncio.Future[None]") -> None:
    if not called.done():  # cancelled a moment ago, with its connection
        called.set_result(None)

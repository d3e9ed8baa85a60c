"""Stands in for nginx where there is none: shares requests out over the replicas in turn, and says in `X-Replica` who answered.

    python front.py --port 8000 127.0.0.1:8081 127.0.0.1:8082

Only GET without a body, which is all that the service has. A replica that does not answer is left out for some seconds.
"""

import argparse
import asyncio
import itertools
import time

LEFT_OUT_S = 5.0


class Replica:
    def __init__(self, address: str) -> None:
        self.address = address
        self.host, _, self.port = address.rpartition(":")
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.down_until = 0.0

    async def ask(self, head: bytes) -> bytes:
        """Its whole answer. A kept connection may have been closed meanwhile, so a fresh one is tried after it."""
        while self.idle:
            try:
                return await self._exchange(*self.idle.pop(), head)
            except (OSError, asyncio.IncompleteReadError):
                continue
        return await self._exchange(*await asyncio.open_connection(self.host, int(self.port)), head)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> bytes:
        try:
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(header(answer, b"content-length") or 0))
        except BaseException:
            writer.close()
            raise
        self.idle.append((reader, writer))
        return answer[:-2] + f"X-Replica: {self.address}\r\n\r\n".encode() + body


def header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return None


class Front:
    def __init__(self, replicas: list[Replica]) -> None:
        self.replicas = replicas
        self.turns = itertools.cycle(range(len(replicas)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, for as long as it keeps its connection."""
        try:
            closing = False
            while not closing:
                head = await reader.readuntil(b"\r\n\r\n")
                allowed = head.startswith(b"GET ") and not header(head, b"content-length")
                closing = not allowed or (header(head, b"connection") or b"").lower() == b"close"
                writer.write(await self.answer(head) if allowed else plain("405 Method Not Allowed"))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone, or never spoke HTTP
        finally:
            writer.close()

    async def answer(self, head: bytes) -> bytes:
        """The next replica's answer, or another one's if that one has none to give."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        first = next(self.turns)
        for replica in self.replicas[first:] + self.replicas[:first]:
            if time.monotonic() < replica.down_until:
                continue
            try:
                return await replica.ask(b"\r\n".join(lines))
            except (OSError, asyncio.IncompleteReadError):
                replica.down_until = time.monotonic() + LEFT_OUT_S
        return plain("502 Bad Gateway")


def plain(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


async def run(host: str, port: int, addresses: list[str]) -> None:
    front = Front([Replica(address) for address in addresses])
    server = await asyncio.start_server(front.serve, host, port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("replicas", nargs="+")
    options = parser.parse_args()
    asyncio.run(run(options.host, options.port, options.replicas))

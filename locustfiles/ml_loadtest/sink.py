"""Where a process's samples, endpoints, extra numbers and health go: to its own files, or through the master to them."""

from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Protocol

_ENDING = {"samples": "bin"}


class Sink(Protocol):
    """Takes what a process has to say, a kind of file at a time."""

    def append(self, kind: str, buffer: bytearray) -> None:
        """Take everything out of the buffer and keep it.

        Args:
            kind: `samples`, `endpoints`, `extras` or `health`.
            buffer: whole records. What could not be kept stays in it.

        Raises:
            OSError: if the disk will not take it.
        """


class FileSink:
    """The files of one process, in the exchange.

    Args:
        folder: the exchange.
        process: the process's number, or `master`.
    """

    def __init__(self, folder: Path, process: int | str) -> None:
        self._folder = folder
        self._process = process
        self._files: dict[str, FileIO] = {}

    def append(self, kind: str, buffer: bytearray) -> None:
        """See `Sink`."""
        if kind not in self._files:
            path = self._folder / f"{kind}-{self._process}.{_ENDING.get(kind, 'jsonl')}"
            self._files[kind] = path.open("ab", buffering=0)
        while buffer:
            written = self._files[kind].write(buffer)
            del buffer[: written or 0]


class MessageSink:
    """Sends everything to the master, with its place in the file, so that nothing can be lost or doubled unseen.

    Args:
        send: sends a message to the master.
    """

    def __init__(self, send: Callable[[dict[str, object]], None]) -> None:
        self._send = send
        self._sent: dict[str, int] = {}

    def append(self, kind: str, buffer: bytearray) -> None:
        """See `Sink`."""
        if buffer:
            offset = self._sent.get(kind, 0)
            self._send({"kind": kind, "offset": offset, "data": bytes(buffer)})
            self._sent[kind] = offset + len(buffer)
            buffer.clear()

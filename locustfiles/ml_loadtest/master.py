"""Workers as the master sees them. Everything passes over Locust's own channel, which has no authentication.

Locust admits whoever comes, whenever it comes, and then shares all users anew. Here nobody is Locust's worker before it said
hello and was found right, and nobody after the last place is taken.

hello   worker → master   who it is, and what it has: versions, digest of its locustfile
plan    master → worker   what to do, its number, the master's clock; or why it is refused
order   master → worker   see `Station`
status  worker → master   see `Status`; several times a second
file    worker → master   the next bytes of one of the worker's files
part    worker → master   see `Part`; after the last of its samples
end     master → worker   the run is over, and why if it ended early
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gevent
from locust.rpc import Message

from ml_loadtest import contract
from ml_loadtest.contract import Plan, Step
from ml_loadtest.fleet import Fleet, RunEndedEarly, unwritten
from ml_loadtest.sink import FileSink
from ml_loadtest.station import Part, Station, Status

logger = logging.getLogger("ml_loadtest")

VERSIONS = {name: version(name) for name in ("locust", "gevent")}
PREFIX = "ml_loadtest_"
# Statuses come four times a second.
_SILENT_S = 3.0
_JOIN_S = 120.0
_PART_S = 5.0
# Orders are carried out within milliseconds; one that takes so long was lost.
_ORDER_S = 10.0
# From the master's first answer a worker of ours needs a moment to say hello; one that does not is plain Locust's.
_HELLO_S = 5.0
_TICK_S = 0.01


class MasterFleet(Fleet):
    """The workers of one run.

    Args:
        plan: says how many there are.
        environment: Locust's.
        exchange: where their files go.
        station: the master's own, for its health and its clock; no user works there.
    """

    def __init__(self, plan: Plan, environment: Any, exchange: Path, station: Station) -> None:
        super().__init__(plan, environment)
        self._exchange = exchange
        self._station = station
        self._numbers: dict[str, int] = {}  # worker's number by Locust's name for it
        self._names: dict[int, str] = {}
        self._last_word: dict[int, float] = {}
        self._sinks: dict[int, FileSink] = {}
        self._written: dict[tuple[int, str], int] = {}
        self._parts: dict[int, Part] = {}
        self._ready: dict[str, Message] = {}  # strangers, and the word by which Locust would admit them
        self._problem = ""
        self._ended = False
        self._admit = environment.runner.handle_message
        environment.runner.handle_message = self._at_the_door
        for message in ("status", "file", "part"):
            environment.runner.register_message(PREFIX + message, getattr(self, f"_on_{message}"))

    @property
    def complete(self) -> bool:
        """See `Fleet`."""
        return len(self._heard) >= self._plan.workers

    # Workers come ----------------------------------------------------------------------------------------------------

    def await_all(self, report: Callable[[str, float], None]) -> None:
        """See `Fleet`."""
        deadline = time.monotonic() + _JOIN_S
        while not self.complete:
            left = deadline - time.monotonic()
            self.refresh()
            if left <= 0:
                raise RunEndedEarly(self._missing())
            report(f"waiting for workers, {len(self._heard)} of {self._plan.workers} here", left)
            gevent.sleep(0.5)

    def _missing(self) -> str:
        said = f"only {len(self._heard)} of {self._plan.workers} workers joined within {_JOIN_S:g} s"
        return f"{said}; {len(self._ready)} others are plain Locust workers" if self._ready else said

    def _at_the_door(self, client_id: str, msg: Message) -> None:
        """In the place of Locust's own `handle_message`, which would obey anybody."""
        if client_id != msg.node_id:
            logger.warning("dropped a message of %s in the name of %s", client_id, msg.node_id)
        elif msg.node_id in self._numbers:
            if msg.type == "quit" and not self._ended:
                self._problem = self._problem or f"worker {self._name(msg.node_id)} left before the run was over"
            else:
                self._admit(client_id, msg)
        elif msg.type == PREFIX + "hello":
            # Anybody may send anything; it must not end the greenlet that listens to the others.
            try:
                self._on_hello(msg)
            except (TypeError, KeyError, AttributeError):
                logger.warning("%s says hello in words that nobody understands", client_id)
        elif msg.type == "client_ready" and msg.node_id not in self._ready:
            self._ready[msg.node_id] = msg
            # An answer is what a worker waits for before it can say anything of ours.
            full = len(self._numbers) >= self._plan.workers
            index = None if full else {"index": self._environment.runner.get_worker_index(msg.node_id)}
            self._environment.runner.send_message("ack", index, client_id=msg.node_id)
            gevent.spawn_later(_HELLO_S, self._send_away, msg.node_id)

    def _send_away(self, name: str) -> None:
        if name in self._ready:
            logger.warning("%s is a plain Locust worker, which this master cannot use", name)
            self._environment.runner.send_message("quit", None, client_id=name)

    def _on_hello(self, msg: Message) -> None:
        hello, name = msg.data, msg.node_id
        ready = self._ready.pop(name, None)
        known = name in self._environment.runner.clients  # it came before we could stand at the door
        why = self._refusal(hello) if ready or known else "it said hello without Locust's own greeting"
        if why:
            # Where others are still missing, the one who cannot be used was meant to be among them.
            if len(self._numbers) < self._plan.workers:
                self._problem = self._problem or f"worker {hello['host']} cannot be used: {why}"
            logger.warning("refused %s: %s", name, why)
            self._send("plan", {"refused": why}, name)
            return
        number = self._numbers.setdefault(name, len(self._numbers))
        if ready:
            self._admit(name, ready)
        self._names[number] = f"{number} on {hello['host']}"
        self._last_word[number] = time.perf_counter()
        self._sinks[number] = FileSink(self._exchange, number)
        now = self._station.recorder.now()
        self._send("plan", {"plan": asdict(self._plan), "process": number, "now": now, "at": hello["at"]}, name)

    def _refusal(self, hello: dict[str, Any]) -> str:
        """Why a worker cannot be used, "" if it can."""
        if hello["contract"] != contract.VERSION:
            return f"it is of another version of ml-loadtest (contract {hello['contract']}, not {contract.VERSION})"
        for name, ours in VERSIONS.items():
            if (theirs := hello["versions"].get(name)) != ours:
                return f"it has {name} {theirs}, the master {ours}"
        if hello["locustfile"] != self._plan.locustfile:
            return "its locustfile is not the master's"
        if len(self._numbers) >= self._plan.workers:
            return f"{self._plan.workers} workers are here already"
        return ""

    # Orders go, words come -------------------------------------------------------------------------------------------

    def do(self, order: str, **arguments: Any) -> None:
        """See `Fleet`."""
        self._number += 1
        for name in self._numbers:
            self._send("order", {"order": order, "number": self._number, "arguments": arguments}, name)

    def load(self, step: Step) -> None:
        """See `Fleet`; each worker's share is that of the users that it has."""
        self._number += 1
        # A worker without users can ask nobody; before any is there, all are taken to get as many.
        users = {number: status.started for number, status in self._heard.items()}
        users = users if any(users.values()) else dict.fromkeys(users, 1)
        shares = shared(step.users, users)
        counts = {} if step.count is None else shared(step.count, users)
        total = sum(users.values())
        for name, number in self._numbers.items():
            rate = None if step.arrival_rate is None else step.arrival_rate * users[number] / total
            arguments = {"users": shares[number], "rate": rate, "count": counts.get(number)}
            self._send("order", {"order": "load", "number": self._number, "arguments": arguments}, name)

    def refresh(self) -> None:
        """See `Fleet`."""
        if self._station.health.orphaned():
            raise RunEndedEarly("the conductor is gone")
        if self._problem:
            raise RunEndedEarly(self._problem)
        now = time.perf_counter()
        silent = {number: now - at for number, at in self._last_word.items() if now - at > _SILENT_S}
        if silent:
            number, seconds = max(silent.items(), key=lambda entry: entry[1])
            raise RunEndedEarly(
                f"worker {self._names[number]} has said nothing for {seconds:.0f} s: it died, froze or lost its connection; "
                "its log says more, here `locust/worker-*.log` of the results"
            )

    def sync(self) -> None:
        """See `Fleet`."""
        deadline = time.perf_counter() + _ORDER_S
        while late := [number for number, status in self._heard.items() if status.done < self._number]:
            self.refresh()
            if time.perf_counter() > deadline:
                raise RunEndedEarly(f"worker {self._names[late[0]]} did not carry out an order within {_ORDER_S:g} s")
            gevent.sleep(_TICK_S)

    def flush_some(self) -> None:
        """The workers send theirs by themselves, once a second."""
        try:
            self._station.health.flush()
        except OSError as error:
            self._problem = self._problem or unwritten(error)

    def flush(self) -> None:
        """See `Fleet`."""
        self.flush_some()
        self.do("flush")
        self.sync()

    def finish(self) -> tuple[list[Part], str]:
        """See `Fleet`."""
        self.do("abandon")
        deadline = time.perf_counter() + _PART_S
        lost = self._lost()
        while len(self._parts) < len(self._numbers) - len(lost) and time.perf_counter() < deadline:
            gevent.sleep(_TICK_S)
            lost = self._lost()
        self.flush_some()
        self._ended = True
        missing = [name for number, name in self._names.items() if number not in self._parts]
        if missing and not self._problem:
            self._problem = f"worker {missing[0]} did not hand in its counts; its log says why"
        return list(self._parts.values()), self._problem

    def dismiss(self, problem: str) -> None:
        """See `Fleet`."""
        for name in self._numbers:
            self._send("end", {"problem": problem}, name)

    def _lost(self) -> list[int]:
        now = time.perf_counter()
        return [n for n, at in self._last_word.items() if n not in self._parts and now - at > _SILENT_S]

    def _on_status(self, msg: Any, **_: Any) -> None:
        if (number := self._numbers.get(msg.node_id)) is not None:
            self._last_word[number] = time.perf_counter()
            self._hear(number, Status(**msg.data))

    def _on_file(self, msg: Any, **_: Any) -> None:
        if (number := self._numbers.get(msg.node_id)) is None:
            return
        kind, offset, data = msg.data["kind"], msg.data["offset"], bytearray(msg.data["data"])
        expected = self._written.get((number, kind), 0)
        if offset != expected:
            what = "were lost on the way" if offset > expected else "came twice"
            whose = f"worker {self._names[number]}'s {kind}"
            self._problem = self._problem or f"{abs(offset - expected)} bytes of {whose} {what}"
            return
        self._written[number, kind] = offset + len(data)
        try:
            self._sinks[number].append(kind, data)
        except OSError as error:
            self._problem = unwritten(error)

    def _on_part(self, msg: Any, **_: Any) -> None:
        if (number := self._numbers.get(msg.node_id)) is not None:
            self._parts[number] = Part(**msg.data)

    def _name(self, node_id: str) -> str:
        return self._names[self._numbers[node_id]]

    def _send(self, message: str, data: dict[str, Any], name: str) -> None:
        self._environment.runner.send_message(PREFIX + message, data, client_id=name)


def shared(whole: int, weights: dict[int, int]) -> dict[int, int]:
    """A number split by weights into whole parts that add up to it, largest remainder first."""
    total = sum(weights.values())
    parts = {key: whole * weight // total for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: -(whole * weights[key] % total))
    for key in by_remainder[: whole - sum(parts.values())]:
        parts[key] += 1
    return parts

"""A worker as it sees itself: it asks the master what to do, does it, and tells everything. See `master`."""

import json
import logging
import os
import socket
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import gevent
from locust.env import Environment
from locust.rpc import Message

from ml_loadtest import contract
from ml_loadtest.contract import Word
from ml_loadtest.master import PREFIX, VERSIONS
from ml_loadtest.sink import MessageSink
from ml_loadtest.station import Station

logger = logging.getLogger("ml_loadtest")

_STATUS_S = 0.25
_FLUSH_S = 1.0
_MASTER_SILENT_S = 15.0
# The plan is sent at once; a master without one is Locust's own.
_PLAN_S = 10.0
# From the master's word that the run is over, users have this long for their own `on_stop`.
_LEAVE_S = 10.0
_NOTHING_ASSERTED = 3


class Words:
    """What a worker tells the one who started it.

    Args:
        folder: of its own; None where nobody listens.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / "words.jsonl" if folder else None

    def say(self, state: str, text: str = "") -> None:
        """Leave a word; see `contract.Word`."""
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(Word(state, text))) + "\n")

    def give_up(self, state: str, text: str) -> NoReturn:
        """Leave the last word, and end this process at once."""
        logger.error("%s", text)
        self.say(state, text)
        os._exit(_NOTHING_ASSERTED)


def leave_with(parent: int, words: Words) -> None:
    """End this process when the one that started it is gone, even while Locust still tries to reach its master."""
    while os.getppid() == parent:
        gevent.sleep(1.0)
    words.give_up("lost", "The command that started this worker is gone")


class Worker:
    """One worker process, from its hello to its part of the closing record."""

    def __init__(self, environment: Environment, words: Words) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._words = words
        self._station: Station | None = None
        self._orders = 0
        self._heard = time.perf_counter()
        self._flushed = 0.0
        self._obey = self._runner.handle_message
        self._runner.handle_message = self._on_message

    def attach(self) -> None:
        """Listen to the master, and say hello."""
        for message in ("plan", "order", "end"):
            self._runner.register_message(PREFIX + message, getattr(self, f"_on_{message}"))
        self._words.say("answered")
        options = self._environment.parsed_options
        digest = contract.digest(Path(options.locustfile))
        self._send("hello", {
            "contract": contract.VERSION, "versions": VERSIONS, "locustfile": digest, "host": socket.gethostname(),
            "at": time.perf_counter(),
        })  # fmt: skip
        gevent.spawn(self._tell)

    def _on_message(self, msg: Message) -> None:
        """In the place of Locust's own `handle_message`: users start by our plan or not at all."""
        self._heard = time.perf_counter()
        if msg.type == "spawn" and self._station is None:
            self._refused("the master is plain Locust, it has no plan of ours")
        if msg.type.startswith(PREFIX):
            # Locust would log what a listener raises, and go on.
            try:
                self._obey(msg)
            except Exception as error:
                self._words.give_up("lost", f"The worker failed: {type(error).__name__}: {error}")
        else:
            self._obey(msg)

    def _refused(self, why: str) -> NoReturn:
        self._words.give_up("refused", f"The master refuses this worker: {why}")

    def _on_plan(self, msg: Any, **_: Any) -> None:
        if self._station is not None:
            return
        if why := msg.data.get("refused"):
            self._refused(why)
        plan = contract.plan_of(msg.data["plan"])
        number = msg.data["process"]
        station = Station(plan, MessageSink(lambda data: self._send("file", data)), number)
        # The master's clock stood at `now` half a round trip ago.
        heard = time.perf_counter()
        station.recorder.origin = heard - msg.data["now"] - (heard - msg.data["at"]) / 2
        station.employ(self._environment)
        station.health.start(self._runner.user_greenlets)
        self._station = station
        self._send("status", asdict(station.status()))
        self._words.say("joined", f"{number}, of {plan.workers} in all")

    def _on_order(self, msg: Any, **_: Any) -> None:
        station, order, number = self._station, msg.data["order"], msg.data["number"]
        if station is None:
            return
        if number != self._orders + 1:
            self._words.give_up("lost", f"Order {self._orders + 1} of the master was lost on the way")
        self._orders = number
        station.do(order, number, **msg.data["arguments"])
        if order == "abandon":
            station.flush()
            self._runner._send_stats()
            self._send("part", asdict(station.part()))
        self._send("status", asdict(station.status()))

    def _on_end(self, msg: Any, **_: Any) -> None:
        problem = msg.data["problem"]
        self._words.say("ended", problem)
        self._environment.process_exit_code = code = _NOTHING_ASSERTED if problem else 0
        # Locust's own `quit` follows; users whose `on_stop` hangs must not keep this process.
        gevent.spawn_later(_LEAVE_S, os._exit, code)

    def _tell(self) -> None:
        """For as long as the master listens, tell it how things are."""
        began = time.perf_counter()
        try:
            while time.perf_counter() - self._heard < _MASTER_SILENT_S:
                gevent.sleep(_STATUS_S)
                if self._station is not None:
                    self._report(self._station)
                elif time.perf_counter() - began > _PLAN_S:
                    self._refused("it knows nothing of ml-loadtest, it is plain Locust")
        except Exception as error:
            self._words.give_up("lost", f"The master cannot be reached any more: {type(error).__name__}: {error}")
        self._words.give_up("lost", f"The master has said nothing for {_MASTER_SILENT_S:g} s")

    def _report(self, station: Station) -> None:
        if time.perf_counter() - self._flushed >= _FLUSH_S:
            self._flushed = time.perf_counter()
            station.flush()
        self._send("status", asdict(station.status()))

    def _send(self, message: str, data: dict[str, Any]) -> None:
        self._runner.send_message(PREFIX + message, data)

"""Recordings of any length, as the instrument writes them: each worker's samples in order of their end, health every second."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.generator import plan
from entrypoint.measurement.samples import DTYPE
from locustfiles.ml_loadtest import contract

_WORKERS = 4
_AT_ONCE = 500_000
_FAILED = 0.005
_USERS = 400
_BASE = contract.Target("base", "http://127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is written.

    Attributes:
        samples: of all workers.
        endpoints: that they are spread over by chance.
        window_s: measured time, of both targets together where there are two.
        paired: whether two targets took turns in it, each about a second long.
    """

    samples: int
    endpoints: int
    window_s: float = 1800.0
    paired: bool = False

    def write(self, folder: Path) -> None:
        """Into the exchange folder, the plan and the last word included."""
        spans = self._spans()
        for worker in range(_WORKERS):
            self._write_samples(folder, worker, spans)
            lines = [json.dumps([number, "POST", f"/predict/{number}"]) for number in range(self.endpoints)]
            (folder / f"endpoints-{worker}.jsonl").write_text("\n".join(lines) + "\n")
            health = [
                json.dumps(asdict(contract.Health(second, 0.7, 1.0, 0.0, 0.0, _USERS // _WORKERS)))
                for second in range(int(self.window_s))
            ]
            (folder / f"health-{worker}.jsonl").write_text("\n".join(health) + "\n")
        asked = plan("http://127.0.0.1", users=_USERS, measured_s=self.window_s / (1 + self.paired), warm_up_s=5)
        asked = replace(asked, targets=(*asked.targets, _BASE)) if self.paired else asked
        contract.write_whole(folder / "plan.json", asked)
        contract.write_whole(folder / "closing.json", self._closing(spans))

    def _spans(self) -> tuple[contract.Span, ...]:
        """The whole window, or turns in the order A B B A."""
        if not self.paired:
            return (contract.Span(0, 0, 0, 0.0, self.window_s, self.samples),)
        turns = int(self.window_s)
        edges = np.linspace(0.0, self.window_s, turns + 1).tolist()
        return tuple(
            contract.Span(turn // 2, (0, 1, 1, 0)[turn % 4], 0, edges[turn], edges[turn + 1], self.samples // turns)
            for turn in range(turns)
        )

    def _write_samples(self, folder: Path, worker: int, spans: tuple[contract.Span, ...]) -> None:
        chance = np.random.default_rng(worker)
        count = self.samples // _WORKERS
        with (folder / f"samples-{worker}.bin").open("wb") as file:
            for first in range(0, count, _AT_ONCE):
                numbers = np.arange(first, min(first + _AT_ONCE, count))
                self._rows(numbers, count, spans, chance).tofile(file)

    def _rows(
        self,
        numbers: NDArray[np.int64],
        count: int,
        spans: tuple[contract.Span, ...],
        chance: np.random.Generator,
    ) -> NDArray[np.void]:
        rows = np.zeros(len(numbers), DTYPE)
        rows["outcome"] = np.where(chance.random(len(rows)) < _FAILED, contract.Outcome.SERVER_ERROR, 0)
        rows["endpoint"] = chance.integers(0, self.endpoints, len(rows))
        rows["ticket"] = numbers
        rows["bytes"] = 120
        rows["response_ms"] = chance.lognormal(3.0, 0.5, len(rows))
        rows["due_s"] = numbers / count * self.window_s + chance.normal(0.0, 0.02, len(rows)).clip(-0.1, 0.1)
        rows["due_s"] = rows["due_s"].clip(0.0, self.window_s)
        rows["start_s"] = rows["due_s"]
        turn = np.searchsorted([span.end_s for span in spans[:-1]], rows["due_s"], side="right")
        rows["segment"] = np.array([span.segment for span in spans])[turn]
        rows["target"] = np.array([span.target for span in spans])[turn]
        return rows

    def _closing(self, spans: tuple[contract.Span, ...]) -> contract.Closing:
        return contract.Closing(
            complete=True, problem="", started=self.samples, recorded=self.samples, unfinished=0, unreported=0,
            response_sum_ms=0.0, locust_count=self.samples, locust_sum_ms=0.0, origin_unix_s=0.0,
            steps=(contract.Step(self.window_s, _USERS),), spans=spans,
            warm=True, users_planned=_USERS, users_started=_USERS, versions={"locust": "2"},
        )  # fmt: skip

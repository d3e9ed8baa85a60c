"""The service's own figures: what it took to start, and what it used in the measured window. Pure."""

from collections.abc import Collection
from typing import Protocol


class Used(Protocol):
    """What one of its services used in the measured window, or None where that is not counted."""

    @property
    def cpu_s(self) -> float:
        """Processor time."""
        ...

    @property
    def peak_mib(self) -> float:
        """The most memory."""
        ...

    @property
    def growth_mib_s(self) -> float | None:
        """By how much its memory grew in a second."""
        ...

    @property
    def throttled_s(self) -> float | None:
        """How long its own limit kept it from running."""
        ...

    @property
    def network_kib(self) -> float | None:
        """Received and sent."""
        ...


def figures_of_start(ready_s: float, first_ms: float, usual_ms: float) -> dict[str, float]:
    """Its start by metric.

    Args:
        ready_s: from its start until it was ready.
        first_ms: how long its first right answer took.
        usual_ms: how long those that followed took.
    """
    return {"time-to-ready": 1000 * ready_s, "first-answer-penalty": max(0.0, first_ms - usual_ms)}


def figures_of_use(used: Collection[Used], requests: int, seconds: float) -> dict[str, float]:
    """Its cost by metric, all of its services together.

    Args:
        used: what each of them used in the measured window.
        requests: that did not fail in it.
        seconds: from its beginning to its end, turns of another target included.
    """
    if not used or not requests or seconds <= 0:
        return {}
    found = {
        "cpu-per-request": 1000 * sum(one.cpu_s for one in used) / requests,
        "peak-memory": sum(one.peak_mib for one in used),
    }
    growth = [one.growth_mib_s for one in used if one.growth_mib_s is not None]
    if len(growth) == len(used):
        found["memory-growth"] = 1000 * sum(growth) * seconds / requests
    throttled = [one.throttled_s for one in used if one.throttled_s is not None]
    if throttled:
        found["throttled"] = max(throttled) / seconds
    network = [one.network_kib for one in used if one.network_kib is not None]
    if len(network) == len(used):
        found["network-per-request"] = sum(network) / requests
    return found

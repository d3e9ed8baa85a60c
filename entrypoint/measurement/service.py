"""The service's own figures: what it took to start, and what it used in the measured window. Pure."""

from collections.abc import Collection, Mapping
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
    def final_mib(self) -> float:
        """Memory at the end."""
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

    @property
    def disk_kib(self) -> float | None:
        """Read from and written to disks."""
        ...

    @property
    def stalled_s(self) -> Mapping[str, float]:
        """For how long any of its tasks waited, by what for; nothing of what is not counted."""
        ...


# Shares beyond which a limit is what requests wait for.
_HELD_BACK, _IN_FULL = 0.10, 0.90
_MIB = 2**20


def figures_of_images(size: int | None) -> dict[str, float]:
    """Its images by metric.

    Args:
        size: of all of them in bytes; None where it has none.
    """
    return {} if size is None else {"image-size": size / _MIB}


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
        "final-memory": sum(one.final_mib for one in used),
    }
    throttled = [one.throttled_s for one in used if one.throttled_s is not None]
    if throttled:
        found["throttled"] = max(throttled) / seconds
    together = {
        "memory-growth": (_of_all([one.growth_mib_s for one in used]), 1000 * seconds / requests),
        "network-per-request": (_of_all([one.network_kib for one in used]), 1 / requests),
        "disk-per-request": (_of_all([one.disk_kib for one in used]), 1 / requests),
    }
    found |= {metric: whole * each for metric, (whole, each) in together.items() if whole is not None}
    for kind in {kind for one in used for kind in one.stalled_s}:
        found[f"{kind}-pressure"] = max(one.stalled_s.get(kind, 0.0) for one in used) / seconds
    return found


def _of_all(values: Collection[float | None]) -> float | None:
    """Their sum; None where one is not counted, for a sum without it would be wrong."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def ran_out(used: Mapping[str, Used], seconds: float, cores: int, generator: float) -> str:
    """What a service that broke a limit had no more of, in a sentence; "" where nothing is known of it.

    Args:
        used: what each of its services used in that time.
        seconds: how long it was.
        cores: of the machine.
        generator: cores that the load generator used.
    """
    if not used or seconds <= 0:
        return ""
    each = {name: one.cpu_s / seconds for name, one in used.items()}
    together = sum(each.values())
    busiest = max(each, key=each.__getitem__)
    for share, said in sorted((_held_back(used, seconds), _out_of_memory(used, seconds)), reverse=True):
        if share >= _HELD_BACK:
            return said
    if together + generator >= _IN_FULL * cores:
        rest = f"the load generator {generator:.2f}"
        return f"The machine's processors: the services used {together:.2f} and {rest} of {cores} cores."
    if _IN_FULL <= each[busiest] <= 1 / _IN_FULL:
        return f"One core: `{busiest}` used {each[busiest]:.2f} of them, which is all that one thread can use."
    return (
        f"Not the processors: the services used {together:.2f} of {cores} cores, so requests waited for something else."
    )


def _held_back(used: Mapping[str, Used], seconds: float) -> tuple[float, str]:
    """The share of the time in which its own limit held back the one that it held back most, and that in a sentence."""
    shares = {name: (one.throttled_s or 0.0) / seconds for name, one in used.items()}
    worst = max(shares, key=shares.__getitem__)
    cores = used[worst].cpu_s / seconds
    share = f"{shares[worst] * 100:.0f} %"
    return shares[worst], f"Its own CPU limit held `{worst}` back in {share} of the time, at {cores:.2f} cores."


def _out_of_memory(used: Mapping[str, Used], seconds: float) -> tuple[float, str]:
    """The share of the time in which a part of the one that waited most had no memory, and that in a sentence.

    Where the kernel counts it of the machine alone, nobody knows whose memory it was.
    """
    own = {name: one.stalled_s.get("memory", 0.0) / seconds for name, one in used.items()}
    worst = max(own, key=own.__getitem__)
    whole = max(one.stalled_s.get("machine-memory", 0.0) for one in used.values()) / seconds
    if whole > own[worst]:
        return whole, f"Memory of the machine: something on it waited for memory in {whole * 100:.0f} % of the time."
    return (
        own[worst],
        f"Memory: `{worst}` waited for it in {own[worst] * 100:.0f} % of the time, at {used[worst].peak_mib:.0f} MiB.",
    )

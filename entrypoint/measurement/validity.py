"""Whether instrument and machine did their part. What the service did is never asked here: a service that fails has failed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.model import Check
from entrypoint.settings.model import Validity
from locustfiles.ml_loadtest.contract import Closing, Plan, Span, Step

_CPU_STRETCH_S = 5


def check_records(closing: Closing, samples: int) -> list[Check]:
    """Whether every request that began is on disk, and our figures are Locust's own exact ones."""
    accounted = closing.recorded + closing.unfinished
    differing = (
        abs(closing.started - accounted)
        + abs(samples - accounted)
        + abs(closing.recorded - closing.unreported - closing.locust_count)
    )
    sums = abs(closing.response_sum_ms - closing.locust_sum_ms)
    rounding = 1e-6 * max(1.0, closing.locust_sum_ms)
    return [
        Check(
            name="complete", value=float(closing.complete), limit=1.0, unit="",
            ok=not closing.problem and (closing.complete or bool(closing.fault)),
            text=_sentence(closing.problem or closing.fault or "the plan was carried out to its end"),
        ),
        Check(
            name="lost-records", value=differing, limit=0, unit="requests", ok=differing == 0,
            text=f"{closing.started} requests began, {accounted} are accounted for, {samples} are on disk.",
        ),
        Check(
            name="time-sum", value=sums, limit=rounding, unit="ms", ok=sums <= rounding,
            text=f"The sum of our response times and Locust's own exact one differ by {sums:.3f} ms.",
        ),
        Check(
            name="users-started", value=closing.users_started, limit=closing.users_planned, unit="users",
            ok=closing.users_started >= closing.users_planned or bool(closing.fault),
            text=f"{closing.users_started} of {closing.users_planned} users were at work.",
        ),
    ]  # fmt: skip


def inside(health: NDArray[np.void], spans: Sequence[Span]) -> NDArray[np.void]:
    """What is known of the generator in measured time, from the first span's beginning to the last one's end."""
    if not spans:
        return health[:0]
    so_far = until_end(health, spans)
    return so_far[so_far["at_s"] > spans[0].start_s]


def until_end(health: NDArray[np.void], spans: Sequence[Span]) -> NDArray[np.void]:
    """What is known of the generator from the first user on to the end of measured time."""
    if not spans:
        return health[:0]
    # A line says of the time since the one before it, and the last line that began in measured time may end after it.
    began = np.full(len(health), -np.inf)
    for process in np.unique(health["process"]):
        own = np.flatnonzero(health["process"] == process)
        began[own[1:]] = health["at_s"][own[:-1]]
    return health[began < spans[-1].end_s]


def cores_of_generator(health: NDArray[np.void], begin_s: float, end_s: float) -> float:
    """Cores that all processes of the generator used together, on average; begin and end in seconds since the load began."""
    within = health[(health["at_s"] > begin_s) & (health["at_s"] <= end_s)]
    return sum(float(within["cpu"][within["process"] == one].mean()) for one in np.unique(within["process"]))


def check_requests(requests: int, hanging: int, fault: str) -> Check:
    """Whether anything was asked in measured time. Where users waited for an answer all the time, that is the service's doing.

    Args:
        requests: how many were due in the window.
        hanging: requests from before that had no answer in all of the window, and failed.
        fault: what else the service did that kept requests from being made.
    """
    waiting = f"; {hanging} from before it had no answer in all of it" if hanging and not requests else ""
    asked = f"{requests or 'No'} request{' was' if requests == 1 else 's were'} due in the measured window"
    if not (requests or hanging or fault):
        asked += "; measure for longer, or let the users wait less"
    return Check(
        name="requests", value=requests, limit=1, unit="requests", ok=requests > 0 or hanging > 0 or bool(fault),
        text=f"{asked}{waiting}.",
    )  # fmt: skip


def _sentence(text: str) -> str:
    """The instrument's words, which may follow a colon too, as a sentence of their own."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def check_generator(health: NDArray[np.void], limits: Validity) -> list[Check]:
    """Whether the generator had the machine it needed, second by second.

    Args:
        health: entries of `contract.Health` of every process that lie in measured time, shape (n,).
        limits: what is tolerated.
    """
    if not len(health):
        return [
            Check(
                name="generator-cpu", value=0, limit=limits.generator_cpu, unit="", ok=True,
                text="The window was too short to tell.",
            )
        ]  # fmt: skip
    processes = [health[health["process"] == process] for process in np.unique(health["process"])]
    cpu = max(_busiest(process["cpu"]) for process in processes)
    lag = max(float(np.median(process["lag_ms"])) for process in processes)
    stall = float(health["lag_ms"].max())
    waiting = max(float(process["waiting"].mean()) for process in processes)
    steal = float(health["steal"].mean())
    return [
        Check(
            name="generator-cpu", value=cpu, limit=limits.generator_cpu, unit="cores", ok=cpu <= limits.generator_cpu,
            text=f"In its busiest {_CPU_STRETCH_S} s the load generator used {cpu * 100:.0f} % of a core.",
        ),
        Check(
            name="event-loop-lag", value=lag, limit=limits.event_loop_lag_ms, unit="ms", ok=lag <= limits.event_loop_lag_ms,
            text=f"In the median second the generator kept a timer waiting for {lag:.1f} ms at most.",
        ),
        Check(
            name="longest-stall", value=stall, limit=limits.longest_stall_ms, unit="ms", ok=stall <= limits.longest_stall_ms,
            text=f"The generator stood still for {stall:.0f} ms at most.",
        ),
        Check(
            name="run-queue", value=waiting, limit=limits.run_queue, unit="", ok=waiting <= limits.run_queue,
            text=f"The generator waited for a core in {waiting * 100:.1f} % of the time.",
        ),
        Check(
            name="steal", value=steal, limit=limits.steal, unit="", ok=steal <= limits.steal,
            text=f"The hypervisor took {steal * 100:.1f} % of the machine's time.",
        ),
    ]  # fmt: skip


def _busiest(cpu: NDArray[np.float64]) -> float:
    """Mean use of a core in the busiest stretch."""
    stretch = min(_CPU_STRETCH_S, len(cpu))
    return float(np.convolve(cpu, np.full(stretch, 1 / stretch), "valid").max())


def check_users(health: NDArray[np.void], gone: int) -> list[Check]:
    """Whether every user stayed; one that leaves, be it in the warm-up, takes its share of the load with it.

    Args:
        health: of every process from the first user on to the end of measured time, shape (n,).
        gone: users that the instrument saw go before the drain.
    """
    if not len(health):
        return []
    users = [health["users"][health["process"] == process] for process in np.unique(health["process"])]
    most = sum(int(counts.max()) for counts in users)
    left = max(gone, sum(int((np.maximum.accumulate(counts) - counts).max()) for counts in users))
    return [
        Check(
            name="users-at-work", value=left, limit=0, unit="users", ok=left == 0,
            text=f"{left or 'None'} of {most} users left before the window was over.",
        )
    ]  # fmt: skip


def check_constant(shape: str) -> Check:
    """A soak: whether the load stayed what it was. What follows a load that changes is no growth.

    Args:
        shape: name of the LoadTestShape that said how many users were at work; "" without one.
    """
    changed = f"`{shape}`, a LoadTestShape, changed the load. Leave it out, or give `mode: gate`."
    text = changed if shape else "The load was the same all the time."
    return Check(name="constant-load", value=float(not shape), limit=1.0, unit="", ok=not shape, text=text)


def check_arrivals(
    plan: Plan, step: Step, spans: Sequence[Span], late_ms: NDArray[np.float32], limits: Validity
) -> list[Check]:
    """Open load: whether the generator asked as often, and as punctually, as it was told.

    Args:
        plan: what was asked for.
        step: the level of load.
        spans: its measured time.
        late_ms: lateness of the generator for each request in it, shape (n,); NaN for all but a ticket's first.
        limits: what is tolerated.
    """
    due = sum(span.due for span in spans)
    if step.arrival_rate is None or not due:
        return []
    tickets = sum(span.tickets for span in spans)
    # A ticket at the edge of a process's schedule may fall on either side of it.
    edges = len(spans) * max(1, plan.workers)
    share, fewest = tickets / due, limits.arrivals - edges / due
    return [
        Check(
            name="arrivals", value=share, limit=fewest, unit="", ok=share >= fewest,
            text=f"The generator issued {tickets} of the {due} tickets that were due.",
        ),
        check_lateness(late_ms, limits),
    ]  # fmt: skip


def check_lateness(late_ms: NDArray[np.float32], limits: Validity) -> Check:
    """Open load: whether the generator asked as punctually as it was told; see `check_arrivals`."""
    first = late_ms[~np.isnan(late_ms)]
    late = float(np.median(first)) if len(first) else 0.0
    return Check(
        name="lateness", value=late, limit=limits.lateness_ms, unit="ms", ok=late <= limits.lateness_ms,
        text=f"The generator let the median turn begin {late:.2f} ms late; this is not in any response time.",
    )  # fmt: skip

"""Whether instrument and machine did their part. What the service did is never asked here: a service that fails has failed."""

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.model import Check
from entrypoint.settings.model import Validity
from locustfiles.ml_loadtest.contract import Closing, Plan

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
    problem = closing.problem[:1].upper() + closing.problem[1:]
    return [
        Check(
            name="complete", value=float(closing.complete), limit=1.0, unit="", ok=closing.complete and not closing.problem,
            text=f"{problem or 'The plan was carried out to its end'}.",
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
            ok=closing.users_started >= closing.users_planned,
            text=f"{closing.users_started} of {closing.users_planned} users were at work.",
        ),
    ]  # fmt: skip


def check_generator(health: NDArray[np.void], limits: Validity) -> list[Check]:
    """Whether the generator had the machine it needed, second by second of the window.

    Args:
        health: entries of `contract.Health` that lie in the measured window, shape (n,).
        limits: what is tolerated.
    """
    if not len(health):
        return [
            Check(
                name="generator-cpu",
                value=0,
                limit=limits.generator_cpu,
                unit="",
                ok=True,
                text="The window was too short to tell.",
            )
        ]
    stretch = min(_CPU_STRETCH_S, len(health))
    cpu = float(np.convolve(health["cpu"], np.full(stretch, 1 / stretch), "valid").max())
    lag = float(np.median(health["lag_ms"]))
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
            name="steal", value=steal, limit=limits.steal, unit="", ok=steal <= limits.steal,
            text=f"The hypervisor took {steal * 100:.1f} % of the machine's time.",
        ),
    ]  # fmt: skip


def check_users(health: NDArray[np.void], planned: int) -> list[Check]:
    """Whether every user was at work in every second of the window; one that left took its share of the load with it."""
    if not len(health):
        return []
    fewest = int(health["users"].min())
    return [
        Check(
            name="users-at-work", value=fewest, limit=planned, unit="users", ok=fewest >= planned,
            text=f"At least {fewest} of {planned} users were at work in every second of the window.",
        )
    ]  # fmt: skip


def check_arrivals(plan: Plan, closing: Closing, late_ms: NDArray[np.float32], limits: Validity) -> list[Check]:
    """Open load: whether the generator asked as often, and as punctually, as it was told.

    Args:
        late_ms: lateness of the generator for each request of the window, shape (n,).
        limits: what is tolerated.
    """
    if plan.arrival_rate is None or not len(late_ms):
        return []
    expected = plan.arrival_rate * closing.window_s
    # A Poisson count varies by its square root; four of them are not the generator's fault.
    share = closing.tickets / expected
    fewest = limits.arrivals - (4 / expected**0.5 if plan.arrival == "poisson" else 1 / expected)
    late = float(np.median(late_ms))
    return [
        Check(
            name="arrivals", value=share, limit=fewest, unit="", ok=share >= fewest,
            text=f"The generator issued {closing.tickets} requests where {expected:.0f} were due on average.",
        ),
        Check(
            name="lateness", value=late, limit=limits.lateness_ms, unit="ms", ok=late <= limits.lateness_ms,
            text=f"The generator sent the median request {late:.2f} ms late; this is not in any response time.",
        ),
    ]  # fmt: skip

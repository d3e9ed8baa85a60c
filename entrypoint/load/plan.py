"""From settings and targets to the plan that the instrument follows. Pure, but for the files that shape the load."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from entrypoint.load.requests import locustfile_digest
from entrypoint.settings.model import Load
from locustfiles.ml_loadtest import contract

# A request that is slower than this after the load has ended counts as unfinished. Locust's own clients give up after 60 s; the
# build waits half as long, for by then the request has failed whatever the answer would be.
DRAIN_S = 30.0
# How long the instrument waits for the conductor after a block of measured time. Deciding takes well under a second.
ANSWER_S = 60.0
# How long workers are waited for; the instrument gives up before that.
JOIN_S = 150.0
# Of a search whose first level has few users; later ones have hundreds.
SPAWN_RATE = 100.0
# Between two targets: requests in flight end.
_SWITCH_S = 0.5


def make_plan(
    load: Load,
    targets: tuple[contract.Target, ...],
    look: int = 1,
    root: Path = Path(),
    first: contract.Step | None = None,
) -> contract.Plan:
    """The plan for one load run; another look at the same load asks other things in another order.

    Args:
        load: what is asked.
        targets: who is.
        look: number of the look.
        root: folder of `loadtest.yml`.
        first: where a search begins; the levels of the load if it is None.
    """
    steps = steps_of(load) if first is None else (first,)
    users = max(step.users for step in steps)
    return contract.Plan(
        targets=targets,
        step=steps[0],
        users=users,
        spawn_rate=load.spawn_rate or max(float(users), SPAWN_RATE if first else 0.0),
        arrival=load.arrival,
        warm_up_min_s=load.warm_up.min_s,
        warm_up_max_s=load.warm_up.max_s,
        drain_s=DRAIN_S,
        answer_s=ANSWER_S,
        seed=load.seed + look - 1,
        secrets=tuple(load.environment),
        workers=load.processes,
        locustfile=locustfile_digest(load, root),
    )


def level_of_search(load: Load, level: float, limit_s: float) -> contract.Step:
    """One level of a search, held by itself.

    Args:
        load: where it begins.
        level: users, or requests per second.
        limit_s: the longest response time that a limit allows. In open load so many users are at work that requests which take
            twice as long find one: who waits for a user then waits for the service, and not for us.
    """
    if load.arrival_rate is None:
        return contract.Step(load.duration_s, round(level), by_itself=True)
    users = max(load.users, math.ceil(2 * level * limit_s))
    return contract.Step(load.duration_s, users, level, by_itself=True)


def steps_of(load: Load) -> tuple[contract.Step, ...]:
    """The levels of load, in order: the stages, or the one level that users or arrival rate give."""
    if not load.stages:
        return (contract.Step(load.duration_s, load.users, load.arrival_rate, load.count),)
    return tuple(
        contract.Step(stage.duration_s, stage.users or load.users, stage.arrival_rate) for stage in load.stages
    )


def longest_s(plan: contract.Plan) -> float:
    """The longest time that a run of one block can take, in seconds, if everything goes as slowly as it may."""
    ramp = plan.users / plan.spawn_rate
    joining = JOIN_S if plan.workers else 0.0
    each = plan.warm_up_max_s + plan.drain_s + block_s(plan, plan.step)
    return joining + ramp + len(plan.targets) * each + 2 * plan.answer_s


def block_s(plan: contract.Plan, step: contract.Step) -> float:
    """The longest time that a block can take on one target."""
    turns = step.seconds / plan.segment_s if len(plan.targets) > 1 else 0.0
    ramp = step.users / plan.spawn_rate + plan.spawn_grace_s
    apart = ramp + plan.warm_up_max_s + plan.drain_s if step.by_itself else 0.0
    return apart + step.seconds + turns * (plan.lead_in_s + _SWITCH_S)


def fingerprint(load: Load, root: Path = Path(), limits: Sequence[object] = ()) -> str:
    """What two runs must share to be compared: the load, and the files that shape it. Twelve hexadecimal digits.

    Args:
        load: what is asked.
        root: folder of `loadtest.yml`.
        limits: of a search, by which it tells what holds.
    """
    # A load without a count keeps the fingerprint that it had before there were counts: its baselines stay comparable.
    steps = [
        (step.seconds, step.users, step.arrival_rate, *([step.count] if step.count else [])) for step in steps_of(load)
    ]
    files = [locustfile_digest(load, root), *([contract.digest(load.requirements)] if load.requirements else [])]
    searched = [("capacity", *limits)] if limits else []
    parts = (steps, load.spawn_rate, load.arrival, load.seed, load.processes, files, *searched)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def describe(load: Load, *, searching: bool = False) -> str:
    """The load in a few words.

    Args:
        load: what is asked.
        searching: whether it is where a search for the highest begins.
    """
    if searching:
        start = f"closed load, {load.users} user{'s' * (load.users > 1)} and more"
        if load.arrival_rate is not None:
            start = f"open load, {load.arrival_rate:g} requests/s and more ({load.arrival}, {load.users} users at most)"
        return f"{start}: search for the highest that holds every limit, {load.duration_s:g} s at each level"
    steps = steps_of(load)
    levels = [step.users if step.arrival_rate is None else step.arrival_rate for step in steps]
    stages = f"{len(steps)} stages of " if len(steps) > 1 else ""
    level = f"{stages}{min(levels):g} to {max(levels):g}" if len(steps) > 1 else f"{levels[0]:g}"
    tail = f"{sum(step.seconds for step in steps):g} s measured" + (
        f", {load.processes} workers" if load.processes else ""
    )
    if steps[0].arrival_rate is not None:
        return f"open load, {level} requests/s ({load.arrival}), {tail}"
    rate = load.spawn_rate or max(step.users for step in steps)
    tail = f"{load.count:,} turns in {load.duration_s:g} s at most" if load.count else tail
    return f"closed load, {level} users at {rate:g}/s, {tail}"

"""From settings and targets to the plan that the instrument follows. Pure."""

import hashlib
from pathlib import Path

from entrypoint.settings.model import Load
from locustfiles.ml_loadtest import contract

# A request that is slower than this after the load has ended counts as unfinished. Locust's own clients give up after 60 s; the
# build waits half as long, for by then the request has failed whatever the answer would be.
DRAIN_S = 30.0
# How long the instrument waits for the conductor after a block of measured time. Deciding takes well under a second.
ANSWER_S = 60.0


def make_plan(load: Load, targets: tuple[contract.Target, ...]) -> contract.Plan:
    """The plan for one load run."""
    return contract.Plan(
        targets=targets,
        users=load.users,
        spawn_rate=load.spawn_rate or float(load.users),
        arrival_rate=load.arrival_rate,
        arrival=load.arrival,
        warm_up_min_s=load.warm_up.min_s,
        warm_up_max_s=load.warm_up.max_s,
        block_s=load.duration_s,
        drain_s=DRAIN_S,
        answer_s=ANSWER_S,
        seed=load.seed,
        secrets=tuple(load.environment),
    )


def longest_s(plan: contract.Plan) -> float:
    """The longest time that a run of one block can take, in seconds, if everything goes as slowly as it may."""
    ramp = plan.users * len(plan.targets) / plan.spawn_rate
    return ramp + plan.warm_up_max_s + plan.block_s + plan.drain_s + 2 * plan.answer_s


def fingerprint(plan: contract.Plan, locustfile: Path) -> str:
    """What two runs must share to be compared: the load, and the file that shapes it. Twelve hexadecimal digits."""
    load = (plan.model, plan.users, plan.spawn_rate, plan.arrival_rate, plan.arrival, plan.block_s, plan.seed)
    return hashlib.sha256(repr(load).encode() + locustfile.read_bytes()).hexdigest()[:12]


def describe(plan: contract.Plan) -> str:
    """The load in a few words."""
    if plan.arrival_rate is None:
        return f"closed load, {plan.users} users at {plan.spawn_rate:g}/s, {plan.block_s:g} s measured"
    return f"open load, {plan.arrival_rate:g} requests/s ({plan.arrival}), {plan.block_s:g} s measured"

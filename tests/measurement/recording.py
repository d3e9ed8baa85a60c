"""Small builders of recordings, as the instrument writes them."""

import json

from entrypoint.measurement.measure import measure_recording
from locustfiles.ml_loadtest import contract
from locustfiles.ml_loadtest.contract import Outcome

PLAN = contract.Plan(
    targets=(contract.Target("candidate", "http://127.0.0.1:1"),), step=contract.Step(10, 2), users=2, spawn_rate=2,
    arrival="poisson", warm_up_min_s=1, warm_up_max_s=1, drain_s=1, answer_s=1, seed=1,
)  # fmt: skip
SPAN = contract.Span(segment=0, target=0, block=0, start_s=1.0, end_s=11.0, tickets=9)


def write(folder, samples, *, endpoints=(("GET", "/a"), ("POST", "/b")), worker=0, health=(), asked=(0,), target=0):
    """Samples as (endpoint, outcome, segment, due, response)."""
    packed = [
        contract.SAMPLE.pack(target, o, e, i, s, 0, asked[i % len(asked)], due, due, ms, 0.0)
        for i, (e, o, s, due, ms) in enumerate(samples)
    ]
    (folder / f"samples-{worker}.bin").write_bytes(b"".join(packed))
    lines = [json.dumps([number, *name]) for number, name in enumerate(endpoints)]
    (folder / f"endpoints-{worker}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / f"health-{worker}.jsonl").write_text("".join(json.dumps(line.__dict__) + "\n" for line in health))


def closing(samples, **changes):
    unfinished = sum(sample[1] == Outcome.UNFINISHED for sample in samples)
    counts = {"started": len(samples), "recorded": len(samples) - unfinished, "unfinished": unfinished, "unreported": 0}
    counts |= {"response_sum_ms": 5.0, "locust_count": len(samples) - unfinished, "locust_sum_ms": 5.0}
    rest = {
        "steps": (PLAN.step,),
        "spans": (SPAN,),
        "origin_unix_s": 0.0,
        "warm": True,
        "users_planned": 2,
        "users_started": 2,
    }
    return contract.Closing(**{"complete": True, "problem": "", **counts, **rest, **changes})


def measured(folder, samples, **changes):
    return measure_recording(folder, PLAN, closing(samples, **changes), plan_key="k", plan_text="t")


def failed_checks(measurement):
    return {check.name for check in measurement.checks if not check.ok}


def label(folder, rights, worker=0):
    """Attach to the samples of a process whether each prediction was right; None leaves one without a label."""
    lines = [json.dumps([i, {"correct": right, "batch": 8}]) for i, right in enumerate(rights) if right is not None]
    (folder / f"extras-{worker}.jsonl").write_text("\n".join(lines) + "\n")

"""Several targets in turn: the same questions, the same arrivals, one at a time."""

from itertools import pairwise

import numpy as np
import pytest

from .test_load import failed_checks

MIXED = """
class Browser(HttpUser):
    wait_time = between(0.02, 0.06)
    def on_start(self): self.number = random.randrange(10**9)
    @task(3)
    def look(self): self.client.get(f"/a?{self.number}", name="look")
    @task
    def score(self): self.client.post("/b", json={"x": random.random()}, name="score")

class Fast(FastHttpUser):
    wait_time = constant(0.05)
    weight = 2
    @task
    def ask(self): self.client.get(f"/c/{random.randrange(10**6)}", name="ask")
"""


def check_turns(run, seconds):
    """Spans alternate in mirrored pairs, never overlap, and give each target its time."""
    spans = run.closing.spans
    assert all(before.end_s <= after.start_s for before, after in pairwise(spans))
    assert [span.segment for span in spans] == sorted([*range(len(spans) // 2)] * 2)
    order = [span.target for span in spans]
    assert all(sorted(order[i : i + 2]) == [0, 1] for i in range(0, len(order), 2))
    assert all(order[i : i + 2] == order[i + 3 : i + 1 : -1] for i in range(0, len(order) - 3, 4))
    for target in (0, 1):
        assert run.closing.measured_s(target) == pytest.approx(seconds, rel=0.1)


def test_closed_load_asks_both_targets_the_same(both, web, base):
    run = both(MIXED, users=6, duration="6s")

    check_turns(run, 6)
    assert not failed_checks(run)
    candidate, other = run.measure(0), run.measure(1)
    assert set(candidate.endpoints) == set(other.endpoints) == {"GET look", "POST score", "GET ask"}
    assert candidate.paired.tickets > 200
    assert candidate.paired.same >= 0.99 * candidate.paired.tickets
    assert run.closing.started == len(run.samples) == sum(web.asked.values()) + sum(base.asked.values())


def test_open_load_has_the_same_arrivals_and_questions_on_both_targets(both):
    run = both(MIXED, users=12, arrival_rate=60, duration="6s")

    check_turns(run, 6)
    assert not failed_checks(run)
    paired = run.measure(0).paired
    # Requests due in the lead-in are unmeasured on both sides; those at the very edge may fall on either.
    assert paired.tickets == pytest.approx(360, abs=60)
    assert paired.same >= 0.99 * paired.tickets
    samples = run.samples
    starts = {(span.segment, span.target): span.start_s for span in run.closing.spans}
    measured = samples[samples["segment"] >= 0]
    offsets = {target: {} for target in (0, 1)}
    for target, segment, ticket, due in measured[["target", "segment", "ticket", "due_s"]].itertuples(index=False):
        offsets[target][segment, ticket] = due - starts[segment, target]
    common = offsets[0].keys() & offsets[1].keys()
    assert np.median([abs(offsets[0][key] - offsets[1][key]) for key in common]) < 0.002


def test_only_the_active_target_is_asked_and_a_switch_waits_for_what_is_in_flight(both):
    run = both(
        """
        class Slow(FastHttpUser):
            wait_time = constant(0)
            @task
            def ask(self): self.client.get("/sleep/0.2")
        """,
        users=4,
        duration="3s",
    )

    samples = run.samples.sort_values("start_s")
    ends = (samples["start_s"] + samples["response_ms"] / 1000).to_numpy()
    target = samples["target"].to_numpy()
    starts = samples["start_s"].to_numpy()
    for i in np.flatnonzero(np.diff(target)):
        assert starts[i + 1] >= ends[: i + 1].max() - 0.005
    assert not failed_checks(run)


def test_think_time_stands_still_while_another_target_has_its_turn(both):
    """A user that thinks for 0.8 s asks once in 0.8 s of its target's own time, however short the turns are."""
    run = both(
        """
        class Thinker(FastHttpUser):
            wait_time = constant(0.8)
            @task
            def ask(self): self.client.get("/a")
        """,
        users=4,
        duration="8s",
    )

    counts = run.samples[run.samples["segment"] >= 0]["target"].value_counts()
    assert counts[0] == pytest.approx(40, abs=10)
    assert counts[1] == pytest.approx(40, abs=10)


def test_a_task_that_asks_differently_is_counted(both):
    run = both(
        """
        import itertools
        count = itertools.count()
        class Caller(FastHttpUser):
            wait_time = constant(0.03)
            @task
            def ask(self): self.client.get(f"/a/{next(count)}", name="a")
        """,
        duration="2s",
    )

    paired = run.measure(0).paired
    assert paired.tickets > 20
    assert paired.same == 0


def test_a_target_that_hangs_ends_the_turns_and_the_requests_are_unfinished(both, base):
    run = both(
        f"""
        class Caller(FastHttpUser):
            wait_time = constant(0.02)
            def ask_it(self): self.client.get("/sleep/30" if self.host == "{base.url}" else "/a", name="ask")
            tasks = [ask_it]
        """,
        duration="4s",
        warm_up="0.5s",
        plan={"drain_s": 2.0},
    )

    assert run.closing.complete
    assert run.closing.unfinished >= 2

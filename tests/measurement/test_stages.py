"""Levels of load, from samples alone."""

import math

import numpy as np
import pytest

from entrypoint.measurement.model import Check
from entrypoint.measurement.samples import DTYPE
from entrypoint.measurement.stages import Block, labels, stages_of, worst
from locustfiles.ml_loadtest import contract

STEPS = (contract.Step(5, 2), contract.Step(5, 40), contract.Step(5, 2))


def rows(*stages):
    """Samples of stages of five seconds, given as the response time in ms in each second; two requests a second."""
    found = []
    for segment, seconds in enumerate(stages):
        for second, ms in enumerate(seconds):
            found += [(segment, 5 * segment + second + part, ms) for part in (0.2, 0.7)]
    table = np.zeros(len(found), DTYPE)
    for number, (segment, due, ms) in enumerate(found):
        table[number]["segment"], table[number]["due_s"], table[number]["response_ms"] = segment, due, abs(ms)
        table[number]["outcome"] = contract.Outcome.SERVER_ERROR if ms < 0 else contract.Outcome.OK
    return table


def blocks(table, checks=((), (), ())):
    return [
        Block(
            label=label, step=step, checks=checks[number], rows=np.flatnonzero(table["segment"] == number),
            spans=(contract.Span(number, 0, number, 5.0 * number, 5.0 * number + 5, 10),),
        )
        for number, (step, label) in enumerate(zip(STEPS, labels(STEPS), strict=True))
    ]  # fmt: skip


def check(name, value, limit, ok=True):
    return Check(name=name, value=value, limit=limit, unit="", ok=ok, text=f"{name} {value}")


@pytest.mark.parametrize(
    ("after", "recovery"),
    [
        ([10] * 5, 0.0),
        ([90, 90, 10, 10, 10], 2.0),
        ([10, 10, 90, 10, 10], 3.0),
        ([90, 10, 10, 10, 90], math.inf),
        # A service that fails is not one that has recovered, however fast it is at it.
        ([-1, -1, 10, 10, 10], 2.0),
    ],
)
def test_the_time_to_recover_is_the_end_of_the_last_slow_second(after, recovery):
    table = rows([10] * 5, [90] * 5, after)

    stages = stages_of(table, blocks(table))

    assert [stage.recovery_s for stage in stages] == [None, None, recovery]
    assert [stage.p50_ms for stage in stages][:2] == [10, 90]


def test_a_level_that_comes_again_is_numbered():
    assert labels(STEPS) == ["2 users", "40 users", "2 users (2)"]
    assert labels([contract.Step(1, 9, 50.0), contract.Step(1, 1)]) == ["50 requests/s", "1 user"]


def test_a_level_says_why_the_generator_could_not_drive_it():
    table = rows([10] * 5, [10] * 5, [10] * 5)
    failing = ((), (check("generator-cpu", 1.0, 0.9, ok=False),), ())

    stages = stages_of(table, blocks(table, failing))

    assert [(stage.ok, stage.text) for stage in stages] == [(True, ""), (False, "generator-cpu 1.0"), (True, "")]


def test_of_the_same_checks_of_several_levels_the_worst_is_shown():
    lists = [
        [check("steal", 0.01, 0.1), check("arrivals", 0.99, 0.98)],
        [check("steal", 0.09, 0.1), check("arrivals", 1.0, 0.98)],
        [check("steal", 0.02, 0.1)],
    ]

    assert [(found.name, found.value) for found in worst(lists)] == [("steal", 0.09), ("arrivals", 0.99)]
    failing = [[check("steal", 0.2, 0.1, ok=False)], [check("steal", 0.0, 0.1)]]
    assert worst(failing)[0].value == 0.2

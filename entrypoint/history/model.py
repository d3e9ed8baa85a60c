"""A run as the history keeps it: who, when, under which conditions, and its figures. No samples and no judgement."""

from typing import Literal

from pydantic import Field

from entrypoint.judgement.model import Outcome
from entrypoint.measurement.model import Value

SCHEMA_VERSION: Literal[1] = 1


class Conditions(Value):
    """What a run was made under.

    Attributes:
        machine, launcher, plan: what two runs must share to be on one line of a chart.
        plan_text: the load in a few words.
        image: of the runner.
        tool: version of ml-loadtest.
        versions: of Locust and Python.
    """

    machine: str
    launcher: str
    plan: str
    plan_text: str = ""
    image: str = ""
    tool: str = ""
    versions: dict[str, str] = {}


class Figures(Value):
    """One endpoint: counts, and values by metric in the metric's unit; infinite where failures reach a percentile."""

    requests: int = Field(ge=0)
    failures: int = Field(ge=0)
    values: dict[str, float]


class Entry(Value):
    """One run.

    Attributes:
        id: what no other run has, on any machine.
        commit: that was measured.
        date: YYYY-MM-DD.
        occasion: the job it came from; runs of one job share its luck.
        pull_request: its number where the run judged a proposal, None where it measured code that was merged.
        endpoints: by Locust's method and name; empty where nothing could be measured.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    id: str = Field(min_length=1)
    commit: str = ""
    date: str
    suite: str
    occasion: str
    pull_request: int | None = None
    verdict: Outcome
    run_url: str = ""
    conditions: Conditions
    endpoints: dict[str, Figures] = {}

"""Entries to be put in a history."""

from collections.abc import Sequence

from entrypoint.history.model import Conditions, Entry, Figures
from entrypoint.judgement.model import Outcome

MACHINE = "AMD EPYC 7763 64-Core Processor, 4 cores, 512 KB [3fa9c1]"
OTHER = "Intel Xeon 8370C, 4 cores, 48 MB [77aa02]"


def entry(number: int = 0, values: dict[str, dict[str, float]] | None = None, **more: object) -> Entry:
    """A run of a day of 2026, of a job of its own."""
    conditions = {
        "machine": MACHINE,
        "launcher": "compose",
        "plan": "b4c1d2e3f405",
        "plan_text": "closed load, 20 users",
    }
    conditions |= {name: more.pop(name) for name in list(more) if name in Conditions.model_fields}
    found = {
        name: Figures(requests=1000, failures=0, values=metrics)
        for name, metrics in (values or {"GET /predict": {"p95": 60.6}}).items()
    }
    known: dict[str, object] = {
        "id": f"job-{number}-1-loadtest-ab",
        "commit": f"{number:040x}",
        "date": f"2026-{1 + number // 28:02}-{1 + number % 28:02}",
        "suite": "recommender",
        "occasion": f"job-{number}-1-loadtest",
        "verdict": Outcome.PASS,
        "conditions": Conditions(**conditions),
        "endpoints": found,
    }
    return Entry(**(known | more))


def entries(
    values: Sequence[float], metric: str = "p95", endpoint: str = "GET /predict", **more: object
) -> list[Entry]:
    """A run for each value."""
    return [entry(number, {endpoint: {metric: value}}, **more) for number, value in enumerate(values)]

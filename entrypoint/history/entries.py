"""From a result to its line of the history. Pure."""

import hashlib
import math

from entrypoint.history.model import Conditions, Entry, Figures
from entrypoint.measurement.metrics import SERVICE
from entrypoint.measurement.model import EndpointMeasurement, Measurement
from entrypoint.report.result import Result


def entry_of(result: Result, pull_request: int | None = None) -> Entry:
    """What the history keeps of a run.

    Args:
        result: the run, whatever became of it.
        pull_request: number of the pull request that it judged, if any.
    """
    environment, measurement = result.environment, result.measurement
    return Entry(
        id=_identity(result),
        commit=environment.commit,
        date=environment.date,
        suite=result.suite,
        occasion=environment.occasion,
        pull_request=pull_request,
        verdict=result.verdict,
        run_url=environment.run_url,
        conditions=Conditions(
            machine=environment.machine,
            launcher=environment.launcher,
            plan=measurement.plan if measurement else "",
            plan_text=measurement.plan_text if measurement else "",
            image=environment.image,
            tool=result.tool_version,
            versions=environment.versions,
        ),
        endpoints=_endpoints(measurement) if measurement else {},
    )


def _identity(result: Result) -> str:
    """The job and the run's own number in it; a run without a number is known by its contents."""
    own = result.id or hashlib.sha256(result.model_dump_json().encode()).hexdigest()[:16]
    return f"{result.environment.occasion}-{own}"


def _endpoints(measurement: Measurement) -> dict[str, Figures]:
    """The figures of every endpoint; of a search what it found, for its endpoints were measured at a level that it chose."""
    capacity = measurement.capacity
    if capacity is None:
        return {name: _figures(found) for name, found in measurement.endpoints.items()}
    if not capacity.settled:
        return {}
    return {SERVICE: Figures(requests=0, failures=0, values={capacity.metric: capacity.passed})}


def _figures(found: EndpointMeasurement) -> Figures:
    printed = {key: value for key, value in found.metrics.items() if value is not None and not math.isnan(value)}
    return Figures(requests=found.requests, failures=found.failures, values=printed)

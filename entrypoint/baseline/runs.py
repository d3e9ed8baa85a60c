"""From a measurement to a run of the baseline, and a baseline in words. Pure."""

import math
from datetime import date
from typing import Any

from entrypoint.baseline.model import EndpointValues, Fingerprint, Group, Run
from entrypoint.measurement.model import EndpointMeasurement, Measurement


def as_run(measurement: Measurement, **provenance: Any) -> Run:  # noqa: ANN401 (checked by the model)
    """A measurement as the baseline keeps it: finite values only.

    Args:
        measurement: of the run.
        provenance: the other fields of `Run`.
    """
    return Run(
        **provenance,
        versions=measurement.versions,
        service=_service(measurement),
        made_of={one.key: one.made_of for one in measurement.chosen if one.key in measurement.service},
        endpoints={name: _values(found) for name, found in measurement.endpoints.items()},
    )


def _service(measurement: Measurement) -> dict[str, float]:
    """The service's own figures; a capacity that may well be higher is none to hold others against."""
    unsure = measurement.capacity.metric if measurement.capacity and not measurement.capacity.settled else ""
    return {key: value for key, value in measurement.service.items() if key != unsure}


def _values(found: EndpointMeasurement) -> EndpointValues:
    return EndpointValues(
        requests=found.requests,
        failures=found.failures,
        values={key: value for key, value in found.metrics.items() if value is not None and math.isfinite(value)},
        quantiles={p: value for p, value in found.quantiles.items() if math.isfinite(value)},
        shares=found.shares,
    )


def as_group(run: Run, fingerprint: Fingerprint) -> Group:
    """A single run as something to compare with."""
    return Group(fingerprint=fingerprint, runs=(run,))


def describe(group: Group, today: date) -> str:
    """What a group is, in a few words: how many runs and occasions, the newest commit and its age."""
    newest = group.runs[-1]
    occasions = len({run.occasion for run in group.runs})
    runs = "1 run" if len(group.runs) == 1 else f"{len(group.runs)} runs on {occasions} occasion{'s' * (occasions > 1)}"
    commit = f", the newest of commit {newest.commit[:7]}" if newest.commit else ""
    return f"{runs}{commit} of {newest.date}{_age(newest.date, today)}"


def _age(day: str, today: date) -> str:
    try:
        days = (today - date.fromisoformat(day)).days
    except ValueError:
        return ""
    return " (today)" if days <= 0 else f" ({days} day{'s' * (days > 1)} ago)"

"""`badge`: a finished run as a shields endpoint, https://shields.io/badges/endpoint-badge."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from entrypoint.errors import SettingsError
from entrypoint.files import make_folder, write
from entrypoint.judgement.model import Change, Outcome, Status
from entrypoint.judgement.wording import figure
from entrypoint.report.neutral import plain
from entrypoint.report.result import Result

_LONGEST = 80
_COLORS = {
    Outcome.PASS: "brightgreen",
    Outcome.IMPROVEMENT: "brightgreen",
    Outcome.REGRESSION: "red",
    Outcome.LIMIT_EXCEEDED: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.NO_BASELINE: "lightgrey",
    Outcome.INVALID: "lightgrey",
}
_ROW_COLORS = {
    Status.REGRESSED: "red",
    Status.OVER_LIMIT: "red",
    Status.IMPROVED: "brightgreen",
    Status.UNCHANGED: "brightgreen",
    Status.WITHIN_LIMIT: "brightgreen",
    Status.UNRESOLVED: "yellow",
}


def badge(result: Result, *, metric: str = "", endpoint: str = "") -> str:
    """The badge as JSON: the verdict, or one figure in the colour of what was said of it.

    Args:
        result: the run.
        metric: a metric's key; "" for the verdict.
        endpoint: which endpoint's; may be "" where the run has one alone.

    Raises:
        SettingsError: if the run has no such figure.
    """
    if endpoint and not metric:
        raise SettingsError(
            "`--endpoint` needs `--metric`.", remedy='Such as `--metric p95 --endpoint "POST /predict"`.'
        )
    if metric:
        row = _row(result, metric, endpoint)
        color = _ROW_COLORS.get(row.status, "blue") if result.verdict is not Outcome.INVALID else "lightgrey"
        return _shield(f"{metric} {row.endpoint}", figure(row.candidate, row.unit), color)
    return _shield("load test", result.verdict.value.replace("-", " "), _COLORS[result.verdict])


def _row(result: Result, metric: str, endpoint: str) -> Change:
    rows = [change for change in result.changes if change.candidate is not None]
    known = list(dict.fromkeys(change.endpoint for change in rows))
    if not endpoint and len(known) != 1:
        _refuse("`--metric` needs `--endpoint`: this run has", known, "no endpoint")
    endpoint = endpoint or known[0]
    if endpoint not in known:
        _refuse(f"This run has no endpoint {plain(endpoint)!r}; it has", known, "none")
    found = next((change for change in rows if (change.endpoint, change.metric) == (endpoint, metric)), None)
    if found is None:
        metrics = [change.metric for change in rows if change.endpoint == endpoint]
        _refuse(f"This run has no {plain(metric)!r} of {plain(endpoint)}; it has", metrics, "no figure")
    return found


def _refuse(what: str, known: Sequence[str], none: str) -> NoReturn:
    raise SettingsError(f"{what} {', '.join(plain(name) for name in known) or none}.")


def _shield(label: str, message: str, color: str) -> str:
    values = {"schemaVersion": 1, "label": plain(label)[:_LONGEST], "message": message, "color": color}
    return json.dumps(values, ensure_ascii=False) + "\n"


def write_badge(path: Path, text: str) -> None:
    """Write the badge's file.

    Raises:
        SettingsError: if it cannot be written.
    """
    try:
        make_folder(path.parent)
        write(path, text)
    except OSError as error:
        raise SettingsError(f"`--out` names `{path}`, which cannot be written to: {error.strerror}.") from error

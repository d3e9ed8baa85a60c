"""How often each rule was right and wrong, and what so many runs prove."""

from collections.abc import Iterable, Sequence
from math import expm1, isfinite, log
from statistics import mean, stdev

from scipy.stats import chi2

from benchmarks.trust.conditions import CONDITIONS, OF_WORK, SERVICES, UNCHANGED
from benchmarks.trust.lines import Line, Said, all_lines
from benchmarks.trust.trials import CPU, Look, Trial
from benchmarks.trust.work import table_of_work
from entrypoint.judgement.significance import exact_interval

# Runs without which a spread says nothing.
_FEWEST = 5
# One side of the exact interval, so that 0 of 299 proves at most 1 %.
_CONFIDENCE = 0.90


def tables(trials: Sequence[Trial]) -> str:
    """Everything in Markdown: what was run, and a table for each service."""
    if not trials:
        return "No comparison was made yet."
    parts = [_overview(trials), table_of_work(trials)]
    for service in SERVICES:
        own = [trial for trial in trials if trial.service == service and trial.usable]
        if any(trial.condition in CONDITIONS for trial in own):
            parts += [f"### `{service}`", _truth(own), _of_service(own), _worth(own)]
    return "\n\n".join(filter(None, parts))


def _overview(trials: Sequence[Trial]) -> str:
    usable = [trial for trial in trials if trial.usable]
    looks = sum(len(trial.looks) for trial in usable)
    load_h = sum(trial.load_s for trial in usable) / 3600
    hours = (trials[-1].began - trials[0].began) / 3600
    invalid = sum(not all(look.valid for look in trial.looks) for trial in usable)
    differ = sum(differs(trial) for trial in usable)
    return (
        f"{len(trials)} comparisons in {looks} looks over {hours:.1f} hours, {load_h:.2f} hours of measured load; "
        f"{invalid} were invalid and count nowhere, {len(trials) - len(usable)} could not be made. Judged again from the "
        f"samples, {differ} had a row with another status than at the time."
    )


def differs(trial: Trial) -> bool:
    """Whether the raw samples do not give what the product said; an invalid run is not compared, nor are figures it did not
    have at the time."""
    again = None if trial.condition in OF_WORK else trial.replayed(trial.condition.threshold).comparison
    if again is None:
        return False
    return not trial.live <= {(change.endpoint, change.metric, change.status.value) for change in again.changes}


def _truth(trials: Sequence[Trial]) -> str:
    """What was really planted: the mean over runs of the logarithm of candidate over base, and its 95 % interval."""
    runs = {condition: [trial for trial in trials if trial.condition is condition] for condition in CONDITIONS}
    lines = [
        _row(condition.label, f"{len(some)}", *(_mean_change(some, metric) for metric in ("p50", "p95", CPU)))
        for condition, some in runs.items()
        if some
    ]
    return "\n".join([_row("Planted", "Runs", "p50", "p95", "CPU time a success"), _row(*("---",) * 5), *lines])


def _mean_change(trials: Sequence[Trial], metric: str) -> str:
    """Each run counts once, however many looks it took; a look in which failures reach the figure has none."""
    runs = [[_log_ratio(look, metric) for look in trial.looks if look.valid] for trial in trials]
    logs = [mean(known) for run in runs if (known := [value for value in run if isfinite(value)])]
    if len(logs) < 2:
        return f"{expm1(logs[0]) * 100:+.1f} %" if logs else ""
    half = 1.96 * stdev(logs) / len(logs) ** 0.5
    return f"{expm1(mean(logs)) * 100:+.1f} % ({expm1(mean(logs) - half) * 100:+.1f} to {expm1(mean(logs) + half) * 100:+.1f})"


def _log_ratio(look: Look, metric: str, base_metric: str = "") -> float:
    """NaN or infinite where either has no such figure."""
    ours, theirs = look.figure(metric), look.base_figure(base_metric or metric)
    return log(ours / theirs) if isfinite(ours) and isfinite(theirs) else float("nan")


def _worth(trials: Sequence[Trial]) -> str:
    """How much less an unchanged figure varies between runs once the machine is taken out of it by the best reference there is.

    That is the same service in turns with it. Standard deviations of logarithms over first looks, in percent, and their
    intervals.
    """
    looks = [trial.looks[0] for trial in trials if trial.condition is UNCHANGED and trial.looks[0].valid]
    if len(looks) < _FEWEST:
        return ""
    lines = [
        "| Spread between unchanged runs | the figure alone | over the base's own | over the base's p50 |",
        "| --- | --- | --- | --- |",
    ]
    for metric in ("p50", "p95", "mean"):
        alone = [log(look.figure(metric)) for look in looks]
        by_own, by_p50 = ([_log_ratio(look, metric, base) for look in looks] for base in (metric, "p50"))
        lines.append(
            _row(metric, *(spread([value for value in logs if isfinite(value)]) for logs in (alone, by_own, by_p50)))
        )
    used = [log(look.figure(CPU)) for look in looks if isfinite(look.figure(CPU))]
    by_own = [ratio for look in looks if isfinite(ratio := _log_ratio(look, CPU))]
    if len(by_own) >= _FEWEST:
        lines.append(_row("CPU time a success", spread(used), spread(by_own), ""))
    return "\n".join(lines)


def spread(logs: Sequence[float]) -> str:
    """Standard deviation, and the interval of the true one (chi-squared)."""
    df = len(logs) - 1
    low, high = (stdev(logs) * (df / chi2.ppf(p, df)) ** 0.5 for p in (0.975, 0.025))
    return f"{stdev(logs) * 100:.1f} % ({low * 100:.1f} to {high * 100:.1f})"


def _of_service(trials: Sequence[Trial]) -> str:
    present = [condition for condition in CONDITIONS if any(trial.condition is condition for trial in trials)]
    heads = [f"{condition.label}{' accused' if condition is UNCHANGED else ' found'}" for condition in present]
    lines = [_row("Rule", *heads, "load a run"), _row(*("---",) * (len(heads) + 2))]
    for line in all_lines(trials):
        cells = [
            cell(
                [line.says(trial) for trial in trials if trial.condition is condition],
                accusing=condition is UNCHANGED,
                bound=line.independent,
            )
            for condition in present
        ]
        lines.append(_row(line.name, *cells, _load(line, trials)))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def cell(verdicts: Iterable[Said | None], *, accusing: bool, bound: bool) -> str:
    """k of n, how many were left undecided, and what it proves with 95 % confidence.

    At most so many false alarms, at least so many detections.
    """
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        return ""
    accused, undecided = known.count(Said.ACCUSED), known.count(Said.UNDECIDED)
    low, high = exact_interval(accused, len(known), _CONFIDENCE)
    proven = f" ({'≤ ' + _percent(high) if accusing else '≥ ' + _percent(low)})" if bound else ""
    return f"{accused} of {len(known)}{proven}{f', {undecided} undecided' if undecided else ''}"


def _percent(share: float) -> str:
    return f"{share * 100:.{0 if share >= 0.1 else 1}f} %"


def _load(line: Line, trials: Sequence[Trial]) -> str:
    """Mean over the trials that it judged."""
    seconds = [line.load_s(trial) for trial in trials if line.says(trial) is not None]
    return f"{mean(seconds):.0f} s" if seconds else ""

"""What a run comes to, in sentences: the verdict's word, what it means for the build, what to do next."""

import math
import re
from collections.abc import Sequence

from entrypoint.judgement.model import Change, Outcome, Reason, Status
from entrypoint.judgement.wording import interval, percent, sentence
from entrypoint.measurement.metrics import METRICS, SERVICE
from entrypoint.report.neutral import Neutral, glue
from entrypoint.report.result import Result
from entrypoint.report.rows import asked
from entrypoint.settings.model import CompareWith

_SIGNS = {
    Outcome.INVALID: ("⛔", "Invalid run"),
    Outcome.LIMIT_EXCEEDED: ("❌", "Limit exceeded"),
    Outcome.REGRESSION: ("❌", "Regression"),
    Outcome.INCONCLUSIVE: ("❓", "Inconclusive"),
    Outcome.NO_BASELINE: ("🆕", "No baseline"),
    Outcome.IMPROVEMENT: ("✅", "Improvement"),
    Outcome.PASS: ("✅", "Pass"),
}
_RUN = re.compile(r"https://([A-Za-z0-9.:-]+)/([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)/actions/runs/(\d+)")
# Changes of CPU time a request that tell why a service is slower; what lies between tells nothing.
_CPU = "cpu-per-request"
_COMPUTES_MORE, _COMPUTES_THE_SAME = 0.10, 0.05
_HOLE = "Endpoint"  # a plain word, which no format changes


def sign(outcome: Outcome) -> str:
    """The verdict as one character."""
    return _SIGNS[outcome][0]


def word(outcome: Outcome) -> str:
    """The verdict in a word or two."""
    return _SIGNS[outcome][1]


class Reasons:
    """The reasons of a result, told with the endpoint's name as code.

    Args:
        result: the run.
        neutral: the format they are told in.
    """

    def __init__(self, result: Result, neutral: Neutral) -> None:
        self._neutral = neutral
        self._rows = {sentence(change): change for change in reversed(result.changes)}
        self._reasons = result.reasons

    def first(self) -> str:
        """The most important one, without its full stop."""
        return self._tell(self._reasons[0]).removesuffix(".") if self._reasons else ""

    def others(self) -> list[str]:
        """Those after the first that no table shows."""
        return [self._tell(reason) for reason in self._reasons[1:] if reason.text not in self._rows]

    def _tell(self, reason: Reason) -> str:
        change = self._rows.get(reason.text)
        return tell(change, self._neutral) if change else self._neutral.prose(reason.text)


def tell(change: Change, neutral: Neutral) -> str:
    """A row in a sentence, with the endpoint's name as code."""
    if change.metric not in METRICS:
        return neutral.prose(sentence(change))
    label, _, rest = sentence(change.model_copy(update={"endpoint": _HOLE})).partition(_HOLE)
    return glue(neutral.prose(label) + neutral.name(change.endpoint), neutral.prose(rest))


def meaning(result: Result) -> str:  # noqa: PLR0911 (one return for each verdict, in their order)
    """What the verdict means for the build and what comes next, in a sentence or two."""
    failing = "The build fails"
    worse = sum(change.status in (Status.REGRESSED, Status.OVER_LIMIT) for change in result.changes)
    figures = f"{worse} of {result.compared.rows} judged figures {'is' if worse == 1 else 'are'}"
    match result.verdict:
        case Outcome.INVALID if result.measurement is None:
            return f"Nothing was measured, so nothing is said about performance. {failing}."
        case Outcome.INVALID:
            again = "Run it again; if it stays so, give it a larger machine or less load."
            return f"The load generator or the machine was at fault, so the figures are not judged. {failing}. {again}"
        case Outcome.LIMIT_EXCEEDED:
            return f"{failing}: {figures} over a limit or worse than allowed." if worse else f"{failing}."
        case Outcome.REGRESSION:
            return f"{failing}: {figures} worse than allowed, by more than noise explains.{_why(result)}"
        case Outcome.INCONCLUSIVE:
            return f"Nothing is accused, for this run could not tell. {_build(result)} {_sharper(result)}"
        case Outcome.NO_BASELINE:
            begin = "Write one with `ml-loadtest calibrate --runs 5` and commit it."
            return f"Limits were kept, but this is not a pass. {_build(result)} {begin}"
        case Outcome.IMPROVEMENT:
            return "The build goes on. Accept this run, and later changes are held to the better figures."
    return ""


def _why(result: Result) -> str:
    """Whether a slower service computes more or waits longer, as far as its CPU time tells; "" where it does not."""
    worse = [change for change in result.changes if change.status is Status.REGRESSED and change.unit == "ms"]
    slower = any(change.endpoint != SERVICE for change in worse)
    cpu = next((change for change in result.changes if change.metric == _CPU), None)
    if not slower or cpu is None or cpu.change is None:
        return ""
    # Side by side the figure has an interval of the same turns; between occasions it is the machine's as much as the service's.
    beside = result.compared.with_ is CompareWith.BASE and cpu.interval is not None
    low, high = cpu.interval if beside and cpu.interval else (cpu.change, cpu.change)
    used = f"{percent(cpu.change)}{f', {interval(cpu)}' if beside else ''}"
    if cpu.change >= (_COMPUTES_THE_SAME if beside else _COMPUTES_MORE) and low > 0:
        return f" It computes more: CPU time for each success {used}."
    if abs(cpu.change) <= _COMPUTES_THE_SAME and high < _COMPUTES_MORE:
        waits = "so it waits longer: for a lock, a disk or another service"
        return f" CPU time for each success is what it was ({used}), {waits}."
    return ""


def _build(result: Result) -> str:
    policy = f"on-{result.verdict.value}"
    return f"The build fails because `{policy}` is `fail`." if result.exit_code else "The build goes on."


def _sharper(result: Result) -> str:
    """What would make the next run able to tell."""
    codes = {reason.code for reason in result.reasons}
    if "not-comparable" in codes:
        return "Accepting this run begins a baseline for this machine and load."
    longer = [
        change.time_to_tell for change in result.changes if change.status is Status.TOO_FEW and change.time_to_tell
    ]
    if "no-gated-row" in codes and longer and result.measurement:
        return f"Measuring for {_duration(result.measurement.window_s * min(longer))} would give enough to judge one."
    if Status.UNRESOLVED.value in codes and result.compared.caveats:
        return "Calibrating again on other days sharpens the gate."
    return ""


def resolving(result: Result, neutral: Neutral, most: int = 3) -> list[str]:
    """What would decide the rows that are in doubt, as far as that can be reckoned from this run."""
    if result.verdict is Outcome.INVALID or result.measurement is None:
        return []
    told = []
    for change in result.changes:
        if change.gated and (remedy := _remedy(change, result.measurement.window_s)):
            before, after = remedy
            told.append(glue(neutral.prose(before) + neutral.name(change.endpoint), neutral.prose(after)))
    return list(dict.fromkeys(told))[:most]


def _remedy(change: Change, window_s: float) -> tuple[str, str] | None:
    """What stands before and after the row's name."""
    if change.status is Status.MISSING:
        return "If nothing is meant to ask for ", " any more, accept this run."
    if change.status is not Status.UNRESOLVED:
        return None
    label = change.label
    if change.time_to_tell:
        enough = "decide" if change.unit == "%" or change.interval else "give enough requests to judge"
        return f"Measuring for {_duration(window_s * change.time_to_tell)} would {enough} {label} of ", "."
    if change.occasions_to_tell:
        what = f"A baseline of {change.occasions_to_tell} occasions would decide {label} of "
        return what, ", if its noise stays what it is."
    if change.interval:
        return (
            f"More runs would not decide {label} of ",
            ": this baseline's noise is too large for a change of this size.",
        )
    return None


def _duration(seconds: float) -> str:
    """A run time to set, in steps of ten seconds and never less: `70 s`, `12 min`."""
    if not math.isfinite(seconds):
        return "longer"
    tens = math.ceil(round(seconds / 10, 6)) * 10
    return f"{tens} s" if tens < 300 else f"{math.ceil(tens / 60)} min"


def reassurance(result: Result, neutral: Neutral) -> list[str]:
    """After a quiet verdict: what came closest to an accusation, and what this run could have seen at all."""
    if result.verdict not in (Outcome.PASS, Outcome.IMPROVEMENT):
        return []
    told = []
    judged = [change for change in result.changes if change.gated and change.interval and change.threshold]
    nearest = max(judged, key=_nearness, default=None)
    if nearest is not None and _nearness(nearest) > 0:
        allowed = percent(nearest.direction * (nearest.threshold or 0.0))
        name = neutral.name(nearest.endpoint)
        found = f"{percent(nearest.change)} ({interval(nearest)}), allowed {allowed}."
        told.append(
            neutral.prose(f"Closest to its threshold: {nearest.label} of ") + name + neutral.prose(f", {found}")
        )
    resolutions = (change.resolution for change in judged)
    if seen := [abs(one) for one in resolutions if one is not None and math.isfinite(one)]:
        least = percent(max(seen)).removeprefix("+")
        told.append(neutral.prose(f"A worsening of {least} or more would have shown in every judged figure."))
    return told


def _nearness(change: Change) -> float:
    """1 is at the threshold, 0 or less is no worsening."""
    if not change.threshold or change.change is None or not math.isfinite(change.change):
        return 0.0
    return change.change * change.direction / change.threshold


def how_to_read(result: Result) -> str:
    """What the columns of the table mean, and how often the whole of it is wrong."""
    if result.verdict is Outcome.INVALID:
        return ""
    rate, rows = asked(result.compared.false_alarm_rate, "%"), result.compared.rows
    together = f" The {rows} judged figures together accuse unchanged code in at most {rate} of runs." if rows else ""
    bars = (
        " The bars are the baseline's runs and, last, this one." if any(row.history for row in result.changes) else ""
    )
    return (
        "The interval is where the true change lies, and it is the one that decides: a figure has regressed if it is beyond what "
        "is allowed and its whole interval is worse than before. A true change exactly at the threshold is therefore accused "
        "about half the time. “Could see” is the smallest worsening that this run would have shown, 95 times in 100."
        f"{bars}{together}"
    )


def accepting(result: Result) -> tuple[str, str]:
    """How to make this run part of the baseline on purpose: a sentence and a command; both "" where it cannot be."""
    fetch = _fetching(result)
    accept = f"{fetch}ml-loadtest accept --from results"
    folder = "" if fetch else ", with the run's folder at `results`,"
    how = f"run this in your clone{folder} and commit the baseline for review:"
    if result.measurement is None or (result.compared.with_ == CompareWith.BASE and result.base_timeline):
        return "", ""  # side by side, what is merged is the next one's base
    match result.verdict:
        case Outcome.INVALID | Outcome.LIMIT_EXCEEDED:
            return "", ""
        case Outcome.REGRESSION:
            return f"If the slow-down is meant, {how}", f"{accept} --even-if-slower"
        case Outcome.NO_BASELINE:
            better = "Best measure code you trust with `ml-loadtest calibrate --runs 5`."
            return f"{better} To begin with this run instead, {how}", accept
    return f"To accept this run on purpose, {how}", accept


def _fetching(result: Result) -> str:
    """A command that brings the run's artifact into `results`, "" for a run outside Actions."""
    found = _RUN.fullmatch(result.environment.run_url)
    if found is None:
        return ""
    host, repository, run = found.groups()
    where = repository if host == "github.com" else f"{host}/{repository}"
    return f"gh run download {run} --repo {where} --name {result.artifact_name} --dir results && "


def problem_lines(result: Result, most: int = 12) -> Sequence[str]:
    """The error's likely cause and remedy; what happened is the headline already."""
    lines = [line.strip() for line in result.problem.split("\n") if line.strip()]
    if lines and result.reasons and lines[0] == result.reasons[0].text:
        lines = lines[1:]
    return lines[:most]

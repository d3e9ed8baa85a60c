"""From checks, changes and faults to one verdict: the first that applies, never silently green. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.errors import ExitCode
from entrypoint.judgement.model import Change, Comparison, Outcome, Reason, Status, Verdict
from entrypoint.judgement.wording import figure, sentence
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import Capacity, Check
from entrypoint.settings.model import CompareWith, OnDoubt, Policy

_NO_BASE = "base-unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a verdict is made of.

    Attributes:
        checks: of instrument and machine.
        comparison: rows.
        faults: what happened to the service, (kind, sentence) each.
        baseline: `found`, `none` (no file yet) or `other` (only for other machines or plans).
        compare_with: what was asked for.
        base_problem: why the base could not be measured beside the candidate, in a sentence; "" if it could or need not.
        capacity: what a search found; None where nobody searched.
    """

    checks: Sequence[Check]
    comparison: Comparison
    faults: Sequence[tuple[str, str]]
    baseline: str
    compare_with: CompareWith
    base_problem: str = ""
    capacity: Capacity | None = None


def judge(findings: Findings, policy: Policy) -> Verdict:
    """The verdict of a run, by the order of design.md section 5; that there was no base to compare with is always said."""
    outcome, reasons = _first_that_applies(findings)
    if findings.base_problem and not any(reason.code == _NO_BASE for reason in reasons):
        reasons = [*reasons, _no_base(findings)]
    return Verdict(outcome=outcome, reasons=tuple(reasons), exit_code=_exit_code(outcome, policy))


def _no_base(findings: Findings) -> Reason:
    instead = " The committed baseline was used instead." if findings.baseline == "found" else ""
    return Reason(code=_NO_BASE, text=f"{findings.base_problem}{instead}")


def _first_that_applies(findings: Findings) -> tuple[Outcome, list[Reason]]:  # noqa: PLR0911 (one return for each verdict)
    by_status = _by_status(findings.comparison)
    invalid = [Reason(code=check.name, text=check.text) for check in findings.checks if not check.ok]
    died = [Reason(code=f"service-{kind}", text=text) for kind, text in findings.faults]
    over = _reasons(by_status, Status.OVER_LIMIT)
    regressed = _reasons(by_status, Status.REGRESSED)
    doubts = _doubts(findings, by_status)
    improved = _reasons(by_status, Status.IMPROVED)
    if invalid and not died:
        return Outcome.INVALID, invalid
    if died or over:
        return Outcome.LIMIT_EXCEEDED, died + over + regressed
    if regressed:
        return Outcome.REGRESSION, regressed
    if doubts:
        return Outcome.INCONCLUSIVE, doubts
    if findings.compare_with is not CompareWith.NONE and findings.baseline == "none":
        text = f"There is no baseline yet, so nothing could be compared{_up_to(findings.capacity, '; every limit was kept')}."
        return Outcome.NO_BASELINE, [Reason(code="no-baseline", text=text)]
    if improved:
        return Outcome.IMPROVEMENT, improved
    return Outcome.PASS, [_passed(findings)]


def not_measured(code: str, text: str, exit_code: ExitCode = ExitCode.NOTHING_ASSERTED) -> Verdict:
    """The verdict when nothing could be asserted at all."""
    return Verdict(outcome=Outcome.INVALID, reasons=(Reason(code=code, text=text),), exit_code=exit_code)


def _by_status(comparison: Comparison) -> dict[Status, list[Change]]:
    return {status: [change for change in comparison.changes if change.status is status] for status in Status}


def _reasons(by_status: dict[Status, list[Change]], status: Status) -> list[Reason]:
    """The rows of a status, the largest change first."""
    changes = sorted(by_status[status], key=lambda change: -abs(change.change or 0.0))
    return [Reason(code=status.value, text=sentence(change)) for change in changes]


def _doubts(findings: Findings, by_status: dict[Status, list[Change]]) -> list[Reason]:
    if findings.base_problem and findings.baseline != "found":
        return [_no_base(findings)]
    if findings.compare_with is not CompareWith.NONE and findings.baseline == "other":
        text = "The baseline has no run on this kind of machine with this load, so nothing could be compared."
        return [Reason(code="not-comparable", text=text)]
    doubts = [change for change in by_status[Status.UNRESOLVED] + by_status[Status.MISSING] if change.gated]
    reasons = [Reason(code=change.status.value, text=sentence(change)) for change in doubts]
    for pattern in findings.comparison.unmatched:
        text = f"The threshold for {pattern} names no endpoint of this run, so it guards nothing."
        reasons.append(Reason(code="threshold-unmatched", text=text))
    compared = any(change.gated and change.interval for change in findings.comparison.changes)
    if findings.baseline == "found" and not compared and not reasons:
        reasons.append(
            Reason(code="no-gated-row", text="No endpoint had enough requests to be judged; measure for longer.")
        )
    return reasons


def _passed(findings: Findings) -> Reason:
    if findings.compare_with is CompareWith.NONE:
        return Reason(code="within-limits", text=f"Every limit was kept{_up_to(findings.capacity)}.")
    unchanged = f"None of {findings.comparison.rows} judged figures changed beyond its threshold"
    return Reason(code="unchanged", text=f"{unchanged}{_up_to(findings.capacity, '; every limit was kept')}.")


def _up_to(capacity: Capacity | None, before: str = "") -> str:
    """Up to which load limits were kept, after some words; "" where nobody searched, or nothing was found."""
    if capacity is None or not capacity.passed:
        return ""
    level = figure(capacity.passed, METRICS[capacity.metric].unit)
    return f"{before} up to {level}{'' if capacity.settled else ' at least'}"


def _exit_code(outcome: Outcome, policy: Policy) -> ExitCode:
    match outcome:
        case Outcome.INVALID:
            return ExitCode.NOTHING_ASSERTED
        case Outcome.LIMIT_EXCEEDED | Outcome.REGRESSION:
            return ExitCode.REGRESSION
        case Outcome.INCONCLUSIVE if policy.on_inconclusive is OnDoubt.FAIL:
            return ExitCode.REGRESSION
        case Outcome.NO_BASELINE if policy.on_no_baseline is OnDoubt.FAIL:
            return ExitCode.REGRESSION
    return ExitCode.OK

"""`junit.xml`, for tools that want it: a test case for each judged figure, and one for each reason that is no figure's."""

import re
from xml.etree import ElementTree as ET

from entrypoint.judgement.model import Change, Outcome, Reason, Status
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS
from entrypoint.report.neutral import plain, plain_lines
from entrypoint.report.result import Result

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILED = {Status.REGRESSED, Status.OVER_LIMIT}
_SKIPPED = {Status.UNRESOLVED, Status.TOO_FEW, Status.MISSING, Status.NEW}


def render_junit(result: Result) -> str:
    """The result as JUnit's XML."""
    suite = ET.Element("testsuite", name=_xml(result.suite))
    for change in result.changes:
        if _is_case(change):
            _add_row(suite, result, change)
    told = {sentence(change) for change in result.changes}
    for reason in result.reasons:
        if reason.text not in told:
            _add_reason(suite, result, reason)
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    suite.set("time", f"{result.timing.get('total', 0.0):.3f}")
    root = ET.Element("testsuites", name="ml-loadtest")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _is_case(change: Change) -> bool:
    """Judged rows, and those that would have been had there been enough requests."""
    asked = change.threshold is not None or change.limit is not None
    return change.gated or (change.status is Status.TOO_FEW and asked)


def _add_row(suite: ET.Element, result: Result, change: Change) -> None:
    label = METRICS[change.metric].label if change.metric in METRICS else change.metric
    case = _case(suite, result, f"{change.endpoint} {label}")
    if result.verdict is Outcome.INVALID:
        ET.SubElement(case, "skipped", message="The run is invalid, so this figure was not judged.")
    elif change.status in _FAILED:
        ET.SubElement(case, "failure", type=change.status.value, message=_xml(sentence(change)))
    elif change.status in _SKIPPED:
        ET.SubElement(case, "skipped", message=_xml(sentence(change)))


def _add_reason(suite: ET.Element, result: Result, reason: Reason) -> None:
    case = _case(suite, result, reason.code)
    if result.verdict is Outcome.INVALID:
        error = ET.SubElement(case, "error", type=_xml(reason.code), message=_xml(reason.text))
        error.text = _NOT_XML.sub("", plain_lines("\n".join(part for part in (result.problem, result.log) if part)))
    elif result.verdict is Outcome.LIMIT_EXCEEDED:
        ET.SubElement(case, "failure", type=_xml(reason.code), message=_xml(reason.text))
    elif result.verdict in (Outcome.INCONCLUSIVE, Outcome.NO_BASELINE):
        ET.SubElement(case, "skipped", message=_xml(reason.text))


def _case(suite: ET.Element, result: Result, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_xml(result.suite), name=_xml(name))


def _xml(text: str) -> str:
    return _NOT_XML.sub("", plain(text))

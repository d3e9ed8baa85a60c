"""`junit.xml`, for tools that want it: a test case for each judged figure, and one for each reason that is no figure's.

The format has no standard. What is written is what the strictest schema in use allows, Jenkins' (junit-10.xsd of its xUnit
plugin), with what other tools miss: counts on every level, a time for each case, and the details as text, which some show alone.
"""

import re
from xml.etree import ElementTree as ET

from entrypoint.judgement.model import Change, Outcome, Reason, Status
from entrypoint.judgement.wording import figure, interval, percent, sentence
from entrypoint.report.neutral import plain, plain_lines
from entrypoint.report.result import Result
from entrypoint.report.rows import allowed_change

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILED = {Status.REGRESSED, Status.OVER_LIMIT}
_SKIPPED = {Status.UNRESOLVED, Status.TOO_FEW, Status.MISSING, Status.NEW}


def render_junit(result: Result) -> str:
    """The result as JUnit's XML."""
    suite = ET.Element("testsuite", name=_xml(result.suite))
    _add_properties(suite, result)
    for change in result.changes:
        if _is_case(change):
            _add_row(suite, result, change)
    told = {sentence(change) for change in result.changes}
    for reason in result.reasons:
        if reason.text not in told:
            _add_reason(suite, result, reason)
    root = ET.Element("testsuites", name="ml-loadtest")
    for name, path in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        for element in (root, suite):
            element.set(name, str(len(suite.findall(path))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    for element in (root, suite):
        element.set("time", f"{result.timing.get('total', 0.0):.3f}")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_properties(suite: ET.Element, result: Result) -> None:
    where = result.environment
    known = {
        "verdict": result.verdict.value,
        "commit": where.head or where.commit,
        "machine": where.machine,
        "run": where.run_url,
        "ml-loadtest": result.tool_version,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in known.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_xml(value))


def _is_case(change: Change) -> bool:
    """Judged rows, and those that would have been had there been enough requests."""
    asked = change.threshold is not None or change.limit is not None
    return change.gated or (change.status is Status.TOO_FEW and asked)


def _add_row(suite: ET.Element, result: Result, change: Change) -> None:
    case = _case(suite, result, f"{change.endpoint} {change.label}")
    if result.verdict is Outcome.INVALID:
        ET.SubElement(case, "skipped", message="The run is invalid, so this figure was not judged.")
    elif change.status in _FAILED:
        failure = ET.SubElement(case, "failure", type=change.status.value, message=_xml(sentence(change)))
        failure.text = _xml_lines(_details(change))
    elif change.status in _SKIPPED:
        ET.SubElement(case, "skipped", message=_xml(sentence(change)))


def _add_reason(suite: ET.Element, result: Result, reason: Reason) -> None:
    case = _case(suite, result, reason.code)
    if result.verdict is Outcome.INVALID:
        error = ET.SubElement(case, "error", type=_xml(reason.code), message=_xml(reason.text))
        error.text = _xml_lines("\n".join(part for part in (result.problem, result.log) if part))
    elif result.verdict is Outcome.LIMIT_EXCEEDED:
        failure = ET.SubElement(case, "failure", type=_xml(reason.code), message=_xml(reason.text))
        failure.text = _xml_lines(reason.text)
    elif result.verdict in (Outcome.INCONCLUSIVE, Outcome.NO_BASELINE):
        ET.SubElement(case, "skipped", message=_xml(reason.text))


def _case(suite: ET.Element, result: Result, name: str) -> ET.Element:
    # A figure takes no time of its own; some tools refuse a case without any.
    return ET.SubElement(suite, "testcase", classname=_xml(result.suite), name=_xml(name), time="0")


def _details(change: Change) -> str:
    """A row with everything that judged it, line by line."""
    told = [
        sentence(change),
        f"baseline {figure(change.baseline, change.unit)}, now {figure(change.candidate, change.unit)}",
    ]
    if change.interval and change.unit != "%":
        told.append(f"change {percent(change.change)}, the true one lies in {interval(change)}")
    if change.threshold is not None:
        told.append(
            f"allowed change {allowed_change(change, change.threshold)}, at least {figure(change.floor, change.unit)}"
        )
    if change.limit is not None:
        told.append(f"limit {figure(change.limit, change.unit)}")
    return "\n".join(told)


def _xml_lines(text: str) -> str:
    return _NOT_XML.sub("", plain_lines(text))


def _xml(text: str) -> str:
    return _NOT_XML.sub("", plain(text))

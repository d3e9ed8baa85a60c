"""What a finished run tells the runner: outputs, step summary, annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from entrypoint.publish.workflow import Workflow


class Tone(StrEnum):
    """How loud an announcement is."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What is to be said.

    Attributes:
        title: a few words, such as the verdict.
        sentences: one annotation each.
        summary: Markdown for the step summary.
        outputs: the step's outputs.
        log: the last lines of a tool that failed; untrusted text.
    """

    title: str
    tone: Tone
    sentences: Sequence[str]
    summary: str
    outputs: Mapping[str, str]
    log: str = ""


def announce(announcement: Announcement, workflow: Workflow) -> None:
    """Say it, everything untrusted in a place where the runner obeys nothing."""
    if announcement.log:
        with workflow.untrusted("last lines of the log") as show:
            show(announcement.log)
    speak = {Tone.ERROR: workflow.error, Tone.WARNING: workflow.warning, Tone.NOTICE: workflow.notice}[
        announcement.tone
    ]
    for sentence in announcement.sentences:
        speak(sentence, title=announcement.title)
    for name, value in announcement.outputs.items():
        workflow.output(name, value)
    workflow.summary(announcement.summary)

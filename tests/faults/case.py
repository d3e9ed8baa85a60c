"""How a case is said: what goes wrong, what the user then sees, the verdict, the exit code, and what is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.scene import Ended, Scene

GAP = "…"
Play = Callable[[Scene], Ended]


class Kept(StrEnum):
    """What is in the results folder afterwards."""

    NOTHING = "–"
    REPORTS = "reports"
    LOG = "reports, log"
    SAMPLES = "reports, samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that goes wrong.

    Attributes:
        what: it, as the table says it.
        sees: what the user is shown, word for word; `…` stands for whatever differs between two machines or runs.
        verdict: of `result.json`, "" where there is none.
        code: what the command ends with, None where it was never begun.
        kept: what is in the results folder.
        play: makes it happen, and may look for more than is said here.
        slow: whether it takes more than a moment.
        needs: `docker` or `npm`.
    """

    what: str
    sees: str
    verdict: str
    code: int | None
    kept: Kept
    play: Play
    slow: bool = False
    needs: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """Cases of one kind.

    Attributes:
        title: a heading of the table.
        usual: what most of its cases have in common.
        cases: in the order in which they are said.
    """

    title: str
    usual: Mapping[str, object] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)

    def add(self, what: str, play: Play, **said: object) -> None:
        """Say a case; what is not said is as usual."""
        self.cases.append(
            Case(**{"verdict": "", "kept": Kept.NOTHING, **self.usual, **said, "what": what, "play": play})
        )  # type: ignore[arg-type]

    def case(self, what: str, **said: object) -> Callable[[Play], Play]:
        """Say a case whose play is the function below."""

        def said_of(play: Play) -> Play:
            self.add(what, play, **said)
            return play

        return said_of


def missing(sees: str, output: str) -> str:
    """The first piece of what the user should see that is not there, in its order; "" if all is. Line breaks are blanks."""
    text, at = " ".join(output.split()), 0
    for piece in sees.split(GAP):
        wanted = " ".join(piece.split())
        if (found := text.find(wanted, at)) < 0:
            return wanted
        at = found + len(wanted)
    return ""

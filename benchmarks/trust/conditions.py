"""What is planted, at which threshold it is judged, and in which order a campaign tries it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from entrypoint.settings.model import Threshold

SERVICES = ("computes", "queues")
REPORTED = "computes"
RATE = 40.0
# Requests between two stalls: one segment of ten has one.
_STALL_EVERY = int(RATE * 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One kind of candidate.

    Attributes:
        name: in file names and tables.
        label: for people.
        threshold: the allowed rise at which it is judged live; half of what is planted, where that is a rise.
        row: the metric that shows the change; "" where several may, or none should.
        lever: the variable of the service that plants it; "" for none.
        setting: the lever's value; None where calibration finds it.
        rise: what the lever is set for, as a fraction of the row's figure.
        runs: on the service that is reported; the other has half as many.
    """

    name: str
    label: str
    threshold: float = 0.05
    row: str = ""
    lever: str = ""
    setting: float | None = None
    rise: float = 0.0
    runs: int


UNCHANGED = Condition(name="unchanged", label="no change", runs=20)
CONDITIONS = (
    UNCHANGED,
    Condition(name="slower-10", label="+10 %", row="p50", lever="WORK", rise=0.10, runs=10),
    Condition(name="slower-20", label="+20 %", threshold=0.10, row="p50", lever="WORK", rise=0.20, runs=6),
    Condition(name="tail-20", label="tail +20 %", threshold=0.10, row="p95", lever="TAIL", rise=0.20, runs=6),
    Condition(name="failing", label="1 % failures", row="failures", lever="FAILURES", setting=10, runs=4),
    Condition(name="stalling", label="1 s stalls", threshold=0.10, row="p95", lever="STALL", setting=_STALL_EVERY, runs=4),
)  # fmt: skip
# A campaign of its own: whether CPU time for each success sees more work before the response time does.
OF_WORK = (
    Condition(name="same", label="no change", threshold=0.025, row="cpu-per-request", runs=8),
    Condition(name="work-5", label="+5 % of work", threshold=0.025, row="cpu-per-request", lever="WORK", setting=1.05, runs=8),
)  # fmt: skip
NAMED = {condition.name: condition for condition in (*CONDITIONS, *OF_WORK)}
# Unchanged code is made at the tightest of them, and judged again at the others.
THRESHOLDS = (0.05, 0.10)
_FIRST = 2
# What is judged, and what a campaign of work judges.
JUDGED = ("p50", "p95")
JUDGED_OF_WORK = ("p50", "cpu-per-request")


def thresholds_at(rise: float, rows: Sequence[str] = JUDGED) -> list[Threshold]:
    """One allowed rise for every row, and no floor: the services answer in a few milliseconds."""
    metric = {"max-increase": f"{rise * 100:g}%", "floor": 0}
    return [Threshold.model_validate({"endpoint": "*", **dict.fromkeys(rows, metric)})]


@dataclass(frozen=True, slots=True)
class Task:
    """One comparison to make."""

    service: str
    condition: Condition
    number: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.service}-{self.condition.name}-{self.number:03}"


def schedule(*, of_work: bool = False) -> list[Task]:
    """All comparisons; no change and +10 % of both services first, mixed so that each has its share of every hour."""
    if of_work:
        return [task for task in _mixed(OF_WORK) if task.service == REPORTED]
    return [*_mixed(CONDITIONS[:_FIRST]), *_mixed(CONDITIONS[_FIRST:])]


def _mixed(conditions: tuple[Condition, ...]) -> list[Task]:
    """Each condition of each service spread evenly over the whole."""
    kinds = [(service, condition, _runs(service, condition)) for condition in conditions for service in SERVICES]
    placed = chain.from_iterable(
        (((number + 0.5) / runs, Task(service, condition, number + 1)) for number in range(runs))
        for service, condition, runs in kinds
    )
    return [task for _, task in sorted(placed, key=lambda pair: pair[0])]


def _runs(service: str, condition: Condition) -> int:
    return condition.runs if service == REPORTED else condition.runs // 2

"""The one object that every report is rendered from: figures as text, names neutral, sentences chosen. Templates only lay out."""

from dataclasses import dataclass, replace

from entrypoint.report import endurance, headline, sections
from entrypoint.report.figures import Figures, make_figures, rank_endpoints
from entrypoint.report.neutral import Neutral, link, plain
from entrypoint.report.pictures import Picture, make_pictures
from entrypoint.report.result import Result
from entrypoint.report.sections import Checked, Cost, Failure, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of each part a format shows. What has no number here is small by nature."""

    deciding: int = 8
    reasons: int = 8
    failures: int = 20
    pictures: int = 3
    log_lines: int = 60
    facts: int = 40
    service_logs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A whole run, ready to print in one format.

    Attributes:
        title: verdict and suite, for a page's title.
        outcome: the verdict as machines know it.
        sign, verdict, headline: the first line.
        meaning: what the verdict means for the build.
        reasons: further reasons that no table shows.
        problem: the likely cause of an error and what to do.
        facts: what was compared with what, where.
        caveats: what weakens the comparison.
        reassurance: what a quiet verdict rests on.
        resolving: what would decide the rows that are in doubt.
        figures: the tables.
        growth: of a soak, how fast response times and memory grew.
        levels: the stages, where there were several.
        pictures: charts for Markdown, each with its table.
        failures, more_failures: failed requests by kind, and how many kinds do not fit.
        costs: what the services used.
        log: the last lines of what failed, as a block.
        service_logs: the last lines of each service, where the format has room for them.
        reproduce, accept, accepting: one command each as a block, and a sentence before the second.
        run_url, artifact_url: addresses, or "".
        judged: the commit and the tool.
    """

    suite: str
    title: str
    outcome: str
    sign: str
    verdict: str
    headline: str
    meaning: str
    reasons: tuple[str, ...]
    problem: tuple[str, ...]
    facts: tuple[Part, ...]
    caveats: tuple[str, ...]
    reassurance: tuple[str, ...]
    resolving: tuple[str, ...]
    figures: Figures
    growth: tuple[endurance.Grown, ...]
    levels: tuple[sections.Level, ...]
    pictures: tuple[Picture, ...]
    failures: tuple[Failure, ...]
    more_failures: str
    costs: tuple[Cost, ...]
    checks: tuple[Checked, ...]
    checks_failed: str
    timing: tuple[Part, ...]
    environment: tuple[Part, ...]
    log: str
    service_logs: tuple[sections.Written, ...]
    reproduce: str
    accepting: str
    accept: str
    run_url: str
    artifact_url: str
    judged: str

    def with_rows(self, most: int) -> "Context":
        """The same with only so many rows in the table of all, the least interesting left out."""
        return replace(self, figures=self.figures.with_rows(most))

    def with_endpoints(self, most: int) -> "Context":
        """The same with the rows of only so many endpoints, the least interesting left out."""
        return replace(self, figures=self.figures.with_endpoints(most))


def make_context(result: Result, neutral: Neutral, room: Room, artifact_url: str = "") -> Context:
    """Everything that a report shows of a result.

    Args:
        result: the run; names, messages and logs in it are untrusted.
        neutral: how text enters the format.
        room: how much of each part is shown.
        artifact_url: where the whole results folder can be had, or "".
    """
    accepting, accept = headline.accepting(result)
    reasons = headline.Reasons(result, neutral)
    failures = sections.failures(result.measurement, neutral)
    checks = sections.checks(result.measurement, neutral)
    log = "\n".join(result.log.strip().split("\n")[-room.log_lines :])
    return Context(
        suite=neutral.name(result.suite),
        title=f"{headline.word(result.verdict)}: {plain(result.suite)}",
        outcome=result.verdict.value,
        sign=headline.sign(result.verdict),
        verdict=headline.word(result.verdict),
        headline=reasons.first(),
        meaning=neutral.prose(headline.meaning(result)),
        reasons=tuple(reasons.others()[: room.reasons]),
        problem=tuple(neutral.prose(line) for line in headline.problem_lines(result)),
        facts=tuple(sections.facts(result, neutral)),
        caveats=tuple(neutral.prose(caveat) for caveat in sections.caveats(result)),
        reassurance=tuple(headline.reassurance(result, neutral)),
        resolving=tuple(headline.resolving(result, neutral)),
        figures=make_figures(result, neutral, room.deciding),
        growth=tuple(endurance.growth(result.measurement, neutral)),
        levels=tuple(sections.levels(result.measurement, neutral)),
        pictures=make_pictures(result, rank_endpoints(result), neutral, room.pictures),
        failures=tuple(failures[: room.failures]),
        more_failures=sections.more_failures(len(failures) - room.failures),
        costs=tuple(sections.costs(result, neutral)),
        checks=tuple(checks),
        checks_failed=sections.how_many_failed(checks),
        timing=tuple(Part(label=neutral.cell(stage), text=f"{s:,.1f} s") for stage, s in result.timing.items()),
        environment=tuple(sections.environment(result, neutral, room.facts)),
        log=neutral.block(log) if log else "",
        service_logs=tuple(sections.service_logs(result, neutral)) if room.service_logs else (),
        reproduce=neutral.block(result.reproduce, 4000) if result.reproduce else "",
        accepting=neutral.prose(accepting),
        accept=neutral.block(accept) if accept else "",
        run_url=link(result.environment.run_url),
        artifact_url=link(artifact_url),
        judged=sections.judged(result, neutral),
    )

"""The command line: one thin function for each command, and the single place where an error becomes an exit code.

Everything but click is imported inside the commands, so that `--help` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entrypoint import __version__
from entrypoint.errors import ExitCode, LoadTestError

if TYPE_CHECKING:
    from entrypoint.console import Console
    from entrypoint.publish.workflow import Workflow
    from entrypoint.settings.reading import Settings
    from entrypoint.settings.runner import Runner

_PREFIX = "setting_"


class SettingsCommand(click.Command):
    """A command that takes every setting as a flag. The flags are made when they are needed, for the table takes a while."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, then a flag for each setting."""
        own = super().get_params(ctx)
        return [*own[:-1], *_setting_flags(), own[-1]]


class _Duration(click.ParamType[float]):
    """Seconds of a duration such as 15m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 (click's)
        """Parse it, or say what was expected."""
        from entrypoint.settings.quantities import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@cache
def _setting_flags() -> tuple[click.Option, ...]:
    from entrypoint.settings.keys import all_keys

    return tuple(
        click.Option([key.flag, _PREFIX + key.name.replace("-", "_")], help=key.help, default=None, metavar="VALUE")
        for key in all_keys()
    )


def _read(flags: Mapping[str, Any], config: str | None, out: str) -> "Settings":
    from entrypoint.settings.reading import read_settings

    given = {name.removeprefix(_PREFIX).replace("_", "-"): value for name, value in flags.items() if value is not None}
    return read_settings(given, os.environ, Path.cwd(), config=config, out=out)


def _forget_result(folder: Path) -> None:
    """An earlier run's result must not speak for this one, should this one end before it has a result of its own."""
    from entrypoint.files import refuse_link
    from entrypoint.report.result import read_result

    with suppress(LoadTestError, OSError):
        refuse_link(folder)
        read_result(folder)
        (folder / "result.json").unlink()


def _workflow() -> "tuple[Runner, Workflow]":
    from entrypoint.publish.workflow import Workflow
    from entrypoint.settings.runner import read_runner

    runner = read_runner(os.environ)
    return runner, Workflow(runner, sys.stdout)


def _discreet(runner: "Runner", secrets: tuple[str, ...]) -> "Workflow":
    """The voice of a command that starts what knows secrets: it says none of them, and has the runner mask them."""
    from entrypoint.concealment import masks
    from entrypoint.publish.workflow import Workflow
    from locustfiles.ml_loadtest.contract import without

    workflow = Workflow(runner, sys.stdout, conceal=lambda text: without(text, secrets))
    for value in masks(secrets):
        workflow.add_mask(value)
    return workflow


def _voice_of(settings: "Settings") -> "Workflow":
    from entrypoint.concealment import declared_in

    return _discreet(settings.runner, declared_in(settings))


def _console(workflow: "Workflow") -> "Console":
    from entrypoint.console import Console

    return Console(sys.stdout, workflow.say)


def _with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--config", metavar="FILE", help="Settings file; loadtest.yml if not given.")(command)


def _with_out(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--out", default="results", metavar="FOLDER", show_default=True, help="Where results go.")(
        command
    )


def _with_from(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--from", "source", default="results", metavar="FOLDER", show_default=True, help="Folder of a finished run."
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="ml-loadtest")
def cli() -> None:
    """Load-test an ML service and say, believably, whether it became slower or wrong."""


@cli.command(cls=SettingsCommand)
@_with_config
@_with_out
def run(config: str | None, out: str, **flags: str | None) -> int:
    """Start the service, load it, compare, and exit with 1 on a regression."""
    from entrypoint.commands import announcing
    from entrypoint.commands.check import warn
    from entrypoint.commands.recording import record
    from entrypoint.interruption import interruptible, uninterrupted
    from entrypoint.publish.announce import announce
    from entrypoint.report.saving import save
    from entrypoint.run import process_age_s
    from entrypoint.run import run as run_line

    _forget_result(Path(out))
    settings = _read(flags, config, out)
    workflow = _voice_of(settings)
    console = _console(workflow)
    with interruptible(settings.config.policy.timeout_s):
        warn(settings.config, console)
        result = run_line(settings, console, startup_s=process_age_s())
        with uninterrupted():
            save(result, settings.out)
            record(result, settings, workflow.warning)
            announce(announcing.of_result(result, settings.out), workflow)
    return result.exit_code


@cli.command(cls=SettingsCommand)
@_with_config
@_with_out
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1, 20), help="How many runs to add.")
@click.option("--replace", is_flag=True, help="Forget earlier runs of this machine and load first.")
def calibrate(config: str | None, out: str, runs: int, replace: bool, **flags: str | None) -> int:
    """Measure the unchanged service and write the baseline with its noise."""
    from entrypoint.commands.calibrate import calibrate as calibrate_service
    from entrypoint.interruption import interruptible

    settings = _read(flags, config, out)
    workflow = _voice_of(settings)
    with interruptible(settings.config.policy.timeout_s * runs):
        calibrate_service(settings, _console(workflow), count=runs, replace=replace)
    return ExitCode.OK


@cli.command(cls=SettingsCommand)
@_with_config
@_with_out
@click.option("--runs", default=2, show_default=True, type=click.IntRange(1, 300), help="How often each case is tried.")
@click.option(
    "--within",
    default="15m",
    show_default=True,
    type=_Duration(),
    help="Time for all of it: comparisons take fewer looks to keep to it.",
)
def self_test(config: str | None, out: str, runs: int, within: float, **flags: str | None) -> int:
    """Prove on this service that the gate stays quiet on no change and fires on a planted one."""
    from entrypoint.commands.self_test import self_test as prove
    from entrypoint.interruption import interruptible

    settings = _read(flags, config, out)
    workflow = _voice_of(settings)
    with interruptible(settings.config.policy.timeout_s * (2 * runs + 1)):
        proven = prove(settings, _console(workflow), runs=runs, within_s=within)
    return ExitCode.OK if proven else ExitCode.REGRESSION


@cli.command()
@_with_from
@click.option("--baseline", metavar="FILE", help="Baseline file; .loadtest/baseline.json beside --config if not given.")
@_with_config
@click.option(
    "--even-if-slower", is_flag=True, help="Accept a run that is slower than the baseline; the file records it."
)
def accept(source: str, baseline: str | None, config: str | None, even_if_slower: bool) -> int:
    """Add a finished run to the baseline, for review as a diff."""
    from entrypoint.commands.accept import accept as accept_run
    from entrypoint.report.result import read_result
    from entrypoint.settings.reading import baseline_path

    _, workflow = _workflow()
    path = baseline_path(baseline, config, os.environ, Path.cwd())
    accept_run(read_result(Path(source)), path, _console(workflow), even_if_slower=even_if_slower)
    return ExitCode.OK


@cli.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option("--out", metavar="FOLDER", help="Write the judged result and its reports here.")
def compare(base: Path, candidate: Path, out: str | None) -> int:
    """Judge the finished run CANDIDATE by BASE, a results folder or a baseline file. No load."""
    from entrypoint.commands.compare import compare_folders
    from entrypoint.report.render import render_summary
    from entrypoint.report.saving import save

    result = compare_folders(base, candidate)
    if out:
        save(result, Path(out))
    click.echo(render_summary(result))
    return result.exit_code


@cli.command()
@_with_from
def report(source: str) -> int:
    """Render the reports of a finished run again."""
    from entrypoint.report.result import read_result
    from entrypoint.report.saving import save_reports

    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    save_reports(read_result(Path(source)), folder)
    click.echo(f"wrote the reports in {folder}")
    return ExitCode.OK


@cli.command()
@click.option(
    "--from",
    "sources",
    multiple=True,
    default=["results"],
    metavar="FOLDER",
    show_default=True,
    help="Folder of a finished run, or a folder of such folders; may be given several times.",
)
@click.option(
    "--from-run",
    is_flag=True,
    help="Take the results that the run before a `workflow_run` uploaded, instead of --from.",
)
@click.option(
    "--artifact-url", default=lambda: os.environ.get("LT_ARTIFACT_URL", ""), help="Link to the uploaded results."
)
@click.option("--check-run", default=lambda: os.environ.get("LT_CHECK_RUN_ID", ""), hidden=True)
@click.option("--outcome", default=lambda: os.environ.get("LT_OUTCOME", ""), hidden=True)
def comment(sources: tuple[str, ...], from_run: bool, artifact_url: str, check_run: str, outcome: str) -> int:
    """Post or update the pull request comment of finished runs. Never fails the build."""
    from entrypoint.commands.check_run import close_check_run
    from entrypoint.commands.comment import comment as post
    from entrypoint.commands.comment import comment_from_run

    runner, workflow = _workflow()
    if check_run:
        close_check_run(check_run, Path(sources[0]), outcome, runner, workflow)
    if from_run:
        comment_from_run(runner, workflow)
    else:
        post([Path(source) for source in sources], runner, workflow, artifact_url=artifact_url)
    return ExitCode.OK


@cli.command(hidden=True)
@_with_config
def open_check_run(config: str | None) -> int:
    """Open the check run that `comment` closes, if the settings want one. Never fails the build."""
    from entrypoint.settings.glance import suite_of, wants_check_run

    if wants_check_run(config, os.environ, Path.cwd()):
        from entrypoint.commands.check_run import open_check_run as open_it

        open_it(suite_of(None, config, os.environ, Path.cwd()), *_workflow())
    return ExitCode.OK


@cli.command(cls=SettingsCommand)
@_with_config
def check(config: str | None, **flags: str | None) -> int:
    """Read the settings and print the plan and how long it will take. No load."""
    from entrypoint.commands.check import check as check_plan

    settings = _read(flags, config, "results")
    workflow = _voice_of(settings)
    check_plan(settings, _console(workflow))
    return ExitCode.OK


@cli.command()
@click.option("--from", "source", metavar="FILE", help="History file; that of --config if not given.")
@click.option("--out", default="history.html", metavar="FILE", show_default=True, help="Where the trend page goes.")
@click.option("--add", multiple=True, metavar="FOLDER", help="Add this finished run first; may be given several times.")
@_with_config
def history(source: str | None, out: str, add: tuple[str, ...], config: str | None) -> int:
    """Print where each figure stands and draw the trend page, with every change of a level marked."""
    from entrypoint.commands.history import history as draw
    from entrypoint.settings.reading import history_path

    runner, workflow = _workflow()
    path = history_path(source, config, os.environ, Path.cwd())
    folders = [Path(folder) for folder in add]
    draw(path, Path(out), _console(workflow), added=folders, pull_request=runner.pull_request)
    return ExitCode.OK


@cli.command()
@_with_from
@click.option("--out", default="badge.json", metavar="FILE", show_default=True, help="Where the badge goes.")
@click.option("--metric", default="", metavar="NAME", help="Show this figure instead of the verdict, such as p95.")
@click.option("--endpoint", default="", metavar="NAME", help='Of this endpoint, such as "POST /predict".')
def badge(source: str, out: str, metric: str, endpoint: str) -> int:
    """Write a finished run as a badge, a shields endpoint."""
    from entrypoint.commands.badge import badge as make
    from entrypoint.commands.badge import write_badge
    from entrypoint.report.result import read_result

    write_badge(Path(out), make(read_result(Path(source)), metric=metric, endpoint=endpoint))
    click.echo(f"wrote {out}")
    return ExitCode.OK


@cli.command()
@click.option("--from", "source", default="results", metavar="PATH", show_default=True, help="Results or history file.")
@click.option("--file", "name", default="README.md", metavar="FILE", show_default=True, help="The Markdown file.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the file is out of date.")
def readme(source: str, name: str, check: bool) -> int:
    """Keep the newest figures between two markers of a README up to date."""
    from entrypoint.commands.readme import readme as update

    _, workflow = _workflow()
    return update(Path(source), Path(name), _console(workflow), check=check)


@cli.command()
def init() -> int:
    """Write a starting loadtest.yml, locustfile and workflow into this folder."""
    from entrypoint.commands.init import init as write_files

    _, workflow = _workflow()
    write_files(Path.cwd(), _console(workflow))
    return ExitCode.OK


@cli.command()
def schema() -> int:
    """Print the JSON Schema of loadtest.yml."""
    from entrypoint.settings.schema import schema_text

    click.echo(schema_text())
    return ExitCode.OK


@cli.command()
@click.option("--master", "host", required=True, metavar="HOST", help="Where the run is that this machine is to help.")
@click.option("--port", default=5557, show_default=True, help="Port of its master.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 256), help="How many processes to add.")
@click.option("--wait", default="120s", show_default=True, help="How long to try to reach the master.")
@_with_config
@click.option("--locustfile", metavar="FILE", help="The same locustfile that the run has.")
@click.option("--requirements", metavar="FILE", help="Packages that the locustfile needs.")
@click.option("--load-environment", metavar="NAMES", help="Names of variables passed on to Locust.")
def worker(host: str, port: int, count: int, wait: str, config: str | None, **flags: str | None) -> int:
    """Help with the load of a run on another machine, to its end."""
    from entrypoint.commands.worker import join, master_at
    from entrypoint.concealment import concealing, declared
    from entrypoint.interruption import interruptible
    from entrypoint.settings.reading import read_joining

    master = master_at(host, port, wait)
    given = {name.replace("_", "-"): value for name, value in flags.items() if value is not None}
    settings = read_joining(given, os.environ, Path.cwd(), config=config)
    runner, _ = _workflow()
    secrets = declared(settings.load, settings.environment)
    with interruptible(0), concealing(secrets, ()):
        return join(settings, master, count, _console(_discreet(runner, secrets)))


@cli.command()
@click.option("--suite", default=None, help="The suite whose leftovers go; from --config if not given.")
@click.option("--even-running", is_flag=True, help="Also what a run that is still alive has up.")
@_with_config
def teardown(suite: str | None, even_running: bool, config: str | None) -> int:
    """Take down whatever a run of this suite left, however it ended."""
    from entrypoint.service import teardown_leftovers
    from entrypoint.settings.glance import suite_of
    from entrypoint.settings.reading import ledger_folder
    from entrypoint.settings.runner import child_environment

    _, workflow = _workflow()
    name = suite_of(suite, config, os.environ, Path.cwd())
    environment = child_environment(os.environ)
    count = teardown_leftovers(
        ledger_folder(os.environ), name, workflow.say, environment=environment, only_dead=not even_running
    )
    workflow.say(f"took down {count} leftover{'s' * (count != 1)} of suite {name}" if count else "nothing was left")
    return ExitCode.OK


def main() -> None:
    """Run the command line and end the process with the right exit code."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    from entrypoint.interruption import Interrupted

    try:
        code = cli(standalone_mode=False)
    except LoadTestError as error:
        return _show(error)
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.SETTINGS
    except (Interrupted, KeyboardInterrupt) as interruption:
        click.echo(str(interruption) or "interrupted", err=True)
        return getattr(interruption, "exit_code", ExitCode.INTERRUPTED)
    except Exception:
        traceback.print_exc()
        click.echo("\nThis is a bug of ml-loadtest. Please report it with the lines above.", err=True)
        return ExitCode.BUG
    return int(code or 0)


def _show(error: LoadTestError) -> int:
    from entrypoint.commands import announcing
    from entrypoint.publish.announce import announce

    _, workflow = _workflow()
    announce(announcing.of_error(error), workflow)
    return error.exit_code

"""The step runner does what GitHub's does."""

import sys
import textwrap
from pathlib import Path

import pytest

from .commands import FileCommandError, read_pairs
from .expressions import ExpressionError, Scope, condition, interpolate
from .step_runner import ActionRun, Cancel, Job, Nested, NestedFailure, run_composite

PATIENT = {"sigterm_s": 1.0, "sigkill_s": 0.5}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    workspace, temp = tmp_path / "work", tmp_path / "temp"
    workspace.mkdir()
    temp.mkdir()
    github = {"token": "ghs_secret", "repository": "org/service", "event": {"pull_request": {"number": 7}}}
    return Job(workspace, temp, {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "FROM_JOB": "yes"}, github)


def run(job: Job, steps: str, *, head: str = "", inputs=None, uses=None, cancel: Cancel | None = None) -> ActionRun:
    """Run an action that has these steps, and these inputs and outputs."""
    action = job.temp / "action"
    action.mkdir()
    steps = textwrap.indent(textwrap.dedent(steps), "    ")
    text = f"{textwrap.dedent(head) or 'inputs: {}'}\nruns:\n  using: composite\n  steps:\n{steps}"
    (action / "action.yml").write_text(text)
    return run_composite(action, inputs or {}, job, uses or {}, cancel)


def outcomes(done: ActionRun) -> list[str]:
    return [step.outcome for step in done.steps]


class TestInputsAndEnvironment:
    HEAD = """
        inputs:
          unset: {default: ""}
          size: {default: "3"}
          token: {default: "${{ github.token }}"}
        """

    def test_defaults_apply_and_a_given_empty_string_is_given(self, job):
        steps = """
            - shell: bash
              env: {ALL: "<${{ inputs.unset }}><${{ inputs.size }}>"}
              run: echo "$ALL"
            """
        assert "<><3>" in run(job, steps, head=self.HEAD).log

    def test_an_empty_input_overrules_its_default(self, job):
        steps = "- {shell: bash, env: {T: '<${{ inputs.token }}>'}, run: 'echo $T'}"
        assert "T: <>" in run(job, steps, head=self.HEAD, inputs={"token": ""}).log

    def test_inputs_do_not_reach_the_environment_by_themselves(self, job):
        assert "INPUT_" not in run(job, "- {shell: bash, run: env}", head=self.HEAD).log

    def test_the_token_is_not_in_the_environment(self, job):
        steps = "- {shell: bash, run: 'env | sort; [[ -z ${GITHUB_TOKEN:-} ]] && env | grep -c ghs_ || true'}"
        assert "***" not in run(job, steps, head=self.HEAD).log

    def test_the_job_and_the_runner_are_visible(self, job):
        done = run(job, "- {shell: bash, run: 'echo $FROM_JOB $GITHUB_REPOSITORY $CI; pwd; echo $GITHUB_ACTION_PATH'}")
        assert done.steps[0].log[-3:] == ["yes org/service true", str(job.workspace), str(job.temp / "action")]

    def test_bash_stops_at_the_first_failure_and_in_pipes_but_allows_unset_variables(self, job):
        assert run(job, "- {shell: bash, run: 'echo $NOT_SET; false | true; echo reached'}").conclusion == "failure"

    def test_a_folder_that_does_not_exist_fails_the_step(self, job):
        done = run(job, "- {shell: bash, working-directory: nowhere, run: 'true'}")
        assert done.conclusion == "failure"
        assert "nowhere" in done.annotations[0].message


class TestOrder:
    def test_after_a_failure_only_always_and_failure_run_and_the_action_stays_failed(self, job):
        steps = """
            - {id: a, shell: bash, run: 'echo x=1 >>$GITHUB_OUTPUT; exit 3'}
            - {shell: bash, run: 'true'}
            - {if: failure(), shell: bash, run: 'true'}
            - {if: always() && steps.a.outputs.x == '1', shell: bash, run: 'true'}
            - {if: always() && steps.a.outputs.y != '', shell: bash, run: 'true'}
            """
        done = run(job, steps, head="inputs: {}\noutputs: {x: {value: '${{ steps.a.outputs.x }}'}}")
        assert outcomes(done) == ["failure", "skipped", "success", "success", "skipped"]
        assert done.conclusion == "failure"
        assert done.outputs == {"x": "1"}
        assert done.step("a").exit_code == 3
        assert [each.message for each in done.annotations] == ["Process completed with exit code 3."]

    def test_continue_on_error_keeps_the_outcome_apart_from_the_conclusion(self, job):
        done = run(job, "- {continue-on-error: true, shell: bash, run: 'false'}\n- {shell: bash, run: 'true'}")
        assert (done.steps[0].outcome, done.steps[0].conclusion, done.conclusion) == ("failure", "success", "success")
        assert outcomes(done) == ["failure", "success"]

    def test_a_condition_that_errs_ends_everything_even_always(self, job):
        done = run(job, "- {if: nonsense.x, shell: bash, run: 'true'}\n- {if: always(), shell: bash, run: 'true'}")
        assert outcomes(done) == ["failure"]

    def test_nested_actions_are_played(self, job):
        asked: list[Nested] = []

        def play(nested: Nested) -> dict[str, str]:
            asked.append(nested)
            if nested.inputs["n"] == "2":
                raise NestedFailure("no more")
            return {"got": nested.inputs["n"]}

        steps = """
            - {id: a, uses: some/action@0123, with: {n: "1"}}
            - {uses: some/action@0123, with: {n: "2"}}
            """
        done = run(job, steps, uses={"some/action": play})
        assert done.step("a").outputs == {"got": "1"}
        assert outcomes(done) == ["success", "failure"]


class TestFiles:
    @pytest.mark.parametrize(
        ("text", "pairs"),
        [
            ("a=1\n\nb=x<<y\n", {"a": "1", "b": "x<<y"}),
            ("a<<E\none\ntwo=2\nE\n", {"a": "one\ntwo=2"}),
            ("a<<E\nE\n", {"a": ""}),
        ],
    )
    def test_pairs(self, text, pairs):
        assert read_pairs(text) == pairs

    @pytest.mark.parametrize("text", ["neither", "a<<E\nnever ended", "=value", "a<<\n"])
    def test_what_is_not_a_pair(self, text):
        with pytest.raises(FileCommandError):
            read_pairs(text)

    def test_a_broken_file_fails_the_step(self, job):
        done = run(job, "- {shell: bash, run: 'echo garbage >>$GITHUB_OUTPUT'}")
        assert done.conclusion == "failure"
        assert "Unable to process file command 'output'" in done.annotations[0].message

    def test_each_step_has_its_own_summary_masked(self, job):
        steps = """
            - {shell: bash, run: 'echo one ghs_secret >>$GITHUB_STEP_SUMMARY'}
            - {shell: bash, run: 'cat $GITHUB_STEP_SUMMARY; echo two >>$GITHUB_STEP_SUMMARY'}
            """
        done = run(job, steps)
        assert done.summary == "one ***\ntwo\n"
        assert "one" not in done.steps[1].text

    def test_too_long_a_summary_is_dropped_with_an_error_and_fails_nothing(self, job):
        done = run(job, "- {shell: bash, run: 'head -c 1048577 /dev/zero | tr \"\\\\0\" x >>$GITHUB_STEP_SUMMARY'}")
        assert (done.conclusion, done.summary) == ("success", "")
        assert "upload aborted" in done.annotations[0].message

    def test_what_leaks_into_the_callers_job_is_seen(self, job):
        steps = """
            - {shell: bash, run: 'echo A=1 >>$GITHUB_ENV; echo /opt/x >>$GITHUB_PATH'}
            - {shell: bash, run: 'echo $A $PATH'}
            """
        done = run(job, steps)
        assert (done.leaked_environ, done.leaked_path) == ({"A": "1"}, ["/opt/x"])
        assert done.steps[1].log[-1].startswith("1 /opt/x:")


class TestCommands:
    def said(self, job: Job, *lines: str) -> ActionRun:
        (job.workspace / "lines").write_text("\n".join(lines))
        return run(job, "- {id: s, shell: bash, run: cat lines >&2}")

    def test_annotations_are_read_from_both_streams_and_unescaped(self, job):
        done = self.said(job, "  ::error title=a%3Ab,file=x.py::one%0Atwo 100%25")
        assert done.annotations[0].message == "one\ntwo 100%"
        assert done.annotations[0].properties == {"title": "a:b", "file": "x.py"}

    def test_the_old_form_counts_anywhere_in_a_line(self, job):
        assert self.said(job, "log: ##[warning]boo").annotations[0].message == "boo"

    def test_the_new_form_counts_at_a_lines_start_only(self, job):
        assert not self.said(job, "log: ::warning::boo", "::not-a-command::x").annotations

    def test_a_carriage_return_begins_a_line(self, job):
        assert self.said(job, "progress\r::warning::boo").annotations[0].message == "boo"

    def test_characters_that_do_not_count_hide_nothing(self, job):
        assert self.said(job, "\u200b::warning::boo").annotations[0].message == "boo"

    def test_masks_hold_from_then_on_and_for_each_line(self, job):
        done = self.said(job, "before hunter2", "::add-mask::hunter2%0Ahunter3", "after hunter2 hunter3 aHVudGVyMg==")
        assert done.steps[0].log[-1] == "after *** *** ***"
        assert "before hunter2" in done.log

    def test_stopped_commands_are_not_obeyed_until_the_token(self, job):
        done = self.said(job, "::stop-commands::t0k", "::error::no", "##[error]no", "::t0k::", "::error::yes")
        assert [each.message for each in done.annotations] == ["yes"]

    def test_injected_outputs_are_seen(self, job):
        assert self.said(job, "::set-output name=verdict::pass").step("s").outputs == {"verdict": "pass"}

    def test_set_env_is_refused_and_fails_the_step(self, job):
        assert self.said(job, "::set-env name=A::1").conclusion == "failure"

    def test_ten_annotations_of_a_kind_are_kept(self, job):
        done = self.said(job, *(f"::error::{number}" for number in range(12)), "::notice::n")
        assert len(done.annotations) == 11


class TestCancel:
    PROGRAM = """
        import os, signal, sys, time
        def said(number, frame):
            os.write(1, f"got {signal.Signals(number).name}\\n".encode())  # print may be what was interrupted
            if STOPS == number:
                sys.exit(130)
        signal.signal(signal.SIGINT, said)
        signal.signal(signal.SIGTERM, said)
        os.write(1, b"ready\\n")
        while True:
            time.sleep(0.1)
        """

    def cancelled(
        self, job: Job, stops: str, *, how: str = "exec python", after: str = "echo cleaned", **cancel: float
    ) -> ActionRun:
        program = "STOPS = " + stops + "\n" + textwrap.dedent(self.PROGRAM)
        (job.workspace / "program.py").write_text("import signal\n" + program)
        steps = f"""
            - {{id: run, shell: bash, run: "{how} program.py"}}
            - {{shell: bash, run: 'true'}}
            - {{id: after, if: always(), shell: bash, run: {after}}}
            """
        return run(job, steps, cancel=Cancel("run", "ready", **{**PATIENT, **cancel}))

    def test_sigint_reaches_a_program_that_replaced_bash(self, job):
        done = self.cancelled(job, "signal.SIGINT")
        assert done.step("run").log[-1] == "got SIGINT"
        assert outcomes(done) == ["cancelled", "skipped", "success"]
        assert done.conclusion == "cancelled"
        assert done.orphans == []

    def test_then_sigterm(self, job):
        done = self.cancelled(job, "signal.SIGTERM")
        assert done.step("run").log[-2:] == ["got SIGINT", "got SIGTERM"]
        assert 1.0 <= done.step("run").ran_s < 4

    def test_then_sigkill(self, job):
        done = self.cancelled(job, "None")
        assert 1.5 <= done.step("run").ran_s < 4
        assert done.step("run").exit_code == -9
        assert done.step("after").log[-1] == "cleaned"

    def test_the_runners_own_patience_is_ten_seconds(self):
        assert (Cancel("", "").sigterm_s, Cancel("", "").sigkill_s) == (7.5, 2.5)

    def test_without_exec_the_program_is_orphaned(self, job, monkeypatch):
        """Why every step of ours says exec."""
        monkeypatch.setattr(f"{run_composite.__module__}._STREAMS_S", 0.2)
        done = self.cancelled(job, "signal.SIGINT", how="python")
        assert "got" not in done.step("run").text
        assert len(done.orphans) == 1

    def test_after_a_steps_own_timeout_later_steps_are_signalled_as_they_start(self, job):
        done = self.cancelled(job, "signal.SIGINT", after="exec sleep 5", step_timeout=True)
        assert outcomes(done) == ["cancelled", "skipped", "cancelled"]
        assert done.step("after").ran_s < 3

    def test_a_step_that_ignores_signals_outlives_that(self, job):
        steps = """
            - {id: run, shell: bash, run: 'echo ready; exec sleep 5'}
            - {if: always(), shell: bash, run: "trap '' INT TERM; sleep 0.3; echo cleaned"}
            """
        done = run(job, steps, cancel=Cancel("run", "ready", step_timeout=True, **PATIENT))
        assert done.steps[1].log[-1] == "cleaned"


class TestExpressions:
    CONTEXTS = {"inputs": {"empty": "", "no": "false", "name": "Base", "two-words": "x"}, "steps": {}, "matrix": None}

    def scope(self, conclusion: str = "success") -> Scope:
        return Scope(self.CONTEXTS, {"always": lambda: True, "success": lambda: conclusion == "success"})

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("inputs.name == 'base'", True),
            ("inputs.no", True),  # a text, whatever it says
            ("inputs.empty", False),
            ("!inputs.empty && inputs.two-words != ''", True),
            ("steps.never.outputs.x != ''", False),
            ("steps.never.outputs.x == ''", True),
            ("'' == 0 && '3' == 3.0 && (true == 1)", True),
            ("${{ inputs.empty || inputs.name }}", True),
        ],
    )
    def test_values(self, expression, expected):
        assert condition(expression, self.scope()) is expected

    def test_a_condition_means_success_unless_it_asks(self):
        assert not condition("inputs.name == 'base'", self.scope("failure"))
        assert condition("always() && inputs.name == 'base'", self.scope("failure"))

    def test_text(self):
        assert (
            interpolate("a${{ inputs.empty || 'b' }}-${{ toJSON(matrix) }}-${{ true }}", self.scope()) == "ab-null-true"
        )

    @pytest.mark.parametrize("expression", ["secrets.x", "nope()", "a ==", "'a' 'b'", "(true", "?"])
    def test_what_is_refused(self, expression):
        with pytest.raises(ExpressionError):
            condition(expression, self.scope())

"""The pure parts of the trust benchmark: what is tried in which order, other tools' rules, and what a count proves."""

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.trust import campaign, noise, table, trials
from benchmarks.trust.conditions import CONDITIONS, NAMED, OF_WORK, RATE, UNCHANGED, schedule, thresholds_at
from benchmarks.trust.lines import Line, Said, all_lines, said_of
from benchmarks.trust.rivals import RULES, Seen, alert, deviations, fixed_exact, locust_p95, mann_whitney, student
from benchmarks.trust.trials import ENDPOINT, Look, Trial
from benchmarks.trust.work import table_of_work
from entrypoint.errors import SettingsError
from entrypoint.judgement.model import Change, Comparison, Status
from entrypoint.load.interpreter import locust_python
from entrypoint.measurement.measure import measure_endpoint
from entrypoint.measurement.model import Check
from locustfiles.ml_loadtest import contract
from tests.judgement.building import measurement
from tests.judgement.pairing import lucky, noisy, pairs_of, ratio, side
from tests.measurement.test_measure import closing

CHANCE = np.random.default_rng(7)
LOCUSTS_OWN = """
import json, sys
from locust.stats import StatsEntry, RequestStats
entry = StatsEntry(RequestStats(), "n", "GET")
for value in json.load(sys.stdin):
    entry.log(value, 0)
print(entry.get_response_time_percentile(0.95))
"""


def times(scale: float = 1.0, count: int = 2000, seed: int = 1) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).gamma(3.0, 2.0 * scale, count))


def seen(candidate: np.ndarray, past: int = 10) -> Seen:
    before = [times(seed=seed) for seed in range(10, 10 + past)]
    return Seen(candidate, before[-1] if before else times(seed=9), before)


class TestSchedule:
    def test_the_reported_service_has_twenty_unchanged_and_ten_slower_runs_and_the_other_half_of_that(self) -> None:
        runs = Counter((task.service, task.condition.name) for task in schedule())
        assert runs["computes", "unchanged"] >= 20
        assert runs["computes", "slower-10"] >= 10
        assert runs["queues", "unchanged"] >= 10
        assert runs["queues", "slower-10"] >= 5

    def test_every_folder_is_its_own(self) -> None:
        names = [task.name for task in schedule()]
        assert len(set(names)) == len(names)

    def test_no_change_and_ten_percent_come_first_and_are_spread_over_the_time_they_take(self) -> None:
        names = [task.condition.name for task in schedule()]
        first = names[: 20 + 10 + 10 + 5]
        assert set(first) == {"unchanged", "slower-10"}
        assert first[: len(first) // 2].count("slower-10") in (7, 8)

    def test_a_change_is_judged_at_half_of_what_is_planted(self) -> None:
        for condition in CONDITIONS:
            if condition.rise:
                assert condition.threshold == pytest.approx(condition.rise / 2)

    def test_unchanged_code_is_made_at_the_tightest_threshold(self) -> None:
        assert UNCHANGED.threshold == min(condition.threshold for condition in CONDITIONS)

    def test_the_plan_asks_as_often_as_the_conditions_say(self) -> None:
        services = Path(campaign.__file__).parent / "services"
        assert yaml.safe_load((services / "loadtest.yml").read_text())["load"]["arrival-rate"] == RATE

    def test_thresholds_have_no_floor(self) -> None:
        (threshold,) = thresholds_at(0.05)
        assert {key: (said.max_increase, said.floor) for key, said in threshold.metrics.items()} == {
            "p50": (0.05, 0.0), "p95": (0.05, 0.0),
        }  # fmt: skip


class TestRivals:
    @pytest.mark.parametrize("scale", [1.0, 30.0, 700.0])
    def test_p95_is_rounded_as_locust_rounds_it(self, scale: float) -> None:
        values = times(scale, 997)
        command = [str(locust_python(None, {})), "-P", "-c", LOCUSTS_OWN]
        done = subprocess.run(command, input=json.dumps(values.tolist()), capture_output=True, text=True, check=True)
        assert locust_p95(values) == float(done.stdout)

    def test_a_small_rise_is_hidden_by_rounding_or_made_large(self) -> None:
        assert locust_p95(np.full(100, 146.0)) == locust_p95(np.full(100, 154.0)) == 150.0
        assert locust_p95(np.full(100, 156.0)) == 160.0

    @pytest.mark.parametrize(
        ("rule", "scale"), [(fixed_exact, 1.2), (alert, 2.5), (mann_whitney, 1.2), (student, 1.5), (deviations, 1.5)]
    )
    def test_each_rule_finds_what_it_is_made_for_and_passes_the_same_again(self, rule, scale: float) -> None:
        assert rule(seen(times(scale, seed=3)))
        assert not rule(seen(times(seed=19)))

    def test_too_short_a_history_judges_nothing(self) -> None:
        assert student(seen(times(), past=4)) is None
        assert deviations(seen(times(), past=4)) is None

    def test_every_rule_is_listed(self) -> None:
        assert {"fixed_rounded", "fixed_exact", "alert", "mann_whitney", "student", "deviations"} == {
            rule.__name__ for rule in RULES.values()
        }


def sides(scale: float = 1.0, seed: int = 1, *, valid: bool = True) -> Look:
    """A look at which the candidate took `scale` times as long as the base: 20 pairs of a second, 40 requests in each."""
    base = noisy(20, 40, seed)
    made = pairs_of({ENDPOINT: (side(noisy(20, 40, seed + 100) * scale), side(base))})
    ours, theirs = (
        measurement().model_copy(update={"endpoints": {ENDPOINT: measure_endpoint(one.samples)}, "window_s": 20.0})
        for one in made.endpoints[ENDPOINT]
    )
    failed = (
        () if valid else (Check(name="steal", value=1.0, limit=0.1, unit="", ok=False, text="the neighbour took it"),)
    )
    return Look(candidate=ours.model_copy(update={"checks": failed}), base=theirs, pairs=made)


def worked(more: float, seed: int, *, valid: bool = True) -> Look:
    """A look in which the candidate used so much more CPU time, and took no longer."""
    ours, theirs = lucky(20, seed, shared=0.05, own=0.01)
    look = sides(1.0, seed, valid=valid)
    made = dataclasses.replace(look.pairs, service={"cpu-per-request": (ratio(ours * (1 + more)), ratio(theirs))})
    return dataclasses.replace(look, pairs=made)


def trial(*looks: Look, condition: str = "unchanged", began: float = 0.0) -> Trial:
    made = Trial(Path("/nowhere"), "computes", NAMED[condition], began, "")
    made.__dict__["looks"] = list(looks)
    return made


def line(name: str, trials: list[Trial]) -> Line:
    (found,) = (line for line in all_lines(trials) if line.name == name)
    return found


class TestReplay:
    def test_a_clear_change_is_accused_at_the_last_look_alone(self) -> None:
        once, thrice = trial(sides(2.0)), trial(*(sides(2.0, seed) for seed in (1, 2, 3)))
        assert once.replayed(0.05).comparison is None  # the product would have looked again
        assert said_of(thrice.replayed(0.05).comparison, "p50") is Said.ACCUSED
        assert thrice.replayed(0.05).looks == 3

    def test_no_change_at_a_wide_threshold_needs_one_look(self) -> None:
        found = trial(*(sides(seed=seed) for seed in (1, 2, 3))).replayed(0.5)
        assert (said_of(found.comparison, ""), found.looks) == (Said.QUIET, 1)

    def test_an_invalid_look_makes_the_run_count_nowhere(self) -> None:
        assert trial(sides(valid=False)).replayed(0.5).comparison is None
        assert trial(sides(2.0), sides(2.0, 2, valid=False)).replayed(0.05).comparison is None

    def test_a_row_that_nobody_could_decide_is_undecided(self) -> None:
        assert said_of(trial(sides()).replayed(0.001).comparison, "p50") is Said.UNDECIDED

    def test_what_the_samples_do_not_give_again_is_counted(self, tmp_path: Path) -> None:
        made = Trial(tmp_path, "computes", UNCHANGED, 0.0, "")
        made.__dict__["looks"] = [sides(seed=seed) for seed in (1, 2, 3)]
        again = made.replayed(UNCHANGED.threshold).comparison
        assert again is not None
        rows = [{"endpoint": c.endpoint, "metric": c.metric, "status": c.status.value} for c in again.changes]
        (tmp_path / "result.json").write_text(json.dumps({"changes": rows}))
        assert not table.differs(made)
        (tmp_path / "result.json").write_text(json.dumps({"changes": [{**rows[0], "status": "new"}, *rows[1:]]}))
        assert table.differs(made)


class TestLines:
    def test_a_rule_that_looks_back_sees_nothing_of_later(self) -> None:
        trials = [trial(sides(seed=number), began=float(number)) for number in range(12)]
        committed = line("committed, 10 occasions, 10 %: any row", trials)
        assert [committed.says(one) is None for one in trials] == [True] * 10 + [False] * 2
        history = line("mean + 3 standard deviations, p95", trials)
        assert [history.says(one) is None for one in trials] == [True] * 5 + [False] * 7
        before = line("10 % on exact p95, base of the run before", trials)
        assert [before.says(one) is None for one in trials] == [True] + [False] * 11

    def test_what_was_invalid_is_nobody_s_baseline_and_is_judged_by_nobody(self) -> None:
        trials = [trial(sides(valid=False)), trial(sides(seed=2), began=1.0)]
        before = line("10 % on exact p95, base of the run before", trials)
        assert [before.says(one) for one in trials] == [None, None]
        assert line("10 % on exact p95, base beside it", trials).says(trials[0]) is None

    def test_each_rule_pays_for_what_it_looked_at(self) -> None:
        made = trial(*(sides(seed=seed) for seed in (1, 2, 3)))
        assert line("side by side, 10 %: any row", [made]).load_s(made) == 40.0 * made.replayed(0.10).looks
        assert line("10 % on exact p95, base beside it", [made]).load_s(made) == 40.0
        assert line("10 % on exact p95, base of the run before", [made]).load_s(made) == 20.0

    def test_verdicts_that_share_samples_prove_no_bound(self) -> None:
        independent = {line.name: line.independent for line in all_lines([])}
        assert not independent["committed, 10 occasions, 5 %: p50"]
        assert not independent["Mann-Whitney, p < 0.01, base of the run before"]
        assert independent["Mann-Whitney, p < 0.01, base beside it"]
        assert independent["side by side, its own threshold: any row"]


class TestTables:
    @pytest.mark.parametrize(
        ("verdicts", "accusing", "shown"),
        [
            ([Said.QUIET] * 299, True, "0 of 299 (≤ 1.0 %)"),
            ([Said.ACCUSED] * 59, False, "59 of 59 (≥ 95 %)"),
            ([Said.QUIET] * 12 + [Said.UNDECIDED] * 8, True, "0 of 20 (≤ 14 %), 8 undecided"),
            ([Said.ACCUSED, None, Said.QUIET], False, "1 of 2 (≥ 2.5 %)"),
            ([None], True, ""),
        ],
    )
    def test_a_count_says_what_it_proves(self, verdicts, accusing: bool, shown: str) -> None:
        assert table.cell(verdicts, accusing=accusing, bound=True) == shown

    def test_without_independence_it_proves_nothing(self) -> None:
        assert table.cell([Said.QUIET] * 20, accusing=True, bound=False) == "0 of 20"

    def test_a_spread_has_the_interval_that_so_few_runs_prove(self) -> None:
        assert table.spread([0.0, 0.02, 0.04]) == "2.0 % (1.0 to 12.6)"

    def test_no_comparison_yet_is_said(self) -> None:
        assert table.tables([]) == "No comparison was made yet."

    def test_a_trial_without_a_look_is_counted_and_spoils_nothing(self) -> None:
        said = table.tables([trial(), trial(sides(seed=2), began=3600.0)])
        assert "2 comparisons in 1 looks over 1.0 hours" in said
        assert "1 could not be made" in said
        assert "| no change | 1 |" in said


class TestCampaign:
    def test_looks_of_another_length_are_refused(self, tmp_path: Path) -> None:
        campaign._refuse_another_duration(tmp_path, 20.0)
        campaign._refuse_another_duration(tmp_path, 20.0)
        with pytest.raises(SettingsError, match="looks of 20 s"):
            campaign._refuse_another_duration(tmp_path, 60.0)

    def test_the_neighbour_leaves_by_itself(self) -> None:
        hog = subprocess.run([sys.executable, "-c", noise._SPIN, "0.2"], timeout=30, check=False)
        assert hog.returncode == 0


def test_a_row_that_nobody_can_judge_is_undecided() -> None:
    few = Change(endpoint="GET /", metric="p95", unit="ms", status=Status.TOO_FEW, gated=False)
    comparison = Comparison(changes=(few,), rows=0, alpha=0.01)
    assert said_of(comparison, "p95") is Said.UNDECIDED
    assert said_of(comparison, "") is Said.UNDECIDED
    assert said_of(comparison, "p50") is Said.QUIET


class TestWork:
    def test_comparisons_of_the_campaign_of_work_are_mixed_and_of_the_reported_service_alone(self) -> None:
        names = [(task.service, task.condition.name) for task in schedule(of_work=True)]
        assert names[:4] == [("computes", "same"), ("computes", "work-5")] * 2
        assert len(names) == 16

    def test_both_conditions_are_judged_at_half_of_what_is_planted(self) -> None:
        same, work = OF_WORK
        assert same.threshold == work.threshold == pytest.approx((work.setting - 1) / 2)

    def test_a_row_says_how_often_it_saw_the_work_and_the_other_that_it_did_not(self) -> None:
        more = [trial(worked(0.05, seed), worked(0.05, seed + 50), condition="work-5") for seed in (1, 2, 3)]
        lines = [line.split(" | ") for line in table_of_work(more).splitlines()[2:]]
        assert [(line[1], line[2], line[3]) for line in lines] == [
            ("`p50`", "1", "3"), ("`p50`", "2", "3"), ("`cpu-per-request`", "1", "3"), ("`cpu-per-request`", "2", "3"),
        ]  # fmt: skip
        assert [line[6][0] for line in lines] == ["0", "0", "3", "3"]
        assert [line[8][0] for line in lines] == ["0", "0", "3", "3"]
        assert lines[3][4].startswith(("+4.", "+5."))

    def test_a_look_that_is_invalid_or_was_not_made_counts_nowhere(self) -> None:
        once = trial(worked(0.05, 1), condition="work-5")
        spoiled = trial(worked(0.05, 2), worked(0.05, 3, valid=False), condition="work-5")
        counts = [line.split(" | ")[2:4] for line in table_of_work([once, spoiled]).splitlines()[2:]]
        assert counts == [["1", "2"], ["1", "2"]]

    def test_a_campaign_of_the_gate_has_no_such_table(self) -> None:
        assert table_of_work([trial(sides())]) == ""

    def test_services_are_processes_where_an_interpreter_is_given(self, tmp_path: Path, monkeypatch) -> None:
        seen: list = []
        monkeypatch.setattr(campaign, "compare_parties", lambda _s, parties, _c, **more: seen.append((parties, more)))
        course = campaign.Course(duration_s=5.0, of_work=True, python="/opt/python")
        campaign._compare(campaign._settings(tmp_path, 0.025, course), "computes", {"WORK": "1.05"}, None, course)
        ((candidate, base), more) = seen[0]
        assert candidate.service.command.startswith("/opt/python -m uvicorn computes:app")
        assert not candidate.service.compose_file
        assert (candidate.service.environment["WORK"], "WORK" in base.service.environment) == ("1.05", False)
        assert more == {"least_looks": 2}

    def test_a_whole_look_has_one_figure_of_cpu_time_each_up_to_the_last_reading(self, tmp_path: Path) -> None:
        """Ten requests a second to each; half a core for the candidate, a quarter for the base, which was not read at the end."""
        due = [0.05 + number / 10 for number in range(100)]
        packed = [
            contract.SAMPLE.pack(target, 0, 0, 0, 0, 0, 0, at, at, 5.0, 0.0) for target in (0, 1) for at in due
        ]  # fmt: skip
        (tmp_path / "samples-0.bin").write_bytes(b"".join(packed))
        (tmp_path / "endpoints-0.jsonl").write_text('[0, "POST", "/predict"]\n')
        (tmp_path / "base").mkdir()
        for place, cores, last in ((tmp_path, 0.5, 11), (tmp_path / "base", 0.25, 8)):
            readings = [
                {"at": 1000.0 + at, "service": "api", "cpu_s": cores * at, "memory": 1} for at in range(-1, last + 1)
            ]
            (place / "resources.jsonl").write_text("".join(json.dumps(one) + "\n" for one in readings))
        spans = (contract.Span(0, 0, 0, 0.0, 5.0, 50), contract.Span(0, 1, 0, 5.0, 10.0, 50))
        over = closing([], spans=spans, origin_unix_s=1000.0)

        ours, theirs = trials._cpu_ms(tmp_path, over, (tmp_path, tmp_path / "base"))
        assert (ours["cpu-per-request"], theirs["cpu-per-request"]) == (pytest.approx(50.0), pytest.approx(25.0))
        assert trials._cpu_ms(tmp_path, over, (tmp_path, tmp_path / "nowhere")) == [{}, {}]

    def test_a_figure_of_the_service_is_found_beside_those_of_its_endpoint(self) -> None:
        look = sides()
        assert np.isnan(look.figure("cpu-per-request"))
        ours = look.candidate.model_copy(update={"service": {"cpu-per-request": 8.0}})
        assert dataclasses.replace(look, candidate=ours).figure("cpu-per-request") == 8.0

import difflib
import json
import math
from datetime import date

import pytest

from entrypoint.baseline import provenance, runs
from entrypoint.baseline.file import parse_baseline, read_baseline, write_baseline
from entrypoint.baseline.model import MOST_RUNS, Baseline, EndpointValues, Fingerprint, Group, Run
from entrypoint.errors import SettingsError
from entrypoint.measurement.model import Chosen, EndpointMeasurement
from entrypoint.settings.runner import Runner
from tests.judgement.building import several

HERE = Fingerprint(machine="cpu", launcher="compose", plan="abc")
ELSEWHERE = Fingerprint(machine="other", launcher="compose", plan="abc")


def run(p50=4.0, occasion="one", **changes):
    endpoints = {"GET /": EndpointValues(requests=1000, failures=2, values={"p50": p50, "p95": 2 * p50})}
    return Run(**{"occasion": occasion, "commit": "c" * 40, "date": "2026-01-02", "endpoints": endpoints, **changes})


def test_a_baseline_reads_back_as_it_was_written(tmp_path):
    baseline = Baseline().with_run(HERE, "closed", run(4.125)).with_run(ELSEWHERE, "closed", run(9.0))
    path = tmp_path / "deep" / "baseline.json"

    write_baseline(path, baseline)

    assert read_baseline(path) == baseline


def test_a_new_run_changes_only_its_own_lines(tmp_path):
    one = Baseline().with_run(HERE, "closed", run())
    write_baseline(tmp_path / "one.json", one)
    write_baseline(tmp_path / "two.json", one.with_run(HERE, "closed", run(5.0, "two")))

    before, after = (
        [line.rstrip(",") for line in (tmp_path / name).read_text().splitlines()] for name in ("one.json", "two.json")
    )

    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert not [line for line in changed if line.startswith("-")]
    assert sum('"p50": 5.0' in line for line in changed) == 1


def test_a_missing_file_is_no_baseline_and_a_damaged_one_is_an_error(tmp_path):
    assert read_baseline(tmp_path / "none.json") is None
    for name, text in {
        "empty": "",
        "list": "[]",
        "words": "hello",
        "nan": '{"schema_version": 1, "groups": [NaN]}',
    }.items():
        path = tmp_path / f"{name}.json"
        path.write_text(text)
        with pytest.raises(SettingsError, match=name):
            read_baseline(path)


def test_a_newer_schema_says_so():
    with pytest.raises(SettingsError, match="schema version 2; this ml-loadtest knows 1"):
        parse_baseline(json.dumps({"schema_version": 2, "groups": []}), "b.json")


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "b.json"
    path.write_bytes(b" " * (11 * 2**20))

    with pytest.raises(SettingsError, match="larger than 10 MB"):
        read_baseline(path)


def test_only_runs_of_the_same_machine_launcher_and_plan_are_compared_with():
    baseline = Baseline().with_run(HERE, "closed", run())

    assert baseline.group(HERE) is not None
    assert baseline.group(ELSEWHERE) is None
    assert baseline.without_group(HERE).groups == ()


def test_runs_of_one_occasion_count_as_one():
    baseline = Baseline()
    for p50, occasion in ((2.0, "one"), (8.0, "one"), (5.0, "two")):
        baseline = baseline.with_run(HERE, "closed", run(p50, occasion))
    group = baseline.group(HERE)

    assert [[round(math.exp(log), 6) for log in runs] for runs in group.occasions("GET /", "p50")] == [
        [2.0, 8.0],
        [5.0],
    ]
    assert group.occasions("GET /", "p99") == []
    assert group.share("GET /", "failures") == (6, 3000)


def test_the_oldest_run_makes_room():
    baseline = Baseline()
    for number in range(MOST_RUNS + 3):
        baseline = baseline.with_run(HERE, "closed", run(number + 1.0, str(number)))

    kept = baseline.group(HERE).runs
    assert [kept[0].occasion, kept[-1].occasion, len(kept)] == ["3", "22", MOST_RUNS]


def test_several_runs_a_job_do_not_push_other_jobs_out():
    baseline = Baseline()
    for job in range(30):
        for _ in range(5):
            baseline = baseline.with_run(HERE, "closed", run(4.0, str(job)))

    kept = baseline.group(HERE).runs
    assert (len(kept), len({run.occasion for run in kept})) == (MOST_RUNS, MOST_RUNS)


def test_a_group_is_described_with_its_age():
    group = Baseline().with_run(HERE, "closed", run()).group(HERE)

    assert runs.describe(group, date(2026, 1, 5)) == "1 run, the newest of commit ccccccc of 2026-01-02 (3 days ago)"


@pytest.mark.parametrize(
    ("occasions", "date_", "commit", "said"),
    [
        (("a",), "2026-01-05", "", "1 run of 2026-01-05 (today)"),
        (("a", "a"), "2026-01-04", "", "2 runs on 1 occasion of 2026-01-04 (1 day ago)"),
        (
            ("a", "b"),
            "2026-01-06",
            "0123456789",
            "2 runs on 2 occasions, the newest of commit 0123456 of 2026-01-06 (today)",
        ),
        (("a",), "long ago", "", "1 run of long ago"),
    ],
)
def test_a_group_is_described_in_words(occasions, date_, commit, said):
    made = tuple(run(occasion=occasion, date=date_, commit=commit) for occasion in occasions)
    assert runs.describe(Group(fingerprint=HERE, runs=made), date(2026, 1, 5)) == said


def test_a_measurement_becomes_a_run_of_finite_figures():
    found = EndpointMeasurement(
        requests=20, failures=1, outcomes={"ok": 19}, metrics={"p50": 4.0, "p95": math.inf, "p99": None},
        quantiles={"0.5": 4.0, "1": math.inf}, shares={"accuracy": (1, 9)},
    )  # fmt: skip
    whole = several({"GET /": found}).model_copy(update={"service": {"peak-memory": 9.0}, "versions": {"locust": "2"}})

    made = runs.as_run(whole, occasion="one", commit="c", date="2026-01-02")

    assert made.endpoints["GET /"] == EndpointValues(
        requests=20, failures=1, values={"p50": 4.0}, quantiles={"0.5": 4.0}, shares={"accuracy": (1, 9)}
    )
    assert (made.service, made.versions, made.occasion) == ({"peak-memory": 9.0}, {"locust": "2"}, "one")
    assert runs.as_group(made, HERE) == Group(fingerprint=HERE, runs=(made,))


def test_a_run_knows_what_figures_that_the_settings_chose_are_made_of():
    chosen = (Chosen(key="queue", made_of="queue_length"), Chosen(key="lost", made_of="x", missing="no such series"))
    found = several({}).model_copy(update={"service": {"queue": 3.0}, "chosen": chosen})
    run = runs.as_run(found, occasion="1", commit="", date="2026-01-01")
    assert run.made_of == {"queue": "queue_length"}
    assert (run.value("(service)", "queue", "queue_length"), run.value("(service)", "queue")) == (3.0, None)


def test_a_quantile_that_has_no_logarithm_in_any_run_is_none():
    none = EndpointValues(requests=9, failures=9, values={}, quantiles={"0.5": 0.0, "1": 5.0})
    group = Group(fingerprint=HERE, runs=(run().model_copy(update={"endpoints": {"GET /": none}}),))
    assert group.quantiles("GET /") == {"1": pytest.approx(5.0)}
    assert group.quantiles("GET /other") == {}


def test_the_machine_s_fingerprint_is_stable_and_a_job_is_one_occasion():
    assert provenance.machine() == provenance.machine()
    assert "cores" in provenance.machine()
    assert provenance.occasion(Runner(run_id="7", attempt="2", job="perf")) == "7-2-perf"
    assert provenance.occasion(Runner()) == provenance.occasion(Runner())


def test_each_job_of_a_matrix_is_an_occasion_of_its_own():
    """They share a name and a run, and nothing else: each has a machine to itself."""
    jobs = [Runner(run_id="9", attempt="1", job="measure", matrix=(leg,)) for leg in ("1", "2")]

    assert [provenance.occasion(job) for job in jobs] == ["9-1-measure-1", "9-1-measure-2"]

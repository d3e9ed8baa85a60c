"""Finished runs that are judged again by `compare`, whoever wrote their results."""

import pytest

from entrypoint.commands.compare import compare_folders
from entrypoint.errors import SettingsError
from entrypoint.judgement.model import Outcome, Status
from entrypoint.measurement.model import Chosen
from entrypoint.report.result import write_result

from .results import measurement, result


def written(
    folder, *, value=12.0, better="lower", thresholds=({"endpoint": "(service)", "queue": {"max-increase": "20%"}},)
):
    """A result with a figure of the service's page for Prometheus."""
    chosen = (Chosen(key="queue", better=better),)
    found = measurement().model_copy(update={"service": {"queue": value}, "chosen": chosen})
    write_result(folder, result(Outcome.PASS, measurement=found, thresholds=thresholds))
    return folder


def test_figures_that_the_settings_chose_are_judged_by_what_the_results_say_of_them(tmp_path):
    base, candidate = written(tmp_path / "base"), written(tmp_path / "candidate", value=120.0)
    (row,) = [change for change in compare_folders(base, candidate).changes if change.metric == "queue"]
    assert (row.status, row.threshold) == (Status.REGRESSED, 0.2)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"better": "higher"}, "max-increase does nothing on queue"),
        ({"thresholds": ({"endpoint": "(service)", "lost": {"max": 3}},)}, "there is no metric 'lost'"),
    ],
    ids=["other-direction", "unknown"],
)
def test_thresholds_that_do_not_fit_the_figures_are_a_mistake_of_the_results(tmp_path, said, told):
    base, candidate = written(tmp_path / "base"), written(tmp_path / "candidate", **said)
    with pytest.raises(SettingsError, match=f"The thresholds of `.*candidate` do not fit its figures: {told}"):
        compare_folders(base, candidate)

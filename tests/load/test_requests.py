"""A load without Python, under real Locust: what is sent, what is said of the answers."""

from functools import partial

import pytest

from .model_server import serving
from .test_load import failed_checks

ROWS = "id,name,age,label\n007,Tom,3,cat\n008,Rex,12,dog\n009,NA,4,dog\n"


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.fixture
def ask(load, tmp_path):
    """Runs these requests, with next to no warm-up."""
    (tmp_path / "pets.csv").write_text(ROWS)
    return partial(load, "", warm_up="0.2s", duration="1s", users=2, wait="0.01s")


PREDICT = {
    "path": "/predict/{{ row.id }}",
    "json": {"name": "{{ row.name }}", "age": "{{ row.age }}"},
    "expect": {"status": 200, "values": {"prediction": "{{ 'cat' if row.age < 10 else 'dog' }}"}},
}


def messages(run):
    return {failure.name: failure.message for failure in run.closing.failures}


def test_rows_become_requests_and_right_answers_are_ok(ask, web, tmp_path):
    run = ask(requests=[{**PREDICT, "rows": tmp_path / "pets.csv"}])

    assert run.closing.complete, run.closing.problem
    assert set(run.samples["endpoint"]) == {"POST /predict/{row.id}"}
    assert run.outcomes() == {"ok": len(run.samples)}
    assert {(asked.path, asked.json["name"], asked.json["age"]) for asked in web.asked} == {
        ("/predict/007", "Tom", 3), ("/predict/008", "Rex", 12), ("/predict/009", "NA", 4),
    }  # fmt: skip
    assert {asked.headers["Content-Type"] for asked in web.asked} == {"application/json"}
    assert not failed_checks(run)


def test_a_wrong_answer_is_invalid_and_says_what_was_expected(ask, tmp_path):
    wrong = {**PREDICT, "rows": tmp_path / "pets.csv", "expect": {"values": {"prediction": "cat", "scores[0].nope": 1}}}
    run = ask(requests=[wrong])

    assert run.outcomes() == {"invalid": len(run.samples)}
    assert messages(run)["/predict/{row.id}"] in (
        'prediction: expected "cat", got "dog"', "scores[0].nope: expected 1, got null",
    )  # fmt: skip

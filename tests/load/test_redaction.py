"""Credentials and declared secrets leave no trace in what is written of a failure or a log."""

import importlib
import json
from pathlib import Path

import pytest

from entrypoint.load.scrub import scrub

ROOT = Path(__file__).parents[2]
PEM = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA1\nb2xkIG1hY2hpbmVz\n-----END KEY-----\n"


@pytest.fixture
def describe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "locustfiles"))
    return importlib.import_module("ml_loadtest.outcomes").describe


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("401 for Bearer abcdef123456", "401 for Bearer ***"),
        ("sent {'Authorization': 'Bearer abcdef123456'}", "sent {'Authorization': '***'}"),
        ("Authorization: Basic YWxhZGRpbjpvcGVu", "Authorization: ***"),
        ("Cookie: session=abcdef; theme=dark", "Cookie: ***"),
        ("/score?api_key=abcdef123456&k=5", "/score?api_key=***&k=5"),
        ("access_token: abcdef123456", "access_token: ***"),
        ('{"client_secret": "abcdef123456", "n": 1}', '{"client_secret": "***", "n": 1}'),
        ("refused by postgres://loader:hunter2@db/items", "refused by postgres://***@db/items"),
        ("x-api-key: abcdef123456", "x-api-key: ***"),
        ("the monkey business of a keyboard is no secret", "the monkey business of a keyboard is no secret"),
        ("expected k = 5 at https://example.test/a", "expected k = 5 at https://example.test/a"),
    ],
)
def test_credentials_are_taken_out_and_the_rest_is_left(describe, said, written):
    assert describe(ValueError(said), ())[1] == written


@pytest.mark.parametrize("form", [PEM, PEM.replace("\n", " "), repr(PEM), json.dumps(PEM), PEM.splitlines()[1]])
def test_a_secret_of_several_lines_is_taken_out_in_each_spelling(describe, form):
    message = describe(f"could not use {form} here", (PEM,))[1]

    assert "MIIEp" not in message
    assert "b2xkIG" not in message
    assert message.startswith("could not use ")


def test_a_secret_with_double_spaces_is_taken_out(describe):
    assert "pass" not in describe("wrong: two  pass  words", ("two  pass  words",))[1]


def test_a_log_loses_a_secret_of_several_lines_whole_and_line_by_line(tmp_path):
    log, closing = tmp_path / "locust.log", tmp_path / "closing.json"
    log.write_text(f"before\n{PEM}after\nquoted: {PEM.splitlines()[2]}\n")
    closing.write_text(json.dumps({"message": f"x {PEM} y", "count": 3}))

    scrub((tmp_path,), [PEM])

    for text in (log.read_text(), closing.read_text()):
        assert "MIIEp" not in text
        assert "b2xkIG" not in text
    assert log.read_text().startswith("before\n***")
    assert json.loads(closing.read_text())["count"] == 3

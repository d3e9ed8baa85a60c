"""Credentials and declared secrets leave no trace in what is written of a failure or a log."""

import base64
import html
import importlib
import json
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest

from entrypoint import concealment
from entrypoint.concealment import scrub
from locustfiles.ml_loadtest import contract

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

    scrub((tmp_path,), (PEM,))

    for text in (log.read_text(), closing.read_text()):
        assert "MIIEp" not in text
        assert "b2xkIG" not in text
    assert log.read_text().startswith("before\n***")
    assert json.loads(closing.read_text())["count"] == 3


AWKWARD = "a+b/c=\"d\" & <e>\\f%20'g' é?"


@pytest.mark.parametrize(
    "form",
    [
        quote(AWKWARD),
        quote(AWKWARD, safe="").lower(),
        quote(quote(AWKWARD)),
        quote_plus(AWKWARD),
        html.escape(AWKWARD),
        html.escape(html.escape(AWKWARD)),
        json.dumps(AWKWARD),
        json.dumps(json.dumps(repr([AWKWARD]))),
        AWKWARD.replace('"', '""'),
        *(base64.b64encode(f"{before}{AWKWARD}~".encode()).decode() for before in ("", "u", "us", "user:")),
        *(base64.urlsafe_b64encode(f"{before}{AWKWARD}~".encode()).decode() for before in ("", "u", "us", "user:")),
        quote(base64.b64encode(AWKWARD.encode()).decode(), safe=""),
    ],
)
def test_a_secret_is_taken_out_however_it_is_spelled(form):
    left = contract.without(f"before {form} after", (AWKWARD,))

    assert "***" in left
    assert left.startswith("before ")
    assert left.endswith(" after")
    # Quotes and brackets round it stay, and of base64 the letters that encode the neighbouring ones.
    assert len(left) <= len("before *** after") + 12


def test_the_longer_of_two_secrets_is_taken_out_whole():
    assert contract.without("it is abcdefgh", ("abcd", "abcdefgh")) == "it is ***"


def test_a_text_of_backslashes_and_percent_signs_is_searched_in_a_moment():
    began = time.perf_counter()
    contract.without("\\" * 1_000_000 + "%25" * 300_000 + "&amp;" * 200_000 + " " * 1_000_000, ('"\\\\ %&x', AWKWARD))

    assert time.perf_counter() - began < 10


def declared(headers=None, names=(), environment=None, url="", public=()):
    load = SimpleNamespace(environment=names)
    return concealment.declared(load, environment or {}, SimpleNamespace(headers=headers or {}, url=url), public)


def test_what_is_declared_is_hidden_and_what_the_runner_calls_the_job_is_not():
    environment = {"KEY": "k3y-of-the-job", "SHORT": "abc", "HOME": "/home/runner"}

    assert declared(names=["KEY", "SHORT", "ABSENT"], environment=environment) == ("k3y-of-the-job",)
    assert declared(names=["HOME"], environment=environment, public=["/home/runner/results"]) == ()
    assert declared({"Authorization": "Bearer t0kent0ken", "Accept": "application/json"}) == (
        "Bearer t0kent0ken",
        "t0kent0ken",
    )
    assert declared(url="https://loader:hunter22@example.test/") == ("loader:hunter22",)


def test_lines_that_are_ordinary_text_are_not_masked():
    key_file = '{\n  "private_key_id": "0123456789abcdef",\n}\n'

    assert concealment.masks(["0123456789", "short", key_file]) == [
        "0123456789",
        '"private_key_id": "0123456789abcdef",',
    ]


def test_links_in_a_folder_are_not_followed(tmp_path):
    (tmp_path / "mine.txt").write_text("hunter22")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/linked.log").symlink_to(tmp_path / "mine.txt")

    concealment.scrub((tmp_path / "logs",), ("hunter22",))

    assert (tmp_path / "mine.txt").read_text() == "hunter22"


def test_labels_are_text_and_our_own_names_are_none(tmp_path):
    """A secret may be a word that a field of ours is called too."""
    line = {"values": {"asked_total": {'by="hunter22"': 1.0, 'by="values"': 2.0}}}
    (tmp_path / "prometheus.jsonl").write_text(json.dumps(line) + "\n")

    concealment.scrub((tmp_path,), ("hunter22", "values"))

    (kept,) = (tmp_path / "prometheus.jsonl").read_text().splitlines()
    assert json.loads(kept) == {"values": {"asked_total": {'by="***"': 1.0, 'by="***"*': 2.0}}}

"""The click scorer as a real process, asked over HTTP, and under its own locustfile in real Locust."""

import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread

import pytest

from .services import LOCUST, PYTHON, ROOT, answer_of, free_port, needs_locust, needs_service, wait_until_answered

EXAMPLE = ROOT / "examples/criteo"

SCORE = "/api/v1/service/lightgbm-criteo/score"
SPOILT = f"POST {SCORE} (text for an integer)"
KEYS = {"mended": "criteo-demo-key", "flawed": "a-key-of-ones-own"}


def records() -> list[tuple[int, dict]]:
    with (EXAMPLE / "records.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    typed = {"int": int, "cat": str}
    return [
        (int(row.pop("label")), {name: typed[name[:3]](cell) if cell else None for name, cell in row.items()})
        for row in rows
    ]


RECORDS = records()
RECORD = RECORDS[0][1]


def environment(**changes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("VARIANT", "API_KEY")} | changes


@contextmanager
def process(folder: Path, variant: str, **changes: str) -> Iterator[int]:
    """The service's port. At the end: a signal has to end it, and it must never have printed its key."""
    port, log = free_port(), folder / f"{variant}.log"
    command = [str(PYTHON), str(folder / "serve.py"), "--port", str(port)]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=folder.parent, env=environment(**changes), stdout=output, stderr=output
        ) as service,
    ):
        try:
            wait_until_answered(service, port, "/score")
            yield port
            service.send_signal(signal.SIGTERM)
            assert service.wait(10) in (0, -signal.SIGTERM)
        finally:
            service.kill()
    assert KEYS[variant] not in log.read_text()


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict]:
    status, _, text = answer_of(port, path, body, headers)
    return status, json.loads(text)


def score(port: int, record: object, key: str = KEYS["mended"]) -> tuple[int, dict]:
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    return ask(port, SCORE, body, Authorization=f"Bearer {key}")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a fresh checkout has it, without a model."""
    folder = tmp_path_factory.mktemp("criteo")
    for name in ("app.py", "data.py", "features.py", "records.csv", "serve.py", "train.py"):
        shutil.copy(EXAMPLE / name, folder)
    return folder


@pytest.fixture(scope="module")
def mended(copy: Path) -> Iterator[int]:
    """A fresh checkout, started without any variable. It trains first."""
    with process(copy, "mended") as port:
        yield port


@pytest.fixture(scope="module")
def flawed(copy: Path, mended: int) -> Iterator[int]:
    with process(copy, "flawed", VARIANT="flawed", API_KEY=KEYS["flawed"]) as port:
        yield port


@needs_service
class TestScores:
    def test_ready_is_a_score_without_key_and_body(self, mended: int, flawed: int):
        status, answer = ask(mended, "/score")
        assert status == 200
        assert answer == score(mended, {})[1] == ask(flawed, "/score")[1]

    def test_a_record_may_come_as_an_object_or_as_a_text_of_one(self, mended: int, flawed: int):
        status, answer = score(mended, RECORD)
        assert status == 200
        assert list(answer) == ["result"]
        assert 0 < answer["result"] < 1
        assert (200, answer) == score(mended, json.dumps(RECORD)) == score(flawed, RECORD, KEYS["flawed"])

    def test_what_is_empty_or_not_ours_counts_for_nothing(self, mended: int):
        _, answer = score(mended, RECORD)
        full = {name: value for name, value in RECORD.items() if value is not None}
        assert len(full) < len(RECORD)
        assert score(mended, full)[1] == answer
        assert score(mended, {**RECORD, "label": 1, "more": [1]})[1] == answer

    def test_3_and_3_0_are_the_same_integer(self, mended: int):
        floats = {name: float(value) if isinstance(value, int) else value for name, value in RECORD.items()}
        assert score(mended, floats) == score(mended, RECORD)

    def test_integers_and_categories_both_move_the_score(self, mended: int):
        _, everything = score(mended, RECORD)
        for kind in ("int", "cat"):
            _, part = score(mended, {name: value for name, value in RECORD.items() if name.startswith(kind)})
            assert part != everything

    def test_scores_differ_and_mostly_agree_with_the_labels(self, mended: int):
        scores = [score(mended, record)[1]["result"] for _, record in RECORDS[:200]]
        right = sum((result >= 0.5) == (label == 1) for result, (label, _) in zip(scores, RECORDS, strict=False))
        assert len(set(scores)) > 150
        assert min(scores) < 0.1
        assert max(scores) > 0.9
        assert right >= 160, "no better than always saying no"

    @pytest.mark.parametrize("variant", KEYS)
    @pytest.mark.parametrize("sent", [None, "", "Bearer ", "Bearer wrong", "Bearer süß", "{key}", "Basic {key}"])
    def test_nobody_is_answered_without_the_key(self, variant: str, sent: str | None, request: pytest.FixtureRequest):
        port, key = request.getfixturevalue(variant), KEYS[variant]
        headers = {} if sent is None else {"Authorization": sent.format(key=key)}
        status, answer = ask(port, SCORE, json.dumps(RECORD).encode(), **headers)
        assert status == 401
        assert key not in str(answer)

    def test_the_examples_key_opens_nothing_where_another_is_set(self, flawed: int):
        assert score(flawed, RECORD, KEYS["mended"])[0] == 401

    def test_other_methods_and_paths_are_refused(self, mended: int):
        assert ask(mended, SCORE)[0] == 405
        assert ask(mended, "/")[0] == 404


WRONG = [
    (b"", "no JSON"),
    (b"\xff", "no JSON"),
    (b"{", "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b"[]", "no JSON object"),
    (b"3", "no JSON object"),
    (b'"a text"', "no JSON"),
    (b'"[]"', "no JSON object"),
    (b'{"int00": "n/a"}', "int00 is no integer: 'n/a'"),
    (b'"{\\"int00\\": \\"n/a\\"}"', "int00 is no integer: 'n/a'"),
    (b'{"int01": "7"}', "int01"),
    (b'{"int02": 1.5}', "int02"),
    (b'{"int03": true}', "int03"),
    (b'{"int04": NaN}', "int04"),
    (b'{"int05": 1e999}', "int05"),
    (b'{"int06": 1%s}' % (b"0" * 400), "int06"),
    (b'{"int12": [1]}', "int12"),
    (b'{"cat00": 7}', "cat00"),
    (b'{"cat25": "\\ud800"}', "utf-8"),
]


@needs_service
@pytest.mark.parametrize(("body", "named"), WRONG)
def test_what_cannot_be_scored_is_refused_or_where_flawed_called_a_result(
    body: bytes, named: str, mended: int, flawed: int
):
    status, answer = score(mended, body)
    assert status == 400
    assert named in answer["detail"]
    assert score(flawed, body, KEYS["flawed"]) == (200, {"result": answer["detail"]})


@needs_service
def test_an_unknown_variant_is_refused_at_the_start(copy: Path):
    command = [str(PYTHON), str(copy / "serve.py"), "--port", str(free_port())]
    done = subprocess.run(
        command, check=False, env=environment(VARIANT="odd"), capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "VARIANT is 'odd'; it can be mended or flawed" in done.stderr


@needs_service
def test_data_and_model_are_the_same_every_time(copy: Path, mended: int, tmp_path: Path):
    """The model of the running service is one of the two; it was made with another hash seed."""
    for name in ("data.py", "features.py", "train.py"):
        shutil.copy(EXAMPLE / name, tmp_path)
    for script in ("data.py", "train.py"):
        command = [str(PYTHON), str(tmp_path / script)]
        subprocess.run(command, check=True, env=environment(PYTHONHASHSEED="1"), capture_output=True, timeout=60)
    assert (tmp_path / "records.csv").read_bytes() == (EXAMPLE / "records.csv").read_bytes()
    assert (tmp_path / "model.txt").read_bytes() == (copy / "model.txt").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {
        "data.py", "features.py", "model.txt", "records.csv", "train.py",
    }  # fmt: skip


@needs_service
def test_the_model_is_the_originals(copy: Path, mended: int):
    model = (copy / "model.txt").read_text()
    assert len(re.findall(r"^Tree=", model, re.MULTILINE)) == 50
    for line in ("num_leaves: 32", "learning_rate: 0.1", "feature_fraction: 0.8", "is_unbalance: 1", "seed: 42"):
        assert f"[{line}]" in model


def test_the_held_out_records_have_the_originals_columns():
    assert len(RECORDS) == 1000
    for _, record in RECORDS:
        assert list(record) == [f"int{n:02}" for n in range(13)] + [f"cat{n:02}" for n in range(26)]
        assert all(value is None or re.fullmatch("[0-9a-f]{8}", value) for value in list(record.values())[13:])
    assert {label for label, _ in RECORDS} == {0, 1}
    assert all(any(record[name] is None for _, record in RECORDS) for name in RECORD)
    assert (EXAMPLE / "records.csv").stat().st_size < 300_000


def test_the_image_installs_what_the_lock_says():
    image, locked = (
        set(re.findall(r"^(\S+==\S+)", file.read_text(), re.MULTILINE))
        for file in (EXAMPLE / "requirements.txt", ROOT / "requirements/examples.txt")
    )
    assert {"fastapi", "lightgbm", "numpy", "scikit-learn", "scipy", "uvicorn"} <= {pin.split("==")[0] for pin in image}
    assert image <= locked


def test_the_image_has_every_module_that_the_service_imports():
    copied = {
        name
        for line in re.findall(r"^COPY (.*) \S+$", (EXAMPLE / "Dockerfile").read_text(), re.MULTILINE)
        for name in line.split()
    }
    let_in = set(re.findall(r"^!(\S+)$", (EXAMPLE / ".dockerignore").read_text(), re.MULTILINE))
    assert copied == let_in == {"requirements.txt", "data.py", "features.py", "train.py", "app.py", "serve.py"}


# The load -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def load(tmp_path: Path) -> Path:
    """The locustfile in a repository of its own, where no `ml_loadtest` is, and users who do not pause for a second."""
    for name in ("locustfiles/criteo.py", "examples/criteo/records.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    fast = (
        "import criteo\nfrom locust import constant\n\n\nclass Fast(criteo.Scorer):\n    wait_time = constant(0.02)\n"
    )
    (tmp_path / "locustfiles/fast.py").write_text(fast)
    return tmp_path


def locust(load: Path, port: int, **changes: str) -> subprocess.CompletedProcess:
    """Three requests in a hundred are spoilt: for a test to have some, a slow machine needs the time to make hundreds."""
    options = ["--headless", "-u", "8", "-r", "8", "-t", "5s", "--host", f"http://127.0.0.1:{port}", "--csv", "table"]
    command = [str(LOCUST), "-f", "locustfiles/fast.py", *options, "--only-summary"]
    done = subprocess.run(
        command, check=False, cwd=load, env=environment(**changes), capture_output=True, text=True, timeout=60
    )
    assert changes.get("API_KEY", KEYS["mended"]) not in done.stdout + done.stderr
    return done


def table(load: Path, name: str) -> list[dict[str, str]]:
    with (load / f"table_{name}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def counts(load: Path) -> dict[str, tuple[int, int]]:
    """Requests and failures by method and name."""
    return {
        f"{row['Type']} {row['Name']}": (int(row["Request Count"]), int(row["Failure Count"]))
        for row in table(load, "stats")
        if row["Type"]
    }


@needs_service
@needs_locust
def test_the_locustfile_finds_nothing_wrong_with_the_mended_service(mended: int, load: Path):
    assert locust(load, mended).returncode == 0
    rows = counts(load)
    assert set(rows) == {f"POST {SCORE}", SPOILT}
    assert all(requests > 0 and failures == 0 for requests, failures in rows.values())


@needs_service
@needs_locust
def test_the_locustfile_takes_an_errors_text_with_status_200_for_a_failure(flawed: int, load: Path):
    assert locust(load, flawed, API_KEY=KEYS["flawed"]).returncode == 1
    rows = counts(load)
    assert rows[f"POST {SCORE}"][1] == 0
    assert rows[SPOILT][0] == rows[SPOILT][1] > 0
    (failure,) = table(load, "failures")
    assert "no score from 0 to 1" in failure["Error"]
    assert "int00 is no integer" in failure["Error"]


class Stub(BaseHTTPRequestHandler):
    """Answers records in turn from one list and spoilt ones from another, and keeps what it was sent."""

    to_record: Iterator[tuple[int, bytes]]
    to_spoilt: Iterator[tuple[int, bytes]]
    seen: list[tuple[str, dict, bytes]]

    def do_POST(self):
        record = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = next(self.to_spoilt if record["int00"] == "n/a" else self.to_record)
        self.seen.append((self.headers["Authorization"], record, body))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


REFUSAL = [(400, b"{}")]


@contextmanager
def stub(
    to_record: list[tuple[int, bytes]], to_spoilt: list[tuple[int, bytes]]
) -> Iterator[tuple[int, list[tuple[str, dict, bytes]]]]:
    turn = {"to_record": cycle(to_record), "to_spoilt": cycle(to_spoilt), "seen": []}
    with HTTPServer(("127.0.0.1", 0), type("Turn", (Stub,), turn)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, turn["seen"]
        server.shutdown()


WITHOUT_A_SCORE = [
    b'{"result": "could not convert"}',
    b'{"result": "0.5"}',
    b'{"result": null}',
    b'{"result": true}',
    b'{"result": [0.5]}',
    b'{"result": 1.01}',
    b'{"result": -0.01}',
    b'{"result": NaN}',
    b'{"score": 0.5}',
    b"[0.5]",
    b"0.5",
    b"",
    b"something went wrong",
]


@needs_locust
def test_every_kind_of_wrong_answer_is_a_failure(load: Path):
    refusals = [(status, b'{"result": 0.5}') for status in (400, 401, 500)]
    wrong = [*((200, body) for body in WITHOUT_A_SCORE), *refusals]
    with stub(wrong, [(200, b'{"result": 0.5}')]) as (port, _):
        assert locust(load, port).returncode == 1
    rows = counts(load)
    assert set(rows) == {f"POST {SCORE}", SPOILT}
    assert all(requests == failures > 0 for requests, failures in rows.values())
    said = "\n".join(row["Error"] for row in table(load, "failures"))
    assert "a score for a record that has a text for an integer" in said
    for body in WITHOUT_A_SCORE:
        assert f"no score from 0 to 1: {body.decode()}" in said


@needs_locust
def test_a_spoilt_record_is_to_be_refused_with_400_and_nothing_else(load: Path):
    with stub([(200, b'{"result": 0.5}')], [(status, b"{}") for status in (401, 422, 500)]) as (port, _):
        assert locust(load, port).returncode == 1
    rows = counts(load)
    assert rows[f"POST {SCORE}"][1] == 0
    assert rows[SPOILT][0] == rows[SPOILT][1] > 0


@needs_locust
def test_the_load_sends_the_key_and_no_labels_and_says_which_scores_were_right(load: Path):
    (load / "ml_loadtest.py").write_text("def attach(**numbers):\n    print('attached', numbers, flush=True)\n")
    scores = [b'{"result": 0.5}', *[b'{"result": 0.49}'] * 3]
    with stub([(200, body) for body in scores], REFUSAL) as (port, seen):
        done = locust(load, port, API_KEY="key-of-mine", PYTHONPATH=str(load))
    labels = {json.dumps(record): label for label, record in RECORDS}
    sent = [(json.dumps(record), body) for _, record, body in seen if record["int00"] != "n/a"]
    assert {key for key, _, _ in seen} == {"Bearer key-of-mine"}
    assert {record for record, _ in sent} <= set(labels)
    assert len({record for record, _ in sent}) > 50
    assert 0.005 < 1 - len(sent) / len(seen) < 0.1

    attached = re.findall(r"^attached (.*)$", done.stdout, re.MULTILINE)
    right = sum((body == scores[0]) == (labels[record] == 1) for record, body in sent)
    assert set(attached) == {"{'correct': 0}", "{'correct': 1}"}
    # What eight users had under way at the end was seen and never answered.
    assert 0 <= len(sent) - len(attached) <= 8
    assert 0 <= right - attached.count("{'correct': 1}") <= 8


@needs_locust
def test_the_flawed_load_has_one_record(load: Path):
    with stub([(200, b'{"result": 0.5}')], REFUSAL) as (port, seen):
        assert locust(load, port, VARIANT="flawed").returncode == 0
    assert {json.dumps(record) for _, record, _ in seen if record["int00"] != "n/a"} == {json.dumps(RECORD)}
    assert {json.dumps({**record, "int00": RECORD["int00"]}) for _, record, _ in seen} == {json.dumps(RECORD)}


@needs_locust
def test_the_locustfile_refuses_an_unknown_variant(load: Path):
    done = locust(load, 1, VARIANT="odd")
    assert done.returncode != 0
    assert "VARIANT is 'odd'; it can be mended or flawed" in done.stdout + done.stderr


# The rule of thumb ----------------------------------------------------------------------------------------------------


def test_the_originals_figures_by_law_and_rule():
    spec = importlib.util.spec_from_file_location("replicas", EXAMPLE / "replicas.py")
    replicas = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(replicas)
    assert round(replicas.closed_loop(200, 0.364, 1.5), 1) == 107.3
    assert replicas.replicas(100, 0.1) == 15
    assert replicas.replicas(104.3, 0.364) == 55


def said(folder: Path, **measurement: object) -> str:
    rows = {
        "score": {"requests": 960, "failures": 0, "metrics": {"mean": 400.0}},
        "none succeeded": {"requests": 40, "failures": 40, "metrics": {"mean": None}},
    }
    whole = {"model": "closed", "plan_text": "closed load, 200 users at 200/s", "window_s": 10.0, "endpoints": rows}
    (folder / "result.json").write_text(json.dumps({"measurement": {**whole, **measurement}}))
    command = [sys.executable, str(EXAMPLE / "replicas.py"), "--results", str(folder), "--wait", "1.6"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_estimates_stand_beside_what_a_run_measured(tmp_path: Path):
    assert said(tmp_path).splitlines() == [
        "requests per second: 100.0 measured",
        "  by the law: 200 / (0.4000 s + 1.6 s) = 100.0, +0.0% measured",
        "replicas, at most 70% busy: 58",
        "  by the rule: ceil(100.0/s * 0.4000 s / 0.7); one replica carries 2/s",
    ]


def test_no_estimate_is_made_of_what_a_run_does_not_say(tmp_path: Path):
    assert "another" in said(tmp_path, model="open")
    assert "another" in said(tmp_path, plan_text="closed load, in stages")
    assert "no request of this run succeeded" in said(tmp_path, endpoints={})
    command = [sys.executable, str(EXAMPLE / "replicas.py"), "--results", str(tmp_path / "nowhere")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "there is no" in done.stderr

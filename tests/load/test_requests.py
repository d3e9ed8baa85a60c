"""A load without Python, under real Locust: what is sent, what is said of the answers, and what is written nowhere."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from entrypoint.errors import SettingsError
from entrypoint.load.plan import fingerprint
from entrypoint.settings.model import Load

from .model_server import serving
from .test_load import failed_checks

PROGRAM = Path(sys.executable).with_name("ml-loadtest")
ROWS = "id,name,age,label\n007,Tom,3,cat\n008,Rex,12,dog\n009,NA,4,dog\n"
SECRET = 'hunter2 "quoted" ü/&'


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.fixture
def base():
    with serving() as server:
        yield server


@pytest.fixture
def pets(tmp_path):
    (tmp_path / "pets.csv").write_text(ROWS)
    return tmp_path / "pets.csv"


@pytest.fixture
def ask(load):
    """Runs these requests, with next to no warm-up: every request is looked at, not only those of the window."""
    return partial(load, "", **SHORT)


SHORT = {"warm_up": "0.2s", "duration": "1s", "users": 2, "wait": "0.01s"}
PREDICT = {
    "path": "/predict/{{ row.id }}",
    "json": {"name": "{{ row.name }}", "age": "{{ row.age }}"},
    "expect": {"status": 200, "values": {"prediction": "{{ 'cat' if row.age < 10 else 'dog' }}"}},
}


def messages(run):
    return {failure.name: f"{failure.exception}: {failure.message}" for failure in run.closing.failures}


def by_row(run):
    """The outcomes of each row of the report."""
    samples = run.samples
    return {name: set(samples[samples["endpoint"] == name]["outcome"]) for name in set(samples["endpoint"])}


def test_rows_become_requests_and_right_answers_are_ok(ask, web, pets):
    run = ask(requests=[{**PREDICT, "rows": pets}])

    assert run.closing.complete, run.closing.problem
    assert by_row(run) == {"POST /predict/{row.id}": {"ok"}}
    assert {(asked.path, asked.json["name"], asked.json["age"]) for asked in web.asked} == {
        ("/predict/007", "Tom", 3), ("/predict/008", "Rex", 12), ("/predict/009", "NA", 4),
    }  # fmt: skip
    assert {asked.headers["Content-Type"] for asked in web.asked} == {"application/json"}
    assert not failed_checks(run)


def test_each_expectation_that_is_not_met_says_so(ask, pets):
    predict = {"path": "/predict", "json": {"name": "Tom", "age": 3}}
    run = ask(
        requests=[
            {**predict, "name": "right", "expect": {"values": {"scores[0].value": 0.1001}, "tolerance": "1%"}},
            {**predict, "name": "value", "expect": {"values": {"prediction": "dog"}}},
            {**predict, "name": "tolerance", "expect": {"values": {"scores[0].value": 0.2}, "tolerance": 1e-3}},
            {**predict, "name": "schema", "expect": {"schema": {"properties": {"prediction": {"type": "number"}}}}},
            {**predict, "name": "status", "expect": {"status": [201, 202]}},
            {"path": "/status/503", "name": "broken"},
            {"path": "/status/404", "name": "gone"},
            {"path": "/status/404", "name": "gone as it should", "expect": {"status": 404}},
            {"path": "/sleep/0.1", "name": "late", "expect": {"within": "50ms", "status": 200}},
            {"path": "/sleep/3", "name": "lost", "timeout": "0.3s", "weight": 0.2},
        ],
        duration="3s",
        users=4,
    )

    assert run.closing.complete, run.closing.problem
    assert by_row(run) == {
        "POST right": {"ok"}, "POST value": {"invalid"}, "POST tolerance": {"invalid"}, "POST schema": {"invalid"},
        "POST status": {"invalid"}, "GET broken": {"server error"}, "GET gone": {"unexpected rejection"},
        "GET gone as it should": {"expected rejection"}, "GET late": {"invalid"}, "GET lost": {"timeout"},
    }  # fmt: skip
    said = messages(run)
    assert said["value"] == 'WrongAnswer: prediction: expected "dog", got "cat"'
    assert said["tolerance"] == "WrongAnswer: scores[0].value: expected 0.2, got 0.1"
    assert said["schema"] == "WrongAnswer: prediction: 'cat' is not of type 'number'"
    assert said["status"].startswith('UnexpectedStatus: expected status 201 or 202, got 200: {"prediction": "cat"')
    assert said["broken"].startswith("UnexpectedStatus: expected status 2xx, got 503")
    assert said["late"].startswith("SlowAnswer: slower than 50 ms: a right answer after 1")
    assert "no whole answer within 0.3 s" in said["lost"]
    times = run.samples[run.samples["endpoint"] == "GET lost"]["response_ms"]
    assert 250 < times.min() < times.max() < 2000


def test_invalid_payloads_are_to_be_rejected(ask, web):
    strict, lenient = (
        {
            "path": path,
            "json": {"name": "Tom", "age": 3},
            "invalid": [
                {"drop": "any", "weight": 1}, {"type": "age", "weight": 1},
                {"range": {"age": "{{ randint(31, 99) }}"}, "weight": 1},
                {"set": {"name": None}, "weight": 1, "expect": {"status": 409}},
            ],
        }
        for path in ("/predict", "/lenient")
    )  # fmt: skip
    run = ask(requests=[strict, lenient], duration="2s")

    assert run.closing.complete, run.closing.problem
    found, said = by_row(run), messages(run)
    assert found["POST /predict"] == found["POST /lenient"] == {"ok"}
    for suffix in ("(invalid: a field dropped)", "(invalid: age of a wrong type)", "(invalid: age out of range)"):
        assert found[f"POST /predict {suffix}"] == {"expected rejection"}
        assert found[f"POST /lenient {suffix}"] == {"invalid"}
        assert said[f"/lenient {suffix}"].startswith(
            "InvalidAccepted: an invalid payload was accepted: expected status 400 or 422, got 200"
        )
    assert found["POST /predict (invalid: name set)"] == {"unexpected rejection"}
    assert {tuple(asked.json) for asked in web.to("/predict")} >= {("name",), ("age",), ("name", "age")}


def test_weights_are_shares(ask, web):
    run = ask(
        requests=[
            {"path": "/a", "form": {"x": 1}, "weight": 3, "invalid": [{"drop": "x"}]},
            {"path": "/b", "weight": 1},
        ],
        users=8, duration="3s", wait=None,
    )  # fmt: skip
    counts = Counter(run.samples["endpoint"])
    wanted = {"POST /a": 3, "POST /a (invalid: x dropped)": 0.75, "GET /b": 1}

    for name, weight in wanted.items():
        share, expected = counts[name] / len(run.samples), weight / sum(wanted.values())
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / len(run.samples)), name


def test_images_are_drawn_and_sent(ask, web, tmp_path):
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    for name in ("a.jpg", "deep/b.png", ".hidden"):
        (photos / name).write_bytes(b"\xff" + name.encode())
    run = ask(
        requests=[
            {"path": "/upload", "images": photos / "**/*.*g", "files": {"photo": "{{ image }}"},
             "form": {"name": "{{ image.name }}"}},
            {"path": "/inline", "images": photos, "json": {"photo": "{{ image | b64 }}"}},
            {"path": "/raw", "images": photos, "body": "{{ images['a.jpg'] }}"},
        ]
    )  # fmt: skip

    assert run.closing.complete, run.closing.problem
    assert not run.closing.failures
    uploads = b"".join(asked.body for asked in web.to("/upload"))
    assert b'name="photo"; filename="b.png"\r\nContent-Type: image/png\r\n\r\n\xffdeep/b.png\r\n' in uploads
    assert b'name="name"\r\n\r\ndeep/b.png\r\n' in uploads
    assert b"hidden" not in uploads
    assert {asked.json["photo"] for asked in web.to("/inline")} == {"/2EuanBn"}
    assert {(asked.body, asked.headers["Content-Type"]) for asked in web.to("/raw")} == {(b"\xffa.jpg", "image/jpeg")}


def test_labels_are_stored_and_fail_nothing(ask, pets):
    label = {"value": "prediction", "is": "{{ row.label }}"}
    run = ask(requests=[{**PREDICT, "rows": pets, "expect": {"label": label}}])
    correct = run.samples["correct"].dropna()

    assert by_row(run) == {"POST /predict/{row.id}": {"ok"}}
    assert len(correct) > 0.9 * len(run.samples)
    assert set(correct) == {0, 1}
    assert 0.5 < correct.mean() < 0.85  # one of the three rows is mislabelled


def test_a_cell_that_a_row_lacks_makes_the_run_incomplete_and_is_named(ask, tmp_path):
    lines = [json.dumps({"age": 1} if number == 30 else {"age": 1, "name": "x"}) for number in range(40)]
    (tmp_path / "pets.jsonl").write_text("\n".join(lines))
    run = ask(
        requests=[{"path": "/predict", "rows": tmp_path / "pets.jsonl", "json": {"name": "{{ row.name }}", "age": 1}}],
        users=4,
    )

    assert "load.requests.0.json.name: UndefinedError: 'dict object' has no attribute 'name'" in run.closing.problem


def test_open_load_asks_them_too(ask, web):
    run = ask(requests=[{"path": "/a"}], arrival_rate=50, arrival="constant", users=10, wait=None, duration="2s")

    assert run.closing.complete, run.closing.problem
    assert abs(len(run.samples[run.samples["segment"] == 0]) - 100) <= 2


def test_a_secret_is_sent_and_written_nowhere(ask, web, tmp_path):
    key = {"X-Key": "{{ env.KEY | urlencode }}", "Authorization": "Basic {{ env.KEY | b64 }}"}
    run = ask(
        requests=[
            {"path": "/leak?key={{ env.KEY }}", "headers": key},
            {"path": "/echo", "json": {"key": "{{ env.KEY }}"}, "expect": {"values": {"path": "{{ env.KEY }}"}}},
            {"path": "/sleep/2?key={{ env.KEY }}", "headers": key, "timeout": "0.2s"},
            {"path": "/predict", "form": {"x": "{{ env.KEY.nope }}"}, "weight": 0.1},
        ],
        environment={"KEY": SECRET}, load_environment=["KEY"], duration="2s",
    )  # fmt: skip

    assert {asked.json["key"] for asked in web.to("/echo")} == {SECRET}
    assert "expected status 2xx, got 400" in messages(run)["/leak?key={env.KEY}"]
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert any(path.name == "from_requests.py" for path in files)
    for path in files:
        written = path.read_bytes()
        for spelling in spellings(SECRET):
            assert spelling not in written, path


def spellings(secret):
    """As it is, in JSON, in base64, in a URL as we write it and as jinja2 does."""
    from base64 import b64encode
    from urllib.parse import quote

    texts = (
        secret,
        json.dumps(secret)[1:-1],
        b64encode(secret.encode()).decode(),
        quote(secret),
        quote(secret, safe="/&"),
        "hunter2",
    )
    return [text.encode() for text in texts]


SPY = """
import os, sys
def note(event, args):
    if event == "open" and str(args[0]).endswith("pets.csv"):
        with os.fdopen(os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "w") as log:
            log.write(f"{{os.getpid()}}\\n")
sys.addaudithook(note)
"""


def test_two_workers_read_the_rows_once_each(ask, pets, tmp_path):
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY.format(log=str(tmp_path / "opened")))
    request = {**PREDICT, "rows": pets}
    run = ask(
        requests=[request, {**request, "name": "again"}], workers=2, users=6,
        environment={"PYTHONPATH": str(tmp_path / "spy")}, load_environment=["PYTHONPATH"],
    )  # fmt: skip

    assert run.closing.complete, run.closing.problem
    assert len(list(run.recording.exchange.glob("samples-*.bin"))) == 2
    assert by_row(run) == {"POST /predict/{row.id}": {"ok"}, "POST again": {"ok"}}
    opened = Counter((tmp_path / "opened").read_text().split())
    assert len(opened) == 3  # the master imports the locustfile too
    assert set(opened.values()) == {1}


def test_side_by_side_both_are_asked_the_same(both, web, base, pets):
    request = {
        **PREDICT,
        "rows": pets,
        "headers": {"X-Id": "{{ uuid() }}"},
        "json": {"name": "{{ row.name }}", "age": "{{ row.age }}", "x": "{{ gauss(0, 1) }}"},
        "invalid": [{"drop": "any"}],
    }
    run = both(
        "", requests=[request, {"path": "/echo/{{ randint(1, 999) }}"}], **{**SHORT, "duration": "4s", "users": 3}
    )

    assert run.closing.complete, run.closing.problem
    samples = run.samples
    samples = samples[samples["segment"] >= 0]
    asked = defaultdict(dict)
    for target, segment, ticket, digest in zip(
        samples["target"], samples["segment"], samples["ticket"], samples["asked"], strict=True
    ):
        asked[segment, ticket][target] = digest
    pairs = [tuple(found.values()) for found in asked.values() if len(found) == 2]
    assert len(pairs) > 50
    assert all(one == other != 0 for one, other in pairs)
    assert len({one for one, _ in pairs}) > 40


# Workers on other machines, and the fingerprint -----------------------------------------------------------------------


def joining(folder, port):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "LT_"))}
    command = [PROGRAM, "worker", "--master", "127.0.0.1", "--port", str(port), "--config", "loadtest.yml"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(("rows", "code", "said"), [
    (ROWS, 0, "the run is over, all was handed in"),
    (ROWS + "010,Lou,1,cat\n", 3, "its locustfile is not the master's"),
])  # fmt: skip
def test_a_worker_elsewhere_needs_the_same_settings_and_the_same_data(ask, pets, tmp_path, free_port, rows, code, said):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pets.csv").write_text(rows)
    written = {"load": {"requests": [{**PREDICT, "rows": "pets.csv"}], "wait": "0.01s"}}
    (elsewhere / "loadtest.yml").write_text(json.dumps(written))
    worker = joining(elsewhere, free_port)
    try:
        run = ask(requests=[{**PREDICT, "rows": pets}], workers=0, remote_workers=1, master=f"127.0.0.1:{free_port}")
        told, _ = worker.communicate(timeout=30)
    finally:
        worker.kill()

    assert (worker.returncode, run.closing.complete) == (code, code == 0), told
    assert said in told


def test_other_data_is_another_plan(pets, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    (tmp_path / "schema.json").write_text("{}")
    request = {
        "path": "/a",
        "rows": pets,
        "images": tmp_path / "photos",
        "expect": {"schema": tmp_path / "schema.json"},
    }
    seen = set()

    def look(**more):
        seen.add(fingerprint(Load.model_validate({"requests": [{**request, **more}]}), tmp_path))

    look()
    look()
    assert len(seen) == 1
    look(weight=2)
    pets.write_text(ROWS + "1,2,3,4\n")
    look()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"2")
    look()
    (tmp_path / "photos" / "b.jpg").write_bytes(b"2")
    look()
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    look()
    assert len(seen) == 6


def test_the_plan_does_not_say_where_the_files_lie(pets, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "pets.csv").write_text(ROWS)

    def seen(root):
        return fingerprint(Load.model_validate({"requests": [{**PREDICT, "rows": root / "pets.csv"}]}), root)

    assert seen(tmp_path) == seen(other)


def test_rows_that_only_locust_finds_wrong_are_said_with_its_words(ask, tmp_path):
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")

    with pytest.raises(SettingsError) as caught:
        ask(requests=[{"path": "/a", "rows": tmp_path / "ragged.csv"}])

    assert "load.requests" in str(caught.value)
    assert "Expected 2 fields in line 3, saw 3" in caught.value.log

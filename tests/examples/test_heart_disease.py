"""The diagnosis of hearts as a real process, asked over HTTP, and its locustfile in real Locust against stubs."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import psutil
import pytest

from .services import LOCUST, PYTHON, ROOT, answer_of, free_port, needs_locust, needs_service, wait_until_answered

EXAMPLE = ROOT / "examples/heart-disease"
LOCUSTFILE = ROOT / "locustfiles/heart_disease.py"

RANGES = {
    "age": (29, 77), "sex": (0, 1), "cp": (0, 3), "trestbps": (94, 200), "chol": (126, 564), "fbs": (0, 1), "restecg": (0, 2),
    "thalach": (71, 202), "exang": (0, 1), "oldpeak": (0, 6.2), "slope": (0, 2), "ca": (0, 4), "thal": (0, 3),
}  # fmt: skip
PATIENT = {
    "sex": 0, "cp": 1, "restecg": 0, "ca": 1, "slope": 1, "thal": 2, "age": 57, "trestbps": 130, "chol": 236, "fbs": 0,
    "thalach": 174, "exang": 0, "oldpeak": 0.0,
}  # fmt: skip
NUDGES = {"age": 2, "trestbps": 4, "chol": 8, "thalach": 4}


@contextmanager
def served(folder: Path, port: int) -> Iterator[psutil.Process]:
    """`serve.py`, started from elsewhere. A signal must end it, and its workers with it."""
    command = [str(PYTHON), str(folder / "serve.py"), "--port", str(port)]
    with subprocess.Popen(command, cwd=folder.parent) as service:
        try:
            wait_until_answered(service, port, "/health")
            started = psutil.Process(service.pid)
            workers = started.children(recursive=True)
            yield started
            service.send_signal(signal.SIGTERM)
            assert service.wait(10) in (0, -signal.SIGTERM)
            assert not psutil.wait_procs(workers, timeout=5)[1]
        finally:
            service.kill()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    status, _, text = answer_of(port, path, body, method=method)
    return status, text.decode()


def predict(port: int, patient: object) -> tuple[int, dict]:
    status, text = ask(port, "POST", "/predict", json.dumps(patient).encode())
    return status, json.loads(text)


@cache
def held_out() -> list[dict[str, float]]:
    with (EXAMPLE / "held-out.csv").open(newline="") as lines:
        return [{field: float(value) for field, value in row.items()} for row in csv.DictReader(lines)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a fresh checkout has it, without a model."""
    folder = tmp_path_factory.mktemp("heart-disease")
    for name in ("app.py", "data.py", "train.py", "serve.py"):
        shutil.copy(EXAMPLE / name, folder)
    return folder


@pytest.fixture(scope="module")
def service(copy: Path) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    with served(copy, port) as started:
        yield port, started


@pytest.fixture(scope="module")
def port(service: tuple[int, psutil.Process]) -> int:
    return service[0]


MAKE = """
import json, runpy, sys
for script, file in (("data.py", "held-out.csv"), ("train.py", "again.pkl")):
    sys.argv = [script, f"{sys.argv[-1].rpartition('/')[0]}/{file}"]
    runpy.run_path(script, run_name="__main__")

import data, joblib
training, held_out = data.split()
predicted = joblib.load("pipeline.pkl").predict(held_out[list(data.RANGES)]).tolist()
sizes = [len(training), len(held_out)]
print(json.dumps({"patients": data.make().to_dict("records"), "sizes": sizes, "predicted": predicted}))
"""


@pytest.fixture(scope="module")
def made(port: int, copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What both scripts make when asked once more, all patients, and what the served model says of those held out.

    All in one Python, for its start is what takes the time. Its sets have another order than the service's.
    """
    folder = tmp_path_factory.mktemp("made")
    command = [str(PYTHON), "-c", MAKE, f"{folder}/"]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    printed = subprocess.run(command, check=True, cwd=copy, env=environment, capture_output=True, text=True, timeout=60)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {"files": files, **json.loads(printed.stdout.splitlines()[-1])}


@needs_service
class TestAnswers:
    def test_health_is_a_text(self, port: int):
        assert ask(port, "GET", "/health") == (200, "OK")

    def test_the_model_was_trained_at_the_first_start_and_nothing_else_is_left(self, port: int, copy: Path):
        made = {path.name for path in copy.iterdir()} - {"app.py", "data.py", "train.py", "serve.py", "__pycache__"}
        assert made == {"pipeline.pkl"}

    def test_the_diagnoses_are_the_models_and_mostly_right(self, port: int, made: dict):
        patients = held_out()
        diagnoses = [["clear", "heart-disease"][target] for target in made["predicted"]]
        answers = [predict(port, {field: patient[field] for field in reversed(RANGES)}) for patient in patients]
        assert answers == [(200, {"diagnosis": diagnosis}) for diagnosis in diagnoses]
        right = sum(patient["target"] == target for patient, target in zip(patients, made["predicted"], strict=True))
        assert 0.75 < right / len(patients) < 0.95

    @pytest.mark.parametrize("field", RANGES)
    def test_a_missing_field_is_named(self, port: int, field: str):
        patient = {name: value for name, value in PATIENT.items() if name != field}
        assert predict(port, patient) == (400, {"error": f"{field} is missing", "field": field})

    @pytest.mark.parametrize("field", RANGES)
    def test_a_field_must_be_in_the_range_of_the_training(self, port: int, field: str):
        low, high = RANGES[field]
        for value in (low, high):
            assert predict(port, {**PATIENT, field: value})[0] == 200
        for value in (low - 0.1, high + 0.1, -(10**400), 10**400):
            status, answer = predict(port, {**PATIENT, field: value})
            assert (status, answer["field"]) == (400, field)
            assert answer["error"] == f"{field} must be a number from {low} to {high}"

    @pytest.mark.parametrize("value", [None, "57", True, [57], {}, float("nan"), float("inf"), -float("inf")], ids=repr)
    @pytest.mark.parametrize("field", ["age", "sex", "oldpeak"])
    def test_what_is_not_a_number_is_refused(self, port: int, field: str, value: object):
        status, answer = predict(port, {**PATIENT, field: value})
        assert (status, answer["field"]) == (400, field)
        assert "must be a number" in answer["error"]

    def test_only_oldpeak_has_fractions(self, port: int):
        for field in RANGES.keys() - {"oldpeak"}:
            refused = {"error": f"{field} must be a whole number", "field": field}
            assert predict(port, {**PATIENT, field: RANGES[field][0] + 0.5}) == (400, refused)
        assert predict(port, {**PATIENT, "oldpeak": 0.5})[0] == 200
        assert predict(port, {**PATIENT, "age": 57.0})[0] == 200

    def test_a_field_too_many_changes_nothing(self, port: int):
        assert predict(port, {**PATIENT, "target": 0, "name": "Doe"}) == predict(port, PATIENT)

    @pytest.mark.parametrize(
        "body", [b"", b"age=57", b"{", b"\xff\xfe", b"[" * 100_000, b'{"age": 1' + b"0" * 5000 + b"}"]
    )
    def test_a_body_that_is_not_json_is_refused(self, port: int, body: bytes):
        status, text = ask(port, "POST", "/predict", body)
        assert (status, json.loads(text)) == (400, {"error": "the body is not JSON", "field": None})

    @pytest.mark.parametrize("body", [[], [PATIENT], "age", 57, None], ids=repr)
    def test_a_body_that_is_no_object_is_refused(self, port: int, body: object):
        status, answer = predict(port, body)
        assert (status, answer["field"]) == (400, None)
        assert "13 fields" in answer["error"]

    def test_other_ways_to_ask_are_not_served(self, port: int):
        assert ask(port, "GET", "/predict")[0] == 405
        assert ask(port, "POST", "/health", b"")[0] == 405
        assert ask(port, "GET", "/")[0] == 404


@needs_service
def test_there_are_two_workers(service: tuple[int, psutil.Process]):
    assert len(service[1].children(recursive=True)) == 2


@needs_service
def test_the_patients_and_the_model_are_the_same_every_time(copy: Path, made: dict):
    assert made["files"] == {
        "held-out.csv": (EXAMPLE / "held-out.csv").read_bytes(),
        "again.pkl": (copy / "pipeline.pkl").read_bytes(),
    }


@needs_service
def test_the_patients_have_the_columns_and_ranges_of_the_real_ones(made: dict):
    patients = made["patients"]
    assert made["sizes"] == [242, 61]
    assert len(patients) == 303
    assert sum(patient["target"] for patient in patients) == 165
    for patient in patients:
        assert [*patient] == [*RANGES, "target"]
        assert all(low <= patient[field] <= high for field, (low, high) in RANGES.items())
    assert all(patient in patients for patient in held_out())


def test_the_image_installs_what_the_lock_says():
    image, locked = (
        set(re.findall(r"^([a-z0-9-]+==\S+)", file.read_text(), re.MULTILINE))
        for file in (EXAMPLE / "requirements.txt", ROOT / "requirements/examples.txt")
    )
    assert {"flask", "gunicorn", "joblib", "numpy", "pandas", "scikit-learn"} <= {pin.split("==")[0] for pin in image}
    assert image <= locked


# The locustfile --------------------------------------------------------------------------------------------------------

COMPLETE, INCOMPLETE = "POST /predict", "POST /predict (field missing)"
Answer = tuple[int, str]


@contextmanager
def stub(answer: Callable[[dict], Answer]) -> Iterator[int]:
    """A service that answers each payload as the test says."""

    class Stub(BaseHTTPRequestHandler):
        def do_POST(self):
            status, body = answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    class Server(HTTPServer):
        request_queue_size = 64  # all users come at once

    with Server(("127.0.0.1", 0), Stub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Load:
    """Three seconds of load: exit code, output, and Locust's tables."""

    def __init__(self, port: int, folder: Path, locustfile: Path = LOCUSTFILE, variant: str | None = None) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "VARIANT"}
        if variant is not None:
            environment["VARIANT"] = variant
        host, table = f"http://127.0.0.1:{port}", folder / "table"
        options = [
            "--headless",
            "-u",
            "10",
            "-r",
            "10",
            "-t",
            "3s",
            "--host",
            host,
            "--csv",
            str(table),
            "--only-summary",
        ]
        done = subprocess.run(
            [str(LOCUST), "-f", str(locustfile), *options],
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.rows = {f"{row['Type']} {row['Name']}".strip(): row for row in self._table(folder / "table_stats.csv")}
        self.failures = [(row["Name"], row["Error"]) for row in self._table(folder / "table_failures.csv")]

    def requests(self, name: str) -> int:
        return int(self.rows[name]["Request Count"])

    def failed(self, name: str) -> int:
        return int(self.rows[name]["Failure Count"])

    @staticmethod
    def _table(file: Path) -> list[dict[str, str]]:
        if not file.exists():
            return []
        with file.open(newline="") as lines:
            return list(csv.DictReader(lines))


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """The locustfile where nothing of ours can be imported."""
    for source in (LOCUSTFILE, EXAMPLE / "held-out.csv"):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)
    return tmp_path / "locustfiles/heart_disease.py"


def refused(patient: dict) -> str | None:
    return next((field for field in RANGES if field not in patient), None)


def model_of(patient: dict) -> dict[str, float]:
    """The held-out patient that a payload was made from."""
    found = [
        row for row in held_out() if all(abs(patient[field] - row[field]) <= NUDGES.get(field, 0) for field in RANGES)
    ]
    assert len(found) == 1
    return found[0]


@needs_service
@needs_locust
def test_the_locustfile_finds_nothing_wrong_with_the_service(port: int, tmp_path: Path):
    load = Load(port, tmp_path)
    assert set(load.rows) == {COMPLETE, INCOMPLETE, "Aggregated"}
    assert load.failed("Aggregated") == 0
    assert load.requests(COMPLETE) > load.requests(INCOMPLETE) > 0
    assert load.requests("Aggregated") > 30
    assert load.code == 0


@needs_locust
def test_every_patient_is_new_and_a_diagnosis_is_compared_with_the_answer(alone: Path, tmp_path: Path):
    """The stub is right about the patients whose age is a multiple of three; what `attach` is given must say so."""
    (alone.parent / "ml_loadtest.py").write_text(
        "def attach(**numbers):\n    print(*numbers, *numbers.values(), file=open('attached', 'a'))\n"
    )
    complete, incomplete = [], []

    def answer(patient: dict) -> Answer:
        if missing := refused(patient):
            incomplete.append(patient)
            return 400, json.dumps({"field": missing})
        complete.append(patient)
        sick = (model_of(patient)["target"] == 1) == (patient["age"] % 3 == 0)
        return 200, json.dumps({"diagnosis": "heart-disease" if sick else "clear"})

    with stub(answer) as port:
        load = Load(port, tmp_path, alone, variant="mended")
    assert (load.code, load.failed("Aggregated")) == (0, 0)
    assert len({json.dumps(patient) for patient in complete}) >= 0.95 * len(complete) > 30
    assert 2 < len(complete) / len(incomplete) < 20
    for patient in [*complete, *incomplete]:
        assert all(RANGES[field][0] <= value <= RANGES[field][1] for field, value in patient.items())
    assert {len(patient) for patient in incomplete} == {12}
    assert len({refused(patient) for patient in incomplete}) > 3
    attached = (tmp_path / "attached").read_text().splitlines()
    # At the end of the run a request may be under way.
    right = sum(patient["age"] % 3 == 0 for patient in complete)
    assert abs(attached.count("correct 1") - right) <= len(complete) - len(attached) <= 30
    assert set(attached) == {"correct 1", "correct 0"}


@needs_locust
def test_the_flawed_variant_asks_about_one_patient_for_ever(alone: Path, tmp_path: Path):
    asked = []

    def answer(patient: dict) -> Answer:
        asked.append(patient)
        missing = refused(patient)
        return (400, json.dumps({"field": missing})) if missing else (200, '{"diagnosis": "clear"}')

    with stub(answer) as port:
        load = Load(port, tmp_path, alone, variant="flawed")
    assert (load.code, load.failed("Aggregated")) == (0, 0), "nothing of this is to be seen in Locust's table"
    complete = [patient for patient in asked if not refused(patient)]
    assert len(complete) > 30
    assert all(patient == complete[0] for patient in complete)
    assert all(patient.items() <= complete[0].items() for patient in asked)
    assert len({refused(patient) for patient in asked}) > 3


@needs_locust
def test_every_kind_of_wrong_answer_is_a_failure(tmp_path: Path):
    diagnosis, age = '{"diagnosis": "clear"}', '{"error": "age is missing", "field": "age"}'
    wrong = [
        (200, '{"diagnosis": "well"}'), (200, '{"answer": "clear"}'), (200, '["clear"]'), (200, "clear"), (200, ""),
        (201, diagnosis), (400, age), (500, diagnosis),
    ]  # fmt: skip
    wrong_refusals = [(200, diagnosis), (400, '{"field": null}'), (400, "no"), (422, "{}"), (500, "{}")]
    numbers = count(), count()

    def answer(patient: dict) -> Answer:
        if missing := refused(patient):
            status, body = wrong_refusals[next(numbers[1]) % len(wrong_refusals)]
            return status, json.dumps({"field": missing}) if body == "{}" else body
        return wrong[next(numbers[0]) % len(wrong)]

    with stub(answer) as port:
        load = Load(port, tmp_path)
    assert load.code == 1
    assert load.failed(COMPLETE) == load.requests(COMPLETE) >= len(wrong)
    assert load.failed(INCOMPLETE) == load.requests(INCOMPLETE) >= len(wrong_refusals)
    told = "\n".join(error for _, error in load.failures)
    for status, body in wrong:
        assert status >= 400 or f"not a diagnosis: {status} {body}" in told
    kinds = set(re.findall(r"not a refusal that names \w+: (\d{3}) ", told))
    assert kinds == {str(status) for status, _ in wrong_refusals}


@needs_locust
def test_an_unknown_variant_is_refused_at_the_start(tmp_path: Path):
    load = Load(1, tmp_path, variant="flawless")
    assert load.code != 0
    assert "VARIANT is mended or flawed, not 'flawless'" in load.output
    assert not load.rows

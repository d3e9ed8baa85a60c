"""The fish example as real processes, asked over HTTP, and under its own locustfile in real Locust."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import yaml

from .services import LOCUST, PYTHON, ROOT, answer_of, free_port, needs_locust, needs_service, wait_until_answered

EXAMPLE = ROOT / "examples/fish"
LOCUSTFILE = ROOT / "locustfiles/fish.py"

BREAM, SMELT = "도미", "빙어"
NEIGHBOURS = [1, 5, 15, 25, 49]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """serve.py on a free port, with front.py: what nginx does is nginx's. At its end, or by a signal, nothing is left of it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("VARIANT", "REPLICAS", "PATH")}
    port = free_port()
    command = [str(PYTHON), str(folder / "serve.py"), "--port", str(port)]
    with subprocess.Popen(command, env={**kept, "PATH": os.defpath, **variables}, start_new_session=True) as service:
        try:
            wait_until_answered(service, port, "/fish?length=25&weight=150")
            children = psutil.Process(service.pid).children()
            yield service, port
            if service.poll() is None:
                service.send_signal(signal.SIGTERM)
                assert service.wait(20) == 128 + signal.SIGTERM
            assert not any(child.is_running() for child in children), "it left something running"
        finally:
            service.kill()


def get(port: int, path: str) -> tuple[int, dict]:
    status, _, body = answer_of(port, path)
    return status, json.loads(body)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a fresh checkout has it, without models."""
    folder = tmp_path_factory.mktemp("fish")
    for name in ("app.py", "data.py", "front.py", "replica.py", "serve.py", "train.py"):
        shutil.copy(EXAMPLE / name, folder)
    return folder


@pytest.fixture(scope="module")
def port(copy: Path) -> Iterator[int]:
    with serving(copy) as (_, port):
        yield port


@pytest.fixture(scope="module")
def flawed(copy: Path, port: int) -> Iterator[int]:
    with serving(copy, VARIANT="flawed", REPLICAS="1") as (_, own_port):
        yield own_port


@needs_service
class TestAnswers:
    def test_the_two_routes_without_a_model(self, port: int):
        assert get(port, "/") == (200, {"Hello": "world"})
        assert get(port, "/items/7?q=roe") == (200, {"item_id": 7, "q": "roe"})
        assert get(port, "/items/7") == (200, {"item_id": 7, "q": None})
        assert get(port, "/items/seven")[0] == 422

    @pytest.mark.parametrize("k", [1, 5, 15, 25])
    def test_sizes_are_scaled_before_they_are_compared(self, port: int, k: int):
        answer = {"prediction": BREAM, "length": 25.0, "weight": 150.0}
        assert get(port, f"/fish?length=25&weight=150&k={k}") == (200, answer)
        answer = {"prediction": SMELT, "length": 10.0, "weight": 10.0}
        assert get(port, f"/fish?length=10&weight=10&k={k}") == (200, answer)

    def test_all_49_neighbours_have_only_one_answer(self, port: int):
        for size in ("length=10&weight=10", "length=40&weight=900"):
            assert get(port, f"/fish?{size}&k=49")[1]["prediction"] == BREAM

    def test_k_is_5_if_nobody_says_otherwise(self, port: int):
        assert get(port, "/fish?length=10&weight=10")[1]["prediction"] == SMELT

    @pytest.mark.parametrize("k", [0, 2, -1, 50])
    def test_an_unknown_k_is_a_400_that_names_the_known_ones(self, port: int, k: int):
        status, answer = get(port, f"/fish?length=10&weight=10&k={k}")
        assert status == 400
        assert answer["detail"].startswith(f"there is no model for k={k};")
        assert answer["detail"].endswith("1, 5, 15, 25, 49")

    @pytest.mark.parametrize(
        "query",
        ["length=10", "weight=10", "", "length=long&weight=1", "length=nan&weight=1", "length=1&weight=inf",
         "length=1&weight=1&k=few", "length=1&weight=1&k=1.5"],
    )  # fmt: skip
    def test_an_impossible_size_is_refused(self, port: int, query: str):
        assert get(port, f"/fish?{query}")[0] == 422

    def test_both_variants_give_the_same_answers(self, port: int, flawed: int):
        for k in NEIGHBOURS:
            for size in ("length=25&weight=150", "length=14.9&weight=19.9", "length=-1&weight=-1"):
                assert get(port, f"/fish?{size}&k={k}") == get(flawed, f"/fish?{size}&k={k}")
        assert get(flawed, "/fish?length=10&weight=10&k=7")[0] == 400

    def test_only_the_flawed_variant_reads_the_models_again(self, copy: Path, port: int, flawed: int):
        """With the file away, whoever still has the model in memory does not notice."""
        file = copy / "model-15.pkl"
        path = "/fish?length=10&weight=10&k=15"
        before = answer_of(flawed, path)[0]
        file.rename(away := file.with_suffix(".away"))
        try:
            found = [answer_of(port, path)[0] for _ in range(4)], answer_of(flawed, path)[0]
        finally:
            away.rename(file)
        assert before == 200
        assert found == ([200] * 4, 500)


@needs_service
class TestReplicas:
    def test_both_answer_in_turn(self, port: int):
        names = [answer_of(port, "/")[1]["X-Replica"] for _ in range(10)]
        assert len(set(names)) == 2
        assert names[::2] == [names[0]] * 5
        assert names[1::2] == [names[1]] * 5

    def test_one_alone_is_enough(self, flawed: int):
        assert len({answer_of(flawed, "/")[1]["X-Replica"] for _ in range(4)}) == 1

    def test_the_front_takes_nothing_but_get(self, port: int):
        assert answer_of(port, "/fish", method="POST")[0] == 405

    def test_when_one_process_ends_all_do(self, copy: Path, port: int):
        with serving(copy, REPLICAS="1") as (service, _):
            children = psutil.Process(service.pid).children()
            assert len(children) == 2
            next(child for child in children if str(copy / "replica.py") in child.cmdline()).send_signal(signal.SIGKILL)
            assert service.wait(20) not in (0, 128 + signal.SIGTERM)


@contextmanager
def stub(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Quiet(BaseHTTPRequestHandler):
    def say(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Sound(Quiet):
    def do_GET(self):
        self.say(b"fine")


def test_the_front_goes_round_a_replica_that_is_gone():
    port, gone = free_port(), free_port()
    with stub(Sound) as sound:
        command = [sys.executable, str(EXAMPLE / "front.py"), "--port", str(port)]
        with subprocess.Popen([*command, f"127.0.0.1:{gone}", f"127.0.0.1:{sound}"]) as front:
            try:
                deadline = time.monotonic() + 20
                while not is_open(port) and time.monotonic() < deadline:
                    time.sleep(0.05)
                for _ in range(6):
                    status, headers, body = answer_of(port, "/")
                    assert (status, headers["X-Replica"], body) == (200, f"127.0.0.1:{sound}", b"fine")
            finally:
                front.terminate()


@needs_service
@pytest.mark.parametrize(
    ("name", "value", "wanted"), [("VARIANT", "flowed", "`mended` or `flawed`"), ("REPLICAS", "none", "1 to 8")]
)
def test_a_value_that_there_is_not_is_refused_at_the_start(copy: Path, name: str, value: str, wanted: str):
    environment = {**os.environ, "REPLICAS": "1", name: value}
    command = [str(PYTHON), str(copy / "serve.py"), "--port", str(free_port())]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"{name} is {value!r}" in done.stderr
    assert wanted in done.stderr


@needs_service
def test_nginx_gets_the_image_s_configuration_with_other_addresses(tmp_path: Path):
    program = "import serve, sys; from pathlib import Path; " + (
        "serve.write_configuration(Path(sys.argv[1]), '127.0.0.1:9', ['127.0.0.1:7', '127.0.0.1:8'])"
    )
    subprocess.run([str(PYTHON), "-c", program, str(tmp_path)], check=True, cwd=EXAMPLE, timeout=60)
    text = (tmp_path / "nginx.conf").read_text()
    assert "listen 127.0.0.1:9;" in text
    assert re.findall(r"server (\S+) max_fails=1", text) == ["127.0.0.1:7", "127.0.0.1:8"]
    assert text.count("{") == text.count("}")
    if nginx := shutil.which("nginx"):
        subprocess.run([nginx, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], check=True, timeout=60)


def test_compose_has_a_front_in_front_of_replicas():
    services = yaml.safe_load((EXAMPLE / "compose.yml").read_text())["services"]
    assert services["ml"]["deploy"] == {
        "replicas": "${REPLICAS:-2}",
        "resources": {"limits": {"cpus": "0.3"}},
    }
    assert services["nginx"]["depends_on"] == {"ml": {"condition": "service_healthy"}}
    assert "server ml:8080 " in (EXAMPLE / "nginx/default.conf").read_text()
    for file in ("loadtest.yml", "ladder.yml"):
        assert yaml.safe_load((EXAMPLE / file).read_text())["service"]["service"] == "nginx"


@pytest.fixture(scope="module")
def tables() -> tuple[list, list]:
    """What data.py says under two hash seeds: the 49, and the first of the 100,000."""
    program = "import data, json; rows = data.unseen(); print(json.dumps([data.training(), rows[:20_000], len(rows)]))"
    said = [
        subprocess.run(
            [sys.executable, "-B", "-c", program],
            check=True, cwd=EXAMPLE, capture_output=True, timeout=60, env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
    ]  # fmt: skip
    assert said[0] == said[1]
    training, unseen, rows = json.loads(said[0])
    assert rows == 100_000
    return training, unseen


def test_the_fish_are_as_many_and_as_large_as_in_the_original(tables: tuple[list, list]):
    training, unseen = tables
    assert [[name for *_, name in training].count(kind) for kind in (BREAM, SMELT)] == [35, 14]
    for kind, lengths, weights in ((BREAM, (25.4, 41.0), (242.0, 1000.0)), (SMELT, (9.8, 15.0), (6.7, 19.9))):
        for column, limits in ((0, lengths), (1, weights)):
            sizes = [fish[column] for fish in training if fish[2] == kind]
            assert (min(sizes), max(sizes)) == limits
            assert all(limits[0] <= fish[column] <= limits[1] for fish in unseen if fish[2] == kind)
    assert sum(name == BREAM for *_, name in unseen) / len(unseen) == pytest.approx(35 / 49, abs=0.02)


def test_without_a_scale_the_fish_of_25_cm_and_150_g_would_be_a_smelt(tables: tuple[list, list]):
    nearest = sorted(tables[0], key=lambda fish: (fish[0] - 25) ** 2 + (fish[1] - 150) ** 2)[:5]
    assert sum(name == SMELT for *_, name in nearest) >= 3


@needs_service
def test_the_models_are_the_same_every_time(copy: Path, port: int, tmp_path: Path):
    command = [str(PYTHON), str(EXAMPLE / "train.py"), str(tmp_path)]
    done = subprocess.run(
        command, check=True, env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, text=True, timeout=60
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"model-{k}.pkl" for k in NEIGHBOURS)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (copy / file.name).read_bytes(), file.name
    right = dict(re.findall(r"k=(\d+): ([\d.]+)%", done.stdout))
    assert right.pop("49").startswith("71.")
    assert right == dict.fromkeys(["1", "5", "15", "25"], "100.0")


def test_the_image_installs_what_the_lock_says():
    image, locked = (
        set(re.findall(r"^(\S+==\S+)", file.read_text(), re.MULTILINE))
        for file in (EXAMPLE / "requirements.txt", ROOT / "requirements/examples.txt")
    )
    assert {"fastapi", "numpy", "scikit-learn", "scipy", "uvicorn"} <= {pin.split("==")[0] for pin in image}
    assert image <= locked


def locust(port: int, tmp_path: Path) -> tuple[int, dict[str, dict[str, str]], list[dict[str, str]]]:
    """Exit code of three seconds of load, Locust's rows by method and name, and its failures."""
    host, table = f"http://127.0.0.1:{port}", tmp_path / "table"
    options = ["--headless", "-u", "8", "-r", "8", "-t", "3s", "--host", host, "--csv", str(table), "--only-summary"]
    command = [str(LOCUST), "-f", str(LOCUSTFILE), *options]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    with table.with_name("table_stats.csv").open(newline="") as lines:
        rows = {f"{row['Type']} {row['Name']}".strip(): row for row in csv.DictReader(lines)}
    with table.with_name("table_failures.csv").open(newline="") as lines:
        return done.returncode, rows, list(csv.DictReader(lines))


@needs_service
@needs_locust
def test_the_locustfile_finds_nothing_wrong_with_the_service(port: int, tmp_path: Path):
    """Nor with k=49, which takes every smelt for a bream: being wrong is no failure."""
    code, rows, failures = locust(port, tmp_path)
    assert set(rows) == {*(f"GET /fish k={k}" for k in NEIGHBOURS), "Aggregated"}
    assert failures == []
    assert int(rows["Aggregated"]["Request Count"]) > 50
    assert code == 0


class Impostor(Quiet):
    """Always 200, and another kind of wrong for each k."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        right = {"prediction": BREAM, "length": float(asked["length"]), "weight": float(asked["weight"])}
        wrong = {
            "1": b"something went wrong",
            "5": json.dumps({**right, "prediction": "Trout"}).encode(),
            "15": json.dumps({**right, "length": right["length"] + 1}).encode(),
            "25": json.dumps({**right, "weight": right["weight"] + 1}).encode(),
            "49": json.dumps({"length": right["length"], "weight": right["weight"]}).encode(),
        }
        self.say(wrong[asked["k"]])


@needs_locust
def test_the_locustfile_takes_a_200_with_a_wrong_body_for_a_failure(tmp_path: Path):
    with stub(Impostor) as port:
        code, rows, failures = locust(port, tmp_path)
    assert code == 1
    for k in NEIGHBOURS:
        assert rows[f"GET /fish k={k}"]["Failure Count"] == rows[f"GET /fish k={k}"]["Request Count"] != "0"
    said = {(failure["Name"], failure["Error"]) for failure in failures}
    for k, word in (
        (1, "not a prediction"),
        (5, "neither"),
        (15, "another"),
        (25, "another"),
        (49, "not a prediction"),
    ):
        assert any(name == f"/fish k={k}" and word in error for name, error in said), (k, word)


class AlwaysBream(Quiet):
    """Says that two replicas were tried, of which the second one answered."""

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        sizes = {name: float(asked[name][0]) for name in ("length", "weight")}
        self.say(json.dumps({"prediction": BREAM, **sizes}).encode(), {"X-Replica": "10.0.0.1:8080, 10.0.0.2:8080"})


ASK = """
import collections, sys
from locust.env import Environment
import fish
attached = collections.Counter()
fish.attach = lambda **numbers: attached.update([tuple(sorted(numbers.items()))])
environment = Environment()
fish.Angler.host = sys.argv[1]
angler = fish.Angler(environment)
for _ in range(60):
    angler.ask()
print(sorted(attached), attached.total(), environment.stats.total.num_failures)
"""


@needs_locust
def test_a_wrong_guess_is_counted_and_is_no_failure(tmp_path: Path):
    with stub(AlwaysBream) as port:
        command = [str(LOCUST.with_name("python")), "-c", ASK, f"http://127.0.0.1:{port}"]
        done = subprocess.run(command, check=True, cwd=LOCUSTFILE.parent, capture_output=True, text=True, timeout=60)
    both = [(("correct", 0), ("replica", 0)), (("correct", 1), ("replica", 0))]
    assert done.stdout.strip() == f"{both} 60 0"

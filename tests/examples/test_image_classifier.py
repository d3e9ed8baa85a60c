"""The image classifier as real processes, asked over HTTP, and under its own locustfile in real Locust."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import psutil
import pytest

from .services import LOCUST, PYTHON, ROOT, answer_of, free_port, needs_locust, needs_service, wait_until_answered

EXAMPLE = ROOT / "examples/image-classifier"
LOCUSTFILE = ROOT / "locustfiles/image_classifier.py"
TOOL = ROOT / ".venv/bin/ml-loadtest"

NAMES = (EXAMPLE / "digits.txt").read_text().split()
ROUTES = {"/predict/torch_model/": 100, "/predict/tf/": 1}
REFUSAL = (404, {"detail": "Image could not be downloaded"})


# The service ----------------------------------------------------------------------------------------------------------


def environment(**variables: str) -> dict[str, str]:
    ours = {"VARIANT", "MODEL", "IMAGES_URL", "ALLOWED_HOSTS"}
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **variables}


@contextmanager
def served(folder: Path, port: int, **variables: str) -> Iterator[subprocess.Popen]:
    command = [str(PYTHON), str(folder / "serve.py"), "--port", str(port)]
    # From another folder, as nothing may depend on the working directory.
    with subprocess.Popen(command, cwd=folder.parent, env=environment(**variables)) as service:
        try:
            wait_until_answered(service, port, "/")
            yield service
            children = psutil.Process(service.pid).children(recursive=True) if service.poll() is None else []
        finally:
            service.terminate()
    assert not [child for child in children if child.is_running()], "a service was left running"


def ask(port: int, path: str, body: object = None) -> tuple[int, object]:
    """GET, or with a body POST."""
    data = None if body is None else json.dumps(body).encode()
    status, _, text = answer_of(port, path, data, {"Content-Type": "application/json"})
    return status, json.loads(text) if text else None


def predict(port: int, address: object, route: str = "/predict/tf/") -> tuple[int, object]:
    return ask(port, route, {"img_url": address})


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a fresh checkout has it: networks and pictures are made by the first start."""
    folder = tmp_path_factory.mktemp("image-classifier")
    for file in EXAMPLE.glob("*.py"):
        shutil.copy(file, folder)
    return folder


class Gallery(BaseHTTPRequestHandler):
    """Another server of pictures, one that counts and does as it likes."""

    protocol_version = "HTTP/1.1"
    asked: Counter[str]
    connections: Counter[object]
    files: dict[str, bytes]

    def do_GET(self):
        self.asked[self.path] += 1
        self.connections[self.client_address] += 1
        name = self.path.rsplit("/", 1)[1]
        if name == "slow.png":
            time.sleep(0.6)
        content = self.files.get(name, self.files["good.png"])
        status = {"moved.png": 302, "error.png": 500, "empty.png": 204}.get(name, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/good.png")
        self.send_header("Content-Length", "0" if status == 204 else str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def gallery(files: dict[str, bytes]) -> Iterator[ThreadingHTTPServer]:
    own = type("Own", (Gallery,), {"asked": Counter(), "connections": Counter(), "files": files})
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    script = "import sys; from PIL import Image; Image.new('L', (5000, 5000)).save(sys.stdout.buffer, 'PNG')"
    large = subprocess.run([PYTHON, "-c", script], capture_output=True, check=True).stdout
    assert len(large) < 1_000_000
    return {"many-pixels.png": large, "text.png": b"I am no picture", "nothing.png": b""}


@pytest.fixture(scope="module")
def allowed(files: dict[str, bytes]) -> Iterator[ThreadingHTTPServer]:
    with gallery(files) as server:
        yield server


def at(server: ThreadingHTTPServer, name: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


@pytest.fixture(scope="module")
def ports(copy: Path, allowed: ThreadingHTTPServer, files: dict[str, bytes]) -> Iterator[dict[str, int]]:
    """Both variants, side by side."""
    hosts = f"photos.example, 127.0.0.1:{allowed.server_port}"
    chosen = {"mended": free_port(), "flawed": free_port()}
    with (
        served(copy, chosen["mended"], ALLOWED_HOSTS=hosts),
        served(copy, chosen["flawed"], ALLOWED_HOSTS=hosts, VARIANT="flawed"),
    ):
        good = (copy / "made/digits/0003-3.png").read_bytes()
        files |= {"good.png": good, "cut.png": good[: len(good) // 2], "many-bytes.png": good + bytes(2_000_000)}
        yield chosen


@pytest.fixture(params=["mended", "flawed"])
def port(request: pytest.FixtureRequest, ports: dict[str, int]) -> int:
    return ports[request.param]


@needs_service
class TestAnswers:
    def test_the_greeting(self, port: int):
        assert ask(port, "/") == (200, {"msg": "Hello World !!!!"})

    @pytest.mark.parametrize(("route", "certain"), ROUTES.items())
    def test_most_pictures_are_recognised(self, port: int, route: str, certain: float):
        right = 0
        for name in NAMES[::12]:
            status, answer = predict(port, name, route)
            assert status == 200
            assert set(answer) == {"status_code", "predicted_label", "probability"}
            assert answer["status_code"] == 200
            assert certain / 10 <= answer["probability"] <= certain * 1.0001
            right += name.endswith(f"-{answer['predicted_label']}.png")
        assert 0.9 * len(NAMES[::12]) < right <= len(NAMES[::12])

    def test_each_route_has_a_network_of_its_own(self, port: int):
        torch, tf = (predict(port, "digits/0003-3.png", route)[1]["probability"] for route in ROUTES)
        assert torch / 100 != pytest.approx(tf, abs=1e-9)

    def test_both_variants_answer_the_same(self, ports: dict[str, int]):
        for name in NAMES[:5]:
            assert predict(ports["mended"], name) == predict(ports["flawed"], name)

    def test_an_absolute_address_of_an_allowed_host(self, port: int, allowed: ThreadingHTTPServer):
        assert predict(port, at(allowed, "good.png")) == predict(port, "digits/0003-3.png")

    @pytest.mark.parametrize("route", ROUTES)
    @pytest.mark.parametrize(
        "address", ["digits/0003-4.png", "/", "", "digits/0003-3.png/../../x", "\x00", "http://[", "ü"]
    )
    def test_what_is_not_there_is_a_404(self, port: int, route: str, address: str):
        assert predict(port, address, route) == REFUSAL

    @pytest.mark.parametrize(
        "name",
        [
            "text.png",
            "cut.png",
            "many-bytes.png",
            "many-pixels.png",
            "nothing.png",
            "moved.png",
            "error.png",
            "empty.png",
        ],
    )
    def test_what_is_no_picture_or_too_large_or_elsewhere_is_a_404(
        self, port: int, allowed: ThreadingHTTPServer, name: str
    ):
        assert predict(port, at(allowed, name)) == REFUSAL

    @pytest.mark.parametrize(
        "scheme", ["file:///etc/hostname", "ftp://photos.example/a.png", "//127.0.0.1:1/a.png", "data:,"]
    )
    def test_other_schemes_and_hosts_are_refused_at_once(self, port: int, scheme: str):
        assert predict(port, scheme) == REFUSAL

    def test_a_host_that_is_not_allowed_is_never_asked(self, port: int, files: dict[str, bytes]):
        with gallery(files) as other:
            for address in (at(other, "good.png"), at(other, "good.png").replace("//", "//photos.example@")):
                assert predict(port, address) == REFUSAL
            assert not other.RequestHandlerClass.asked

    @pytest.mark.parametrize("body", [{}, {"img_url": None}, {"img_url": 7}, {"url": NAMES[0]}, [], NAMES[0]])
    def test_a_body_without_an_address_is_a_422(self, port: int, body: object):
        for route in ROUTES:
            assert ask(port, route, body)[0] == 422

    def test_the_slash_at_the_end_belongs_to_the_route_and_a_get_does_not(self, port: int):
        assert predict(port, NAMES[0], "/predict/tf")[0] == 307
        assert ask(port, "/predict/tf/")[0] == 405


@needs_service
class TestVariants:
    def test_only_the_mended_one_keeps_what_it_downloaded(self, ports: dict[str, int], allowed: ThreadingHTTPServer):
        asked = allowed.RequestHandlerClass.asked
        for variant, port in ports.items():
            for _ in range(3):
                for route in ROUTES:
                    assert predict(port, at(allowed, f"{variant}/kept.png"), route)[0] == 200
        assert (asked["/mended/kept.png"], asked["/flawed/kept.png"]) == (1, 6)

    def test_a_failure_is_not_kept(self, port: int, allowed: ThreadingHTTPServer):
        asked = allowed.RequestHandlerClass.asked
        before = asked["/error.png"]
        for _ in range(2):
            assert predict(port, at(allowed, "error.png")) == REFUSAL
        assert asked["/error.png"] == before + 2

    def test_only_the_mended_one_keeps_connections(self, ports: dict[str, int], allowed: ThreadingHTTPServer):
        connections = allowed.RequestHandlerClass.connections
        opened = {}
        for variant, port in ports.items():
            connections.clear()
            for number in range(5):
                assert predict(port, at(allowed, f"{variant}/{number}.png"))[0] == 200
            opened[variant] = len(connections)
        assert opened == {"mended": 1, "flawed": 5}

    def test_a_download_holds_up_only_the_flawed_one(self, ports: dict[str, int], allowed: ThreadingHTTPServer):
        for variant, port in ports.items():
            asker = Thread(target=predict, args=(port, at(allowed, f"{variant}/slow.png")))
            asker.start()
            while not allowed.RequestHandlerClass.asked[f"/{variant}/slow.png"]:
                time.sleep(0.005)
            started = time.perf_counter()
            ask(port, "/")
            held_up = time.perf_counter() - started > 0.3
            asker.join()
            assert held_up is (variant == "flawed")

    def test_only_the_flawed_one_needs_the_network_s_file_again(self, ports: dict[str, int], copy: Path):
        for name, route in (("torch", "/predict/torch_model/"), ("tf", "/predict/tf/")):
            file = copy / "made" / f"{name}.onnx"
            content = file.read_bytes()
            file.write_bytes(b"no network")
            try:
                statuses = [ask_quietly(port, route) for port in ports.values()]
            finally:
                file.write_bytes(content)
            assert statuses == [200, 500]


def ask_quietly(port: int, route: str) -> int:
    """The status alone; the body of a 500 is a text."""
    try:
        return predict(port, NAMES[0], route)[0]
    except json.JSONDecodeError:
        return 500


# Its start and its end ------------------------------------------------------------------------------------------------


REFUSED = (
    ({"VARIANT": "best"}, "VARIANT is 'best'; expected `mended` or `flawed`"),
    ({"MODEL": "alexnet"}, "MODEL is 'alexnet'; expected `digits` or `tfhub`"),
    ({"MODEL": "tfhub"}, "install tensorflow and tensorflow_hub"),
)


@needs_service
@pytest.mark.parametrize(("variables", "said"), REFUSED)
@pytest.mark.usefixtures("ports")  # so that everything is made
def test_what_it_cannot_be_is_said_and_ends_it(copy: Path, variables: dict[str, str], said: str):
    command = [str(PYTHON), "-m", "uvicorn", "app:app", "--port", str(free_port())]
    done = subprocess.run(
        command, cwd=copy, check=False, capture_output=True, text=True, timeout=30, env=environment(**variables)
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@needs_service
@pytest.mark.usefixtures("ports")
def test_control_c_ends_both_services(copy: Path):
    with served(copy, free_port()) as service:
        children = psutil.Process(service.pid).children(recursive=True)
        assert len(children) == 2
        service.send_signal(signal.SIGINT)
        assert service.wait(10) == 0
        assert not [child for child in children if child.is_running()]


@needs_service
@pytest.mark.usefixtures("ports")
def test_when_one_ends_the_other_is_ended_too(copy: Path):
    with served(copy, free_port()) as service:
        pictures, classifier = psutil.Process(service.pid).children(recursive=True)
        pictures.kill()
        assert service.wait(10) == 1
        assert not classifier.is_running()


# What is made ---------------------------------------------------------------------------------------------------------


@needs_service
@pytest.mark.usefixtures("ports")
def test_networks_and_pictures_are_the_same_every_time(copy: Path, tmp_path: Path):
    command = [str(PYTHON), str(EXAMPLE / "train.py"), str(tmp_path / "again")]
    said = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env=environment(PYTHONHASHSEED="7")
    )
    assert len(re.findall(r"9\d\.\d% of the test pictures are recognised", said.stdout)) == 2

    first, again = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (copy / "made", tmp_path / "again")
    )
    assert first == again
    assert sorted(first) == sorted([*NAMES, "tf.onnx", "torch.onnx"])
    assert len(NAMES) == len(set(NAMES)) == 599
    assert [path.name for path in tmp_path.iterdir()] == ["again"], "a draft was left"


def test_the_image_installs_what_the_lock_says():
    image, locked = (
        set(re.findall(r"^(\S+==\S+)", file.read_text(), re.MULTILINE))
        for file in (EXAMPLE / "requirements.txt", ROOT / "requirements/examples.txt")
    )
    assert {"fastapi", "httpx", "onnxruntime", "pillow", "scikit-learn", "skl2onnx", "uvicorn"} <= {
        pin.split("==")[0] for pin in image
    }
    assert image <= locked


def test_the_image_has_every_file():
    wanted = {file.name for file in EXAMPLE.glob("*.py")} | {"requirements.txt"}
    copied = re.findall(r"^COPY (.+) \S+$", (EXAMPLE / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == wanted
    assert set((EXAMPLE / ".dockerignore").read_text().split()) == {"*", *(f"!{name}" for name in wanted)}


# The load -------------------------------------------------------------------------------------------------------------


ROWS = {"GET /", "POST /predict/torch_model/", "POST /predict/tf/", "POST /predict/tf/ (no such picture)"}


def locust(port: int, tmp_path: Path, locustfile: Path = LOCUSTFILE) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code of three seconds of load, and Locust's rows by method and name."""
    host, table = f"http://127.0.0.1:{port}", tmp_path / "table"
    options = ["--headless", "-u", "20", "-r", "20", "-t", "3s", "--host", host, "--csv", str(table), "--only-summary"]
    command = [str(LOCUST), "-f", str(locustfile), *options]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    with table.with_name("table_stats.csv").open(newline="") as lines:
        return done.returncode, {f"{row['Type']} {row['Name']}".strip(): row for row in csv.DictReader(lines)}


@needs_service
@needs_locust
def test_the_locustfile_finds_nothing_wrong_with_the_service(ports: dict[str, int], tmp_path: Path):
    """And works where `ml_loadtest` cannot be imported."""
    alone = tmp_path / "locustfiles" / LOCUSTFILE.name
    for file, place in (
        (LOCUSTFILE, alone),
        (EXAMPLE / "digits.txt", tmp_path / "examples/image-classifier/digits.txt"),
    ):
        place.parent.mkdir(parents=True)
        shutil.copy(file, place)
    code, rows = locust(ports["mended"], tmp_path, alone)
    assert set(rows) == {*ROWS, "Aggregated"}
    assert {row["Failure Count"] for row in rows.values()} == {"0"}
    assert int(rows["Aggregated"]["Request Count"]) > 100
    assert code == 0


TORCH = {"status_code": 200, "predicted_label": "7", "probability": 99.5}
TF = {"status_code": 200, "predicted_label": "7", "probability": 0.995}
WRONG = {
    "GET /": [{"msg": "Hello World"}, "something went wrong", {}],
    "torch": [
        {**TORCH, "probability": 0.995},
        {**TORCH, "probability": 101},
        {**TORCH, "probability": "99.5"},
        {**TORCH, "probability": None},
        {**TORCH, "predicted_label": "dog"},
        {**TORCH, "predicted_label": 7},
        {**TORCH, "predicted_label": ["7"]},
        {**TORCH, "status_code": 500},
        {**TORCH, "more": 1},
        {"status_code": 200, "predicted_label": "7"},
        "something went wrong",
        [],
    ],
    "tf": [*({**TF, "probability": wrong} for wrong in (99.5, 0.05, -0.5, True)), {**TF, "predicted_label": ""}],
    "missing": [(200, TF), (404, {"detail": "Not Found"}), (404, "Image could not be downloaded"), (500, REFUSAL[1])],
}  # fmt: skip


def asked_for(path: str, body: bytes) -> str:
    return "GET /" if path == "/" else "torch" if "torch" in path else "missing" if b"missing" in body else "tf"


@contextmanager
def stub(answer) -> Iterator[ThreadingHTTPServer]:
    """A service that answers what `answer` says of a path and a body: a status and a JSON value."""

    class Stub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, value = answer(self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            head = f"HTTP/1.1 {status} Any\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            self.wfile.write(head + content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@needs_locust
def test_the_locustfile_takes_every_wrong_answer_for_a_failure(tmp_path: Path):
    turns = {kind: count() for kind in WRONG}

    def answer(path: str, body: bytes) -> tuple[int, object]:
        kind = asked_for(path, body)
        value = WRONG[kind][next(turns[kind]) % len(WRONG[kind])]
        return value if isinstance(value, tuple) else (200, value)

    with stub(answer) as server:
        code, rows = locust(server.server_port, tmp_path)
    assert code == 1
    for name in ROWS:
        assert rows[name]["Failure Count"] == rows[name]["Request Count"]
    for kind, turn in turns.items():
        assert next(turn) >= len(WRONG[kind]), f"not every wrong answer to {kind} was given"


@needs_locust
@pytest.mark.skipif(not TOOL.exists(), reason="no .venv; `make install` makes it")
def test_a_wrong_label_is_no_failure_but_is_counted(tmp_path: Path):
    """By our own instrument: everything is a seven, which is right about once in ten."""
    sevens: Counter[bool] = Counter()

    def answer(path: str, body: bytes) -> tuple[int, object]:
        kind = asked_for(path, body)
        if kind in ("torch", "tf"):
            sevens[b"-7.png" in body] += 1
        return {
            "GET /": (200, {"msg": "Hello World !!!!"}),
            "torch": (200, TORCH),
            "tf": (200, TF),
            "missing": REFUSAL,
        }[kind]

    with stub(answer) as server:
        target = ["--url", f"http://127.0.0.1:{server.server_port}", "--compare-with", "none"]
        command = [str(TOOL), "run", "--config", str(EXAMPLE / "loadtest.yml"), *target]
        options = ["--duration", "3s", "--warm-up", "1s", "--out", str(tmp_path / "out")]
        # Nobody's times are judged, so a busy machine may stay one.
        busy = ["--run-queue", "100%", "--event-loop-lag", "10s", "--longest-stall", "10s"]
        done = subprocess.run([*command, *options, *busy], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "limit-exceeded: share of right predictions of POST /predict/tf/ is" in done.stdout + done.stderr
    assert "none failed" in (tmp_path / "out/comment.md").read_text()
    lines = (tmp_path / "out/samples/extras-0.jsonl").read_text().splitlines()
    found = Counter(json.loads(line)[1]["correct"] for line in lines)
    # Readiness asked for a three, three times in a row.
    assert found == {1: sevens[True], 0: sevens[False] - 3}
    assert 0 < found[1] < found[0]

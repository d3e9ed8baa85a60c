"""The recommender as a real process, asked over HTTP, and under its own locustfile in real Locust."""

import ast
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .services import LOCUST, PYTHON, ROOT, answer_of, free_port, needs_locust, needs_service, wait_until_answered

EXAMPLE = ROOT / "examples/recommender"
LOCUSTFILE = ROOT / "locustfiles/recommender.py"

USERS = ["17850", "13047", "12583", "13748", "15100", "15291", "14688", "17809", "15311", "16098"]
ITEMS = ["85123A", "71053", "84406B", "84029G", "84029E", "22752", "21730", "22633", "22632", "84879"]


@contextmanager
def process(*command: str, cwd: Path, port: int, delay_ms: str | None = None) -> Iterator[subprocess.Popen]:
    environment = {name: value for name, value in os.environ.items() if name != "DELAY_MS"}
    if delay_ms is not None:
        environment["DELAY_MS"] = delay_ms
    with subprocess.Popen([str(PYTHON), *command, "--port", str(port)], cwd=cwd, env=environment) as service:
        try:
            wait_until_answered(service, port, "/predict/user/17850")
            yield service
        finally:
            service.kill()


def get(port: int, path: str) -> tuple[int, dict]:
    status, _, body = answer_of(port, path)
    return status, json.loads(body)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a fresh checkout has it, without data."""
    folder = tmp_path_factory.mktemp("recommender")
    for name in ("app.py", "data.py", "serve.py"):
        shutil.copy(EXAMPLE / name, folder)
    return folder


@pytest.fixture(scope="module")
def port(copy: Path) -> Iterator[int]:
    chosen = free_port()
    with process("-m", "uvicorn", "app:app", "--log-level", "warning", cwd=copy, port=chosen):
        yield chosen


@needs_service
class TestAnswers:
    def test_health_keeps_the_originals_spelling(self, port: int):
        assert get(port, "/") == (200, {"staus": "ok"})

    @pytest.mark.parametrize("user", USERS)
    def test_a_user_gets_five_items_as_a_text(self, port: int, user: str):
        status, answer = get(port, f"/predict/user/{user}")
        assert status == 200
        items = ast.literal_eval(answer.pop("data")[user])
        assert answer == {"success": True, "type": "user_based", "total": 5}
        assert len(set(items)) == 5

    @pytest.mark.parametrize("item", ITEMS)
    def test_an_item_gets_one_fewer_than_asked_for_and_never_itself(self, port: int, item: str):
        status, answer = get(port, f"/predict/item/{item}")
        assert status == 200
        items = ast.literal_eval(answer.pop("data")[item])
        assert answer == {"success": True, "type": "item_based", "total": 5}
        assert len(set(items)) == 4
        assert item not in items

    def test_n_cuts_the_same_ranking(self, port: int):
        for kind, asked, short in (("user", "13047", 3), ("item", "22752", 2)):
            long_list = ast.literal_eval(get(port, f"/predict/{kind}/{asked}?n=9")[1]["data"][asked])
            _, answer = get(port, f"/predict/{kind}/{asked}?n=3")
            assert answer["total"] == 3
            assert ast.literal_eval(answer["data"][asked]) == long_list[:short]

    def test_a_user_is_told_what_the_nearest_other_user_did_not_buy(self, port: int, copy: Path):
        """Worked out once more from the file, by sets and in plain Python."""
        baskets: dict[str, dict[str, None]] = {}
        for row in purchases(copy / "online_retail.csv"):
            baskets.setdefault(row["CustomerID"], {})[row["StockCode"]] = None
        for user in USERS:
            mine = baskets[user]
            likeness = {
                other: len(mine.keys() & theirs) / (len(mine) * len(theirs)) ** 0.5
                for other, theirs in baskets.items()
                if other != user
            }
            best = max(likeness.values())
            nearest = [other for other, value in likeness.items() if value >= best - 1e-12]
            told = ast.literal_eval(get(port, f"/predict/user/{user}")[1]["data"][user])
            assert told in [[item for item in mine if item not in baskets[other]][:5] for other in nearest]

    @pytest.mark.parametrize("path", ["/predict/user/1", "/predict/item/nothing"])
    def test_an_unknown_id_is_a_404_that_names_it(self, port: int, path: str):
        status, answer = get(port, path)
        assert status == 404
        assert path.rsplit("/", 1)[1] in answer["detail"]

    @pytest.mark.parametrize("n", ["0", "-1", "many"])
    def test_an_impossible_n_is_refused(self, port: int, n: str):
        assert get(port, f"/predict/user/17850?n={n}")[0] == 422

    def test_without_a_delay_an_answer_takes_milliseconds(self, port: int):
        assert min(seconds(port, "/predict/user/17850") for _ in range(20)) < 0.03


@needs_service
def test_a_delay_holds_the_worker_and_a_signal_ends_the_service(copy: Path):
    port = free_port()
    with process(str(copy / "serve.py"), cwd=copy.parent, port=port, delay_ms="80") as service:
        assert min(seconds(port, path) for path in ("/predict/user/17850", "/predict/item/71053")) >= 0.08
        assert min(seconds(port, "/") for _ in range(5)) < 0.08
        askers = [Thread(target=get, args=(port, "/predict/user/17850")) for _ in range(4)]
        started = time.perf_counter()
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert time.perf_counter() - started >= 4 * 0.08, "the predictions ran side by side"
        service.send_signal(signal.SIGTERM)
        assert service.wait(10) in (0, -signal.SIGTERM)


def seconds(port: int, path: str) -> float:
    started = time.perf_counter()
    assert get(port, path)[0] == 200
    return time.perf_counter() - started


@needs_service
def test_the_data_is_the_same_every_time(tmp_path: Path):
    for name, hash_seed in (("one.csv", "1"), ("two.csv", "2")):
        command = [str(PYTHON), str(EXAMPLE / "data.py"), str(tmp_path / name)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed}, timeout=60)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv", "two.csv"]

    rows = list(purchases(tmp_path / "one.csv"))
    assert list(rows[0]) == [
        "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country",
    ]  # fmt: skip
    assert 35_000 < len(rows) < 42_000
    assert list(dict.fromkeys(row["CustomerID"] for row in rows))[:10] == USERS
    assert list(dict.fromkeys(row["StockCode"] for row in rows))[:10] == ITEMS
    assert len({row["CustomerID"] for row in rows}) == 800
    assert len({row["StockCode"] for row in rows}) == 600


def purchases(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["CustomerID"] and int(row["Quantity"]) > 0:
                yield row


def test_the_image_installs_what_the_lock_says():
    image, locked = (
        set(re.findall(r"^(\S+==\S+)", file.read_text(), re.MULTILINE))
        for file in (EXAMPLE / "requirements.txt", ROOT / "requirements/examples.txt")
    )
    assert {"fastapi", "numpy", "pandas", "uvicorn"} <= {pin.split("==")[0] for pin in image}
    assert image <= locked


def locust(port: int, tmp_path: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code of three seconds of load, and Locust's rows by method and name."""
    host, table = f"http://127.0.0.1:{port}", tmp_path / "table"
    options = ["--headless", "-u", "8", "-r", "8", "-t", "3s", "--host", host, "--csv", str(table), "--only-summary"]
    command = [str(LOCUST), "-f", str(LOCUSTFILE), *options]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    with table.with_name("table_stats.csv").open(newline="") as lines:
        return done.returncode, {f"{row['Type']} {row['Name']}".strip(): row for row in csv.DictReader(lines)}


@needs_service
@needs_locust
def test_the_locustfile_finds_nothing_wrong_with_the_service(port: int, tmp_path: Path):
    code, rows = locust(port, tmp_path)
    assert set(rows) == {"GET /", "GET /predict/user/{user_id}", "GET /predict/item/{item_id}", "Aggregated"}
    assert {row["Failure Count"] for row in rows.values()} == {"0"}
    assert int(rows["Aggregated"]["Request Count"]) > 20
    assert int(rows["GET /"]["Request Count"]) == 1, "health checks are one user's, every 10 s or more"
    assert code == 0


class Impostor(BaseHTTPRequestHandler):
    """Always 200: users get somebody else's answer, items an error's text."""

    def do_GET(self):
        user = b'{"success":true,"type":"user_based","total":5,"data":{"1":"[]"}}'
        body = user if "/user/" in self.path else b"something went wrong"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@needs_locust
def test_the_locustfile_takes_a_200_with_a_wrong_body_for_a_failure(tmp_path: Path):
    with HTTPServer(("127.0.0.1", 0), Impostor) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        code, rows = locust(server.server_port, tmp_path)
        server.shutdown()
    assert code == 1
    for name in ("GET /predict/user/{user_id}", "GET /predict/item/{item_id}"):
        assert rows[name]["Failure Count"] == rows[name]["Request Count"] != "0"

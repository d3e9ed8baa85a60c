"""Load for `examples/criteo`: records to score, and now and then one that cannot be scored.

    locust -f locustfiles/criteo.py --headless -u 200 -r 200 -t 30s --host http://127.0.0.1:8000

A plain Locust file. Only `random` is drawn from: it is seeded for each run, so that two runs ask the same questions. `API_KEY`
is the key that is sent. `VARIANT=flawed` sends the first record every time, as the original did.
"""

import csv
import os
import random
from pathlib import Path

from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import ResponseContextManager

try:
    from ml_loadtest import attach
except ImportError:  # plain Locust without our folder on its path

    def attach(**_: float) -> None:
        """Nobody is there to store a number."""


RECORDS = Path(__file__).parents[1] / "examples/criteo/records.csv"
SCORE = "/api/v1/service/lightgbm-criteo/score"
# The example's own key is no secret. It stands for one that is not set, or set to nothing, as in a fork's workflow.
HEADERS = {"Authorization": f"Bearer {os.environ.get('API_KEY') or 'criteo-demo-key'}"}
VARIANT = os.environ.get("VARIANT") or "mended"


def read(file: Path) -> list[tuple[int, dict]]:
    """Label and record of each line. The label is no part of what is sent."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [(int(row.pop("label")), {name: value(name, cell) for name, cell in row.items()}) for row in rows]


def value(name: str, cell: str) -> int | str | None:
    if not cell:
        return None
    return int(cell) if name.startswith("int") else cell


ROWS = read(RECORDS)
if VARIANT not in ("mended", "flawed"):
    raise ValueError(f"VARIANT is {VARIANT!r}; it can be mended or flawed")
if VARIANT == "flawed":
    ROWS = ROWS[:1]


class Scorer(FastHttpUser):
    """Asks for a score every second or two, the original's pace.

    With 200 users that is a request every eight milliseconds: response times, not the length of the queue. FastHttpUser costs a
    fraction of HttpUser's time for each request, and generator and service share this machine's cores.
    """

    wait_time = between(1, 2)

    @task(97)
    def score(self) -> None:
        label, record = random.choice(ROWS)
        with self.client.post(SCORE, json=record, headers=HEADERS, catch_response=True) as response:
            if response.status_code == 200 and (score := scored(response)) is not None:
                # Right or wrong about a click is no failure; it is what accuracy is made of.
                attach(correct=int((score >= 0.5) == (label == 1)))

    @task(3)
    def score_text(self) -> None:
        """Callers make mistakes. A text for an integer has to be refused, and a refusal must not look like a score."""
        _, record = random.choice(ROWS)
        wrong = {**record, "int00": "n/a"}
        name = f"{SCORE} (text for an integer)"
        with self.client.post(SCORE, json=wrong, headers=HEADERS, name=name, catch_response=True) as response:
            if response.status_code == 400:
                response.success()
            elif response.status_code == 200 and scored(response) is not None:
                response.failure("a score for a record that has a text for an integer")


def scored(response: ResponseContextManager) -> float | None:
    """The score. A 200 without one is a failure, and says what was there instead. Other statuses fail by themselves."""
    try:
        result = response.json()["result"]
        right = isinstance(result, int | float) and not isinstance(result, bool) and 0 <= result <= 1
    except (ValueError, KeyError, TypeError):
        right = False
    if right:
        return result
    response.failure(f"no score from 0 to 1: {(response.text or '')[:100]}")
    return None

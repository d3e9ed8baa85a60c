"""Load for `examples/fish`: users who ask, for one fish of a labelled table after another, whether it is bream or smelt.

    locust -f locustfiles/fish.py --headless -u 10 -r 10 -t 30s --host http://127.0.0.1:8765

A plain Locust file. In tasks only `random` is drawn from: it is seeded for each run, so that two runs ask about the same fish.
"""

import importlib.util
import random
from pathlib import Path

from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import ResponseContextManager

try:
    from ml_loadtest import attach
except ImportError:  # under plain Locust the numbers go nowhere

    def attach(**_: float) -> None: ...


# The example's own module makes the table, in less than a second, so that what a fish is like is said only once.
found = importlib.util.spec_from_file_location("fish_data", Path(__file__).parents[1] / "examples/fish/data.py")
data = importlib.util.module_from_spec(found)
found.loader.exec_module(data)

TABLE = data.unseen()
NAMES = data.NAMES
NEIGHBOURS = [1, 5, 15, 25, 49]

replicas: dict[str, int] = {}  # each replica's number, by order of appearance


class Angler(FastHttpUser):
    """Asks for every k in equal parts.

    The pauses keep two replicas, with 0.3 of a core each, about a third busy with 10 users.
    """

    wait_time = between(0.05, 0.15)

    @task
    def ask(self) -> None:
        length, weight, label = random.choice(TABLE)
        k = random.choice(NEIGHBOURS)
        url = f"/fish?length={length}&weight={weight}&k={k}"
        # A name for each k and not for each fish: k is what the answer's quality depends on.
        with self.client.get(url, name=f"/fish k={k}", catch_response=True) as response:
            if response.status_code == 200 and (prediction := check(response, length, weight)):
                # A wrong guess is a model's right, and no failure; a replica's number is for counting its share.
                attach(correct=int(prediction == label), **which_replica(response))


def check(response: ResponseContextManager, length: float, weight: float) -> str | None:
    """The prediction. A 200 with a wrong body is a failure, and says what was wrong; other statuses fail by themselves."""
    shown = (response.text or "")[:100]
    try:
        answer = response.json()
        prediction, echo = answer["prediction"], (answer["length"], answer["weight"])
    except (ValueError, KeyError, TypeError):
        response.failure(f"not a prediction: {shown}")
        return None
    if echo != (length, weight):
        response.failure(f"the answer to another question than length {length}, weight {weight}: {shown}")
        return None
    if prediction not in NAMES:
        response.failure(f"neither {NAMES[0]} nor {NAMES[1]}: {shown}")
        return None
    return prediction


def which_replica(response: ResponseContextManager) -> dict[str, int]:
    """Where nginx tried one replica after another it names both; the last one answered."""
    name = (response.headers or {}).get("X-Replica", "").split(", ")[-1]
    return {"replica": replicas.setdefault(name, len(replicas))} if name else {}

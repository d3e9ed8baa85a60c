"""Load for `examples/image-classifier`: many pictures to recognise, some of which are not there.

    locust -f locustfiles/image_classifier.py --headless -u 20 -r 20 -t 15s --host http://127.0.0.1:8000

A plain Locust file. Only `random` is drawn from: it is seeded for each run, so that two runs ask for the same pictures.
"""

import random
import re
from itertools import accumulate
from pathlib import Path

from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import ResponseContextManager

try:
    from ml_loadtest import attach
except ImportError:  # this file by itself, without ours beside it

    def attach(**numbers: float) -> None:
        """Nobody is there to store them."""


INDEX = Path(__file__).parents[1] / "examples/image-classifier/digits.txt"
# Read once in each process. `digits/0003-3.png` is relative: only the classifier knows where the pictures are served.
PICTURES = INDEX.read_text().split()
LABELS = [re.fullmatch(r"digits/\d{4}-(\d)\.png", name)[1] for name in PICTURES]
# Some pictures are asked for far more often than others, as everywhere. One picture alone would always be in the service's cache,
# and all of them equally often only now and then. Like this four of five requests find theirs: p50 is a picture that was kept,
# p95 one that was downloaded.
POPULARITY = list(accumulate((5 + rank) ** -1.5 for rank in range(len(PICTURES))))

MISSING = {"detail": "Image could not be downloaded"}
# The probability of certainty. One route answers in percent, the other in shares.
CERTAIN = {"torch_model": 100.0, "tf": 1.0}


class ImageClassifier(FastHttpUser):
    """Asks both routes in the original's proportion, 1 : 2 : 3, and now and then for a picture that is not there.

    FastHttpUser costs a fraction of HttpUser's time for each request, and generator and service share this machine's cores.
    The original's 100 users wait 1 to 3 s, some 50 requests a second. 20 users with short pauses ask for about three times as
    many, enough for a p95 of each route in 15 s, and keep one core about a fifth busy: response times, not the length of the
    queue.
    """

    wait_time = between(0.05, 0.2)

    @task(3)
    def hello(self) -> None:
        with self.client.get("/", catch_response=True) as response:
            if response.status_code == 200 and body(response) != {"msg": "Hello World !!!!"}:
                response.failure(f"not the greeting: {shown(response)}")

    @task(6)
    def torch(self) -> None:
        self.predict("torch_model")

    @task(9)
    def tf(self) -> None:
        self.predict("tf")

    @task(1)
    def missing(self) -> None:
        """A 404 is the right answer here. A row of its own: what it takes says nothing about a prediction."""
        asked = {"img_url": f"digits/missing-{random.randrange(10**9)}.png"}
        name = "/predict/tf/ (no such picture)"
        with self.client.post("/predict/tf/", json=asked, name=name, catch_response=True) as response:
            if response.status_code == 404 and body(response) == MISSING:
                response.success()
            elif response.status_code in (200, 404):
                response.failure(f"not the refusal of a picture that is not there: {shown(response)}")

    def predict(self, route: str) -> None:
        (index,) = random.choices(range(len(PICTURES)), cum_weights=POPULARITY)
        asked = {"img_url": PICTURES[index]}
        path = f"/predict/{route}/"
        with self.client.post(path, json=asked, name=path, catch_response=True) as response:
            if response.status_code != 200:
                return  # fails by itself
            answer = body(response)
            if prediction(answer, CERTAIN[route]):
                # The wrong label is no failure: no network is always right. How often it is, is for the report.
                attach(correct=int(answer["predicted_label"] == LABELS[index]))
            else:
                response.failure(f"not a prediction of {route}: {shown(response)}")


def prediction(answer: object, certain: float) -> bool:
    """Whether a body is what the route promises. The likeliest of ten labels has a tenth at least: a share is no percentage."""
    if not isinstance(answer, dict) or set(answer) != {"status_code", "predicted_label", "probability"}:
        return False
    probability = answer["probability"]
    return (
        answer["status_code"] == 200
        and answer["predicted_label"] in list("0123456789")
        and type(probability) in (int, float)
        and certain / 10 <= probability <= certain * 1.0001  # single precision adds up to a little more than one
    )


def body(response: ResponseContextManager) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def shown(response: ResponseContextManager) -> str:
    return (response.text or "")[:100]

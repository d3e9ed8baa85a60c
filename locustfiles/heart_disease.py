"""Load for `examples/heart-disease`: four complete patients to one with a field missing.

    locust -f locustfiles/heart_disease.py --headless -u 20 -r 20 -t 30s --host http://127.0.0.1:8080

A plain Locust file. Only `random` is drawn from: it is seeded for each run, so that two runs ask the same questions.
`VARIANT=flawed` has the original's mistake: the random patient is drawn when this file is imported, and never again.
"""

import csv
import os
import random
from pathlib import Path

from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import ResponseContextManager

try:
    from ml_loadtest import attach
except ImportError:  # plain Locust, where the number would go nowhere

    def attach(**_numbers: float) -> None:
        pass


VARIANT = os.environ.get("VARIANT") or "mended"
if VARIANT not in ("mended", "flawed"):
    raise ValueError(f"VARIANT is mended or flawed, not {VARIANT!r}")

DIAGNOSES = ["clear", "heart-disease"]
HELD_OUT = Path(__file__).parents[1] / "examples/heart-disease/held-out.csv"


def held_out() -> list[dict[str, float]]:
    """The patients that the model was not trained on, with the right answer as `target`."""
    with HELD_OUT.open(newline="") as lines:
        return [
            {field: float(value) if "." in value else int(value) for field, value in row.items()}
            for row in csv.DictReader(lines)
        ]


# Read once for each process, not for each user.
PATIENTS = held_out()
# By how much a drawn patient may differ from the one in the file: enough to be somebody new, too little to be another diagnosis.
NUDGES = {"age": 2, "trestbps": 4, "chol": 8, "thalach": 4}
# A nudge leads nowhere that the file's patients are not, so never out of the ranges of the training.
SPANS = {field: sorted(patient[field] for patient in PATIENTS) for field in NUDGES}


def somebody(chance: random.Random | None = None) -> dict[str, float]:
    """A patient nobody has asked about yet, most likely: one from the file with the measured values nudged."""
    draw = chance or random
    patient = dict(draw.choice(PATIENTS))
    for field, most in NUDGES.items():
        nudged = patient[field] + draw.randint(-most, most)
        patient[field] = min(max(nudged, SPANS[field][0]), SPANS[field][-1])
    return patient


# Random, and the same for ever. The original's seed.
ONCE = somebody(random.Random(42))


class Clinic(FastHttpUser):
    """Asks about patients. The pauses keep the two workers busy for about a third of one core with 20 users."""

    wait_time = between(0.2, 0.4)

    def patient(self) -> dict[str, float]:
        return dict(ONCE) if VARIANT == "flawed" else somebody()

    @task(4)
    def complete(self) -> None:
        patient = self.patient()
        right = DIAGNOSES[int(patient.pop("target"))]
        with self.client.post("/predict", json=patient, catch_response=True) as response:
            diagnosis = check_diagnosis(response)
            if diagnosis:
                # A wrong diagnosis is no failure of the service: even the best model has some.
                attach(correct=int(diagnosis == right))

    @task(1)
    def incomplete(self) -> None:
        patient = self.patient()
        del patient["target"]
        missing = random.choice(list(patient))
        del patient[missing]
        # A name of its own: a refusal takes a fraction of a prediction's time, and would be the lower half of its quantiles.
        name = "/predict (field missing)"
        with self.client.post("/predict", json=patient, name=name, catch_response=True) as response:
            check_refusal(response, missing)


def check_diagnosis(response: ResponseContextManager) -> str | None:
    """The diagnosis. Any other answer than one of the two is a failure; statuses from 400 fail by themselves, as do time-outs."""
    diagnosis = field_of(response, "diagnosis")
    if response.status_code == 200 and diagnosis in DIAGNOSES:
        return diagnosis
    if 0 < response.status_code < 400:
        response.failure(f"not a diagnosis: {shown(response)}")
    return None


def check_refusal(response: ResponseContextManager, missing: str) -> None:
    """Right is only a 400 that names the field. A diagnosis without it would be a guess, and a 500 says nothing to the caller."""
    if response.status_code == 400 and field_of(response, "field") == missing:
        response.success()
    elif response.status_code:  # 0: there was no answer, and Locust says why
        response.failure(f"not a refusal that names {missing}: {shown(response)}")


def field_of(response: ResponseContextManager, field: str) -> object:
    try:
        answer = response.json()
    except (ValueError, TypeError):  # TypeError: an answer without a body
        return None
    return answer.get(field) if isinstance(answer, dict) else None


def shown(response: ResponseContextManager) -> str:
    return f"{response.status_code} {(response.text or '')[:100]}"

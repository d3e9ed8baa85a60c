"""A diagnosis from thirteen numbers: a scikit-learn pipeline behind Flask, the way most first models go live."""

import json
import os

# One core to one worker: what a prediction costs must not depend on who else is at work. Has to come before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import data
import joblib
import pandas as pd
import train
from flask import Flask, request
from flask.typing import ResponseReturnValue
from sklearn.pipeline import Pipeline

DIAGNOSES = ["clear", "heart-disease"]


def load() -> Pipeline:
    """The pipeline. Trained first, if nobody has done it yet."""
    if not train.FILE.exists():
        train.train()
    return joblib.load(train.FILE)


pipeline = load()
app = Flask(__name__)


@app.get("/health")
def health() -> ResponseReturnValue:
    return "OK", {"Content-Type": "text/plain"}


@app.post("/predict")
def predict() -> ResponseReturnValue:
    try:
        patient = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return refusal("the body is not JSON")
    if not isinstance(patient, dict):
        return refusal("the body is not an object with the 13 fields of a patient")
    for field in data.RANGES:
        if wrong := fault(patient, field):
            return refusal(f"{field} {wrong}", field)
    row = pd.DataFrame([patient], columns=list(data.RANGES))
    return {"diagnosis": DIAGNOSES[pipeline.predict(row)[0]]}


def fault(patient: dict, field: str) -> str | None:
    """What is wrong with a patient's field. Outside the range of its training the model would guess, so that is refused too."""
    if field not in patient:
        return "is missing"
    value, (low, high) = patient[field], data.RANGES[field]
    # To Python, True is a number; to a patient's record it is a mistake.
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return None if field == "oldpeak" or value == int(value) else "must be a whole number"
    return f"must be a number from {low} to {high}"


def refusal(error: str, field: str | None = None) -> ResponseReturnValue:
    return {"error": error, "field": field}, 400

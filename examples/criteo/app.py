"""A click scorer behind a key: one record in, the chance of a click out.

`VARIANT=flawed` answers every error with status 200 and the error's text as the result, as the original did. `API_KEY` is the key
that callers must send.
"""

import json
import os
import secrets
import sys

# One core to one worker: what a prediction costs must not depend on who else is at work. Has to come before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

if (variant := os.environ.get("VARIANT")) not in (None, "", "mended", "flawed"):  # said before the long imports
    sys.exit(f"VARIANT is {variant!r}; it can be mended or flawed")

import features
import lightgbm
import train
from fastapi import Depends, FastAPI, HTTPException, Request

VARIANT = os.environ.get("VARIANT") or "mended"
API_KEY = os.environ.get("API_KEY") or "criteo-demo-key"  # the example's own, which everybody may know

if not train.FILE.exists():
    train.write()
model = lightgbm.Booster(model_file=train.FILE)  # and one thread, which the file says too

app = FastAPI(title="Criteo")


def check_key(request: Request) -> None:
    sent = request.headers.get("Authorization", "")
    # Compared in the same time wherever the first difference is, so that nobody can guess the key piece by piece.
    if not secrets.compare_digest(sent.encode(), f"Bearer {API_KEY}".encode()):
        raise HTTPException(401, "the key is missing or wrong", {"WWW-Authenticate": "Bearer"})


@app.get("/score")
async def score_nothing() -> dict:
    """A score without a key or a body, of a record with nothing in it: whoever gets it knows that the model is there."""
    return {"result": predict({})}


@app.post("/api/v1/service/lightgbm-criteo/score", dependencies=[Depends(check_key)])
async def score(request: Request) -> dict:
    body = await request.body()
    try:
        return {"result": predict(record(body))}
    except ValueError as error:
        if VARIANT == "flawed":
            return {"result": str(error)}
        raise HTTPException(400, str(error)) from error


def record(body: bytes) -> dict:
    """The record, sent as a JSON object or as a text that holds one; the original's callers sent both."""
    try:
        sent = json.loads(body)
        sent = json.loads(sent) if isinstance(sent, str) else sent
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is no JSON") from error
    if isinstance(sent, dict):
        return sent
    raise ValueError("the body is no JSON object")


def predict(record: dict) -> float:
    return float(model.predict(features.matrix([record]))[0])

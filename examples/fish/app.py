"""Bream or smelt by its nearest neighbours: the service that runs twice behind nginx.

`VARIANT=flawed` reads the model's pickle on every request, as the original did without knowing; `mended` reads all five before
the first.
"""

import os
import pickle
import sys

import train  # sets the number of threads, so it comes before numpy
from fastapi import FastAPI, HTTPException
from pydantic import FiniteFloat

VARIANT = os.environ.get("VARIANT") or "mended"
if VARIANT not in ("mended", "flawed"):
    sys.exit(f"VARIANT is {VARIANT!r}; it has to be `mended` or `flawed`")

app = FastAPI(title="Fish")


def read(k: int) -> dict:
    with train.file_of(k).open("rb") as file:
        return pickle.load(file)  # noqa: S301 (our own, made by train.py)


if not all(train.file_of(k).exists() for k in train.NEIGHBOURS):
    train.write()

models = {k: read(k) for k in train.NEIGHBOURS} if VARIANT == "mended" else {}
cached_k, cached = 50, None


def look_up(k: int) -> dict:
    if VARIANT == "mended":
        return models[k]
    return look_up_flawed(k)


def look_up_flawed(k: int) -> dict:
    """A cache that never hits: it compares with a k that nobody asks for, and what it keeps has another name."""
    if k == cached_k:
        return cached
    global chached  # noqa: PLW0603 (the flaw)
    chached = read(k)
    return chached


@app.get("/")
async def hello() -> dict:
    return {"Hello": "world"}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None) -> dict:
    return {"item_id": item_id, "q": q}


@app.get("/fish")
async def fish(length: FiniteFloat, weight: FiniteFloat, k: int = 5) -> dict:
    """Scaled before it is compared: grams are in the hundreds, and would drown the centimetres."""
    if k not in train.NEIGHBOURS:
        raise HTTPException(400, f"there is no model for k={k}; there are {', '.join(map(str, train.NEIGHBOURS))}")
    trained = look_up(k)
    scaled = (([length, weight] - trained["mean"]) / trained["std"]).reshape(1, 2)
    return {"prediction": str(trained["model"].predict(scaled)[0]), "length": length, "weight": weight}

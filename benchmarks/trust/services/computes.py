"""A service whose every answer costs CPU on its event loop, as a small model's does."""

from fastapi import FastAPI, HTTPException
from planted import factor, fails, leak, stall
from pydantic import BaseModel

app = FastAPI()
_STEPS = 150_000


class Features(BaseModel):
    number: int


@app.get("/")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(features: Features) -> dict[str, float]:
    stall()
    leak()
    if fails(features.number):
        raise HTTPException(500, "out of luck")
    score = float(features.number)
    for _ in range(int(_STEPS * factor(features.number))):
        score = (score * 1.000001 + 1.0) % 1000.0
    return {"score": score}

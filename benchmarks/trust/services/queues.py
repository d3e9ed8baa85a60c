"""A service whose requests wait in a queue for an accelerator that takes up to four at a time; it needs next to no CPU."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from planted import factor, fails, stall
from pydantic import BaseModel

_BATCH = 4
_BATCH_S = 0.010
_waiting: asyncio.Queue[tuple[float, asyncio.Future[None]]] = asyncio.Queue()


async def _accelerate() -> None:
    """A batch takes as long as its slowest request. The sleep is a thread's: the event loop's own rounds to a millisecond."""
    while True:
        batch = [await _waiting.get()]
        while len(batch) < _BATCH and not _waiting.empty():
            batch.append(_waiting.get_nowait())
        await asyncio.to_thread(time.sleep, _BATCH_S * max(times for times, _ in batch))
        for _, done in batch:
            done.set_result(None)


@asynccontextmanager
async def _accelerator(_app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(_accelerate())
    yield
    task.cancel()


app = FastAPI(lifespan=_accelerator)


class Features(BaseModel):
    number: int


@app.get("/")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(features: Features) -> dict[str, float]:
    stall()
    if fails(features.number):
        raise HTTPException(500, "out of luck")
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await _waiting.put((factor(features.number), done))
    await done
    return {"score": features.number / 1000}

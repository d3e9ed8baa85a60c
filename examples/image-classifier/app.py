"""An image classifier as it is often served: an address of a picture in, a label and its probability out, two frameworks.

`VARIANT=flawed` makes the original's mistakes: network and picture are fetched in every request, inside the event loop.
"""

from collections.abc import Callable

from download import NotLoadable
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from variants import VARIANT, classify

app = FastAPI(title="Image classifier")


class Img(BaseModel):
    img_url: str


@app.get("/")
async def hello() -> dict:
    return {"msg": "Hello World !!!!"}


def predict_torch(img: Img) -> dict:
    label, probability = classified("torch", img)
    return {"status_code": 200, "predicted_label": label, "probability": probability * 100}  # percent, only here


def predict_tf(img: Img) -> dict:
    label, probability = classified("tf", img)
    return {"predicted_label": label, "probability": probability, "status_code": 200}


def classified(route: str, img: Img) -> tuple[str, float]:
    try:
        return classify(route, img.img_url)
    except NotLoadable:
        raise HTTPException(404, "Image could not be downloaded") from None


def in_the_event_loop(handler: Callable[[Img], dict]) -> Callable:
    """A handler that is `async` and waits all the same: nobody else is served meanwhile."""

    async def blocking(img: Img) -> dict:
        return handler(img)

    return blocking


for path, handler in (("/predict/torch_model/", predict_torch), ("/predict/tf/", predict_tf)):
    # A plain function runs in a thread of FastAPI's pool, and its downloads hold up nobody.
    app.post(path)(in_the_event_loop(handler) if VARIANT == "flawed" else handler)

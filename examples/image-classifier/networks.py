"""What recognises a picture: a label, and how probable the network thinks it is, between 0 and 1."""

import os
from pathlib import Path

# One core to one worker: what a prediction costs must not depend on who else is at work. Has to come before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnxruntime
from folder import made
from PIL import Image

# What stands behind the route of TensorFlow: a small network of ours, or the original's MobileNetV2.
MODEL = os.environ.get("MODEL") or "digits"
if MODEL not in ("digits", "tfhub"):
    raise SystemExit(f"MODEL is {MODEL!r}; expected `digits` or `tfhub`")


class Digits:
    """A network that `train.py` made, run by onnxruntime."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def classify(self, image: Image.Image) -> tuple[str, float]:
        small = image.convert("L").resize((8, 8), Image.Resampling.BOX)
        row = np.asarray(small, np.float32).reshape(1, 64) / 240
        (probabilities,) = self._session.run(["probabilities"], {"X": row})[0]
        best = int(probabilities.argmax())
        return str(best), float(probabilities[best])


def build(route: str) -> "Digits":
    """The network behind a route, `torch` or `tf`, from its file."""
    if route == "tf" and MODEL == "tfhub":
        from mobilenet import MobileNet

        return MobileNet()
    return Digits(made() / f"{route}.onnx")


if MODEL == "tfhub":
    import mobilenet  # noqa: F401  without TensorFlow, end now and not in the first request

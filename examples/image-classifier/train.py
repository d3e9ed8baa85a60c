"""Train one network for each route, and write them beside the pictures to classify into one folder.

    python train.py [FOLDER]

A matter of seconds, and the same every time. Nobody's weights have to be downloaded: CI may have no way out.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

# How many threads add up decides in which order, and with that the last digits of the weights. Has to come before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import digits
from folder import MADE
from skl2onnx import to_onnx
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

# Neurons of the hidden layers, so many that building a network from its file costs milliseconds. The names are those of the
# original's routes.
LAYERS = {"torch": (1024, 512), "tf": (1024, 1024)}
ROUNDS = 20


def network(layers: tuple[int, ...]) -> bytes:
    """A trained network as an ONNX file."""
    rows, shown, for_test = digits.load()
    learner = MLPClassifier(layers, max_iter=ROUNDS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so few rounds are meant
        learner.fit(rows[~for_test], shown[~for_test])
    print(f"{layers}: {learner.score(rows[for_test], shown[for_test]):.1%} of the test pictures are recognised")
    return to_onnx(learner, rows[:1], options={"zipmap": False}).SerializeToString()


def write(folder: Path = MADE) -> None:
    """Write everything. Whole or not at all: two services may start at the same time."""
    with tempfile.TemporaryDirectory(dir=folder.resolve().parent, prefix=".made-") as draft:
        whole = Path(draft) / "made"
        for name, content in digits.pictures().items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            (whole / name).write_bytes(content)
        for name, layers in LAYERS.items():
            (whole / f"{name}.onnx").write_bytes(network(layers))
        try:
            whole.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            # Somebody else was faster and wrote the same, or it is an old one.
            print(f"{folder} is there already, and left as it is")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else MADE)

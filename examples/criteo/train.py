"""Train the click model on four fifths of the rows and write it to `model.txt`.

    python train.py [FILE]

The same file every time: fixed seeds, one thread.
"""

import os
import sys
import tempfile
from pathlib import Path

# One thread: sums in another order would be other sums. Has to come before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import data
import features
import lightgbm

FILE = Path(__file__).with_name("model.txt")
ITERATIONS = 50
# The original's, and what makes training repeatable.
PARAMETERS = {
    "objective": "binary",
    "num_leaves": 32,
    "learning_rate": 0.1,
    "feature_fraction": 0.8,
    "is_unbalance": True,
    "seed": 42,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def train(rows: list[dict]) -> lightgbm.Booster:
    table = lightgbm.Dataset(features.matrix(rows), [row["label"] for row in rows])
    return lightgbm.train(PARAMETERS, table, ITERATIONS)


def write(file: Path = FILE) -> None:
    """Train and write the model. Whole or not at all: two services may start at the same time."""
    training, held_out = data.split(data.make())
    model = train(training)
    with tempfile.NamedTemporaryFile("w", dir=file.resolve().parent, suffix=".txt", delete=False) as draft:
        draft.write(model.model_to_string())
    whole = Path(draft.name)
    whole.chmod(0o644)
    whole.replace(file)
    print(f"{file.name}: {right(model, held_out):.1%} of {len(held_out)} held-out labels are right", file=sys.stderr)


def right(model: lightgbm.Booster, rows: list[dict]) -> float:
    """Share of rows whose label is on the same side of 0.5 as the score."""
    scores = model.predict(features.matrix(rows))
    return float(((scores >= 0.5) == [row["label"] == 1 for row in rows]).mean())


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)

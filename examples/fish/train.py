"""Train a nearest-neighbour model for each k, and write each as a pickle.

    python train.py [FOLDER]

A pickle holds what a notebook's often does: the model, the scale, and the fish it was scored with. Those make it a megabyte, and
reading it cost ten milliseconds, as reading a larger model does. The 49 fish alone are 3 kB, which are read too fast to see.
"""

import os
import pickle
import sys
import tempfile
from pathlib import Path

# One core to one worker: what a prediction costs must not depend on who else is at work. Has to come before numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import data
import numpy as np
from sklearn.neighbors import KNeighborsClassifier

FOLDER = Path(__file__).parent
NEIGHBOURS = (1, 5, 15, 25, 49)
SCORED = 50_000


def file_of(k: int, folder: Path = FOLDER) -> Path:
    return folder / f"model-{k}.pkl"


def train(k: int) -> dict:
    """The model, its scale (mean and deviation of the 49, not estimates for all fish), and the fish for its score."""
    fish = data.training()
    sizes = np.array([one[:2] for one in fish])
    mean, std = sizes.mean(axis=0), sizes.std(axis=0)
    model = KNeighborsClassifier(n_neighbors=k).fit((sizes - mean) / std, [one.name for one in fish])
    scored = [tuple(one) for one in data.unseen(SCORED)]
    return {"model": model, "mean": mean, "std": std, "scored": scored}


def score(trained: dict) -> float:
    sizes = np.array([fish[:2] for fish in trained["scored"]])
    found = trained["model"].predict((sizes - trained["mean"]) / trained["std"])
    return float(np.mean(found == np.array([fish[2] for fish in trained["scored"]])))


def write(folder: Path = FOLDER) -> None:
    """Write all models, each whole or not at all: two replicas may start at the same time."""
    for k in NEIGHBOURS:
        trained = train(k)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".draft", delete=False) as draft:
            pickle.dump(trained, draft)
        whole = Path(draft.name)
        whole.chmod(0o644)
        whole.replace(file_of(k, folder))
        print(f"k={k}: {score(trained):.1%} of {SCORED} fish right", flush=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

"""Make synthetic patients with the columns and ranges of UCI's "Heart Disease", and set some aside for the load.

    python data.py [FILE]

The same seed gives the same patients. Sick and healthy ones differ in every column, by about as much as the real ones do, and one
in ten looks like the other kind, so that no model is right about everybody. The file holds the patients that the model is not
trained on: the load asks about those, and knows what the answer should be.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

HELD_OUT = Path(__file__).with_name("held-out.csv")
SEED = 42
SICK, HEALTHY = 165, 138
MISLEADING = 0.1

# Each field's lowest and highest value. All are whole numbers but `oldpeak`.
RANGES = {
    "age": (29, 77),
    "sex": (0, 1),
    "cp": (0, 3),
    "trestbps": (94, 200),
    "chol": (126, 564),
    "fbs": (0, 1),
    "restecg": (0, 2),
    "thalach": (71, 202),
    "exang": (0, 1),
    "oldpeak": (0, 6.2),
    "slope": (0, 2),
    "ca": (0, 4),
    "thal": (0, 3),
}
# Mean of the healthy, mean of the sick, and how far both scatter.
MEASURED = {
    "age": (56.6, 52.5, 9.0),
    "trestbps": (134, 129, 17),
    "chol": (251, 242, 50),
    "thalach": (139, 158, 21),
    "oldpeak": (1.5, 0.5, 1.0),
}
# Shares of the values 0, 1, 2, … among the healthy and among the sick.
SHARES = {
    "sex": ([0.17, 0.83], [0.44, 0.56]),
    "cp": ([0.75, 0.07, 0.13, 0.05], [0.24, 0.25, 0.41, 0.10]),
    "fbs": ([0.84, 0.16], [0.86, 0.14]),
    "restecg": ([0.57, 0.40, 0.03], [0.41, 0.58, 0.01]),
    "exang": ([0.45, 0.55], [0.86, 0.14]),
    "slope": ([0.09, 0.66, 0.25], [0.05, 0.30, 0.65]),
    "ca": ([0.33, 0.32, 0.22, 0.12, 0.01], [0.78, 0.13, 0.04, 0.02, 0.03]),
    "thal": ([0.01, 0.09, 0.26, 0.64], [0.01, 0.04, 0.78, 0.17]),
}


def make(seed: int = SEED) -> pd.DataFrame:
    """The patients, sick and healthy mixed, with the answer as `target`."""
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.repeat([0, 1], [HEALTHY, SICK]))
    looks_sick = (target == 1) ^ (rng.random(len(target)) < MISLEADING)
    return pd.DataFrame({field: _values(rng, field, looks_sick) for field in RANGES} | {"target": target})


def _values(rng: np.random.Generator, field: str, looks_sick: np.ndarray) -> np.ndarray:
    if field in SHARES:
        healthy, sick = (rng.choice(len(shares), len(looks_sick), p=shares) for shares in SHARES[field])
        return np.where(looks_sick, sick, healthy)
    healthy, sick, scatter = MEASURED[field]
    drawn = np.clip(rng.normal(np.where(looks_sick, sick, healthy), scatter), *RANGES[field])
    return drawn.round(1) if field == "oldpeak" else drawn.round().astype(int)


def split() -> list[pd.DataFrame]:
    """Four fifths to train on and one fifth held out."""
    return train_test_split(make(), test_size=0.2, random_state=SEED)


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else HELD_OUT
    split()[1].to_csv(file, index=False, lineterminator="\n")

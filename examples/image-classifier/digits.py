"""The pictures: scikit-learn's handwritten digits, 8 by 8 pixels. Every third is kept for the test, the others are to learn from.

    python digits.py FILE

writes the names of the test pictures, `digits/0003-3.png` and so on: number in the data set, and what it shows. The load reads
them from digits.txt, which is committed, for it needs to know what there is before any service runs.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 64  # pixels of a PNG; as with photographs, the network is given a smaller copy


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures as rows of 64 values between 0 and 1, what they show, and which are for the test."""
    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target, np.arange(len(digits.target)) % 3 == 0


def pictures() -> dict[str, bytes]:
    """The test pictures by name, as PNG files."""
    rows, shown, for_test = load()
    return {f"digits/{number:04}-{shown[number]}.png": png(rows[number]) for number in np.flatnonzero(for_test)}


def png(row: np.ndarray) -> bytes:
    small = Image.fromarray((row.reshape(8, 8) * 240).astype(np.uint8))
    file = io.BytesIO()
    # Each pixel becomes a square, so that the mean of the square is the pixel again.
    small.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(pictures()) + "\n")

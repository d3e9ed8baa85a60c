"""The hashing step: any record becomes a row of `WIDTH` numbers, and no vocabulary has to be kept.

A category is a 1 in the column that its name and value hash to, an integer is its value in the column of its name, and an empty
field is nothing at all. Two may share a column; that is the price of hashing.
"""

from zlib import crc32

import numpy as np
from data import CATEGORIES, INTEGERS
from scipy.sparse import csr_matrix

WIDTH = 2**13
LARGEST = 2**53  # up to there a float has every integer


def matrix(records: list[dict]) -> csr_matrix:
    """One sparse row for each record.

    Raises:
        ValueError: if a field holds what it cannot hold. The message names the field.
    """
    rows = [row(record) for record in records]
    ends = np.cumsum([0] + [len(columns) for columns, _ in rows])
    columns = np.fromiter((column for columns, _ in rows for column in columns), np.int32, ends[-1])
    values = np.fromiter((value for _, values in rows for value in values), np.float64, ends[-1])
    hashed = csr_matrix((values, columns, ends), (len(rows), WIDTH))
    hashed.sum_duplicates()
    return hashed


def row(record: dict) -> tuple[list[int], list[float]]:
    """Columns and values of one record. Fields that are not there are empty, and others than ours are not looked at."""
    columns, values = [], []
    for name in INTEGERS:
        if (value := record.get(name)) is not None:
            columns.append(crc32(name.encode()) % WIDTH)
            values.append(number(name, value))
    for name in CATEGORIES:
        if (value := record.get(name)) is not None:
            columns.append(crc32(f"{name}={text(name, value)}".encode()) % WIDTH)
            values.append(1.0)
    return columns, values


def number(name: str, value: object) -> float:
    """Also 3.0 is an integer: that is how a table with empty fields writes them."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST and value == int(value):
        return float(value)
    raise ValueError(f"{name} is no integer: {str(value)[:40]!r}")


def text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{name} is no text: {str(value)[:40]!r}")

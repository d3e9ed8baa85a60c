"""Rows of a table, and images of a folder, read once in a process. Pure but for the reading."""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ml_loadtest.templates import Image

Row = dict[str, Any]

# Numbers as JSON writes them. `007` is no number, and neither are `NA`, `nan` or `1_000`: they stay text.
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
# What pandas writes for a missing time, and for anything else that is missing.
_MISSING = {"NaT", "<NA>"}
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@cache
def read_rows(path: Path) -> tuple[Row, ...]:
    """Every row of a file, by the names of its columns; None where a cell is empty.

    Raises:
        ValueError: if there is no row, or the file is not what its ending says.
    """
    rows = tuple(_READERS[path.suffix.lower()](path))
    if not rows:
        raise ValueError(f"{path.name} has no rows")
    return rows


def read_images(folder: Path, names: Iterable[str]) -> dict[str, Image]:
    """Images by their name below the folder."""
    return {name: _image(folder / name, name) for name in names}


@cache
def _image(path: Path, name: str) -> Image:
    return Image(name, path.read_bytes())


def _csv(path: Path) -> list[Row]:
    """Read as text, then column by column: pandas on its own would drop leading zeros and call the text `NA` missing."""
    import pandas as pd

    with warnings.catch_warnings():
        # Where every row has a cell too many, pandas would take the first for a name, or drop the last with a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8-sig")
    columns = {str(name): column_of(table[name].tolist()) for name in table.columns}
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def column_of(texts: list[str]) -> list[Any]:
    """A column's cells: whole numbers, numbers or truths if every cell is one, else texts. An empty cell is None."""
    filled = [text for text in texts if text]
    read: Callable[[str], Any] = str
    if filled and all(map(_WHOLE.fullmatch, filled)):
        read = int
    elif filled and all(map(_finite, filled)):
        read = float
    elif filled and all(text in _TRUTH for text in filled):
        read = _TRUTH.__getitem__
    return [read(text) if text else None for text in texts]


def _finite(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _json_lines(path: Path) -> list[Row]:
    """By `json`: pandas would make floats of whole numbers where one is missing, and dates of texts that look like some."""
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"{path.name} line {number} is no JSON object")
                rows.append({key: plain(cell) for key, cell in row.items()})
    return rows


def _parquet(path: Path) -> list[Row]:
    import pandas as pd

    try:
        # Nullable types: a missing cell must not turn whole numbers into floats.
        table = pd.read_parquet(path, dtype_backend="numpy_nullable")
    except ImportError as error:
        raise ValueError(f"{path.name} needs pyarrow; add pyarrow to load.requirements") from error
    return [{str(key): plain(cell) for key, cell in row.items()} for row in table.to_dict("records")]


_READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}


def plain(cell: Any) -> Any:
    """A cell as JSON has it: missing values are None, arrays are lists, times are texts. Bytes stay, for `b64`."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, Mapping):
        return {str(key): plain(part) for key, part in cell.items()}
    if isinstance(cell, list | tuple):
        return [plain(part) for part in cell]
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, str | bytes | bool | int) or cell is None:
        return cell
    text = cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
    return None if text in _MISSING else text

"""A history as an SQLite database: a table of runs, and a view of their figures for those who ask in SQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_S = 30.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, line TEXT NOT NULL)",
    """CREATE VIEW IF NOT EXISTS figures AS
    SELECT runs.id AS run,
           json_extract(runs.line, '$.date') AS date,
           json_extract(runs.line, '$.commit') AS "commit",
           json_extract(runs.line, '$.suite') AS suite,
           json_extract(runs.line, '$.pull_request') AS pull_request,
           json_extract(runs.line, '$.verdict') AS verdict,
           json_extract(runs.line, '$.conditions.machine') AS machine,
           json_extract(runs.line, '$.conditions.plan') AS plan,
           endpoints.key AS endpoint, metrics.key AS metric, metrics.value AS value
    FROM runs, json_each(runs.line, '$.endpoints') AS endpoints, json_each(endpoints.value, '$.values') AS metrics""",
)


def append(path: Path, identity: str, text: str) -> bool:
    """Add a run unless one with this id is there; says whether it was added."""
    with _opened(path) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            connection.execute(statement)
        added = connection.execute("INSERT OR IGNORE INTO runs (id, line) VALUES (?, ?)", (identity, text))
        return added.rowcount == 1


def read(path: Path) -> list[tuple[str, str]]:
    """Every run as (its place, text), in the order in which they came."""
    with _opened(path) as connection:
        rows = connection.execute("SELECT number, line FROM runs ORDER BY number").fetchall()
    return [(f"run {number}", line) for number, line in rows]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that waits for other writers and is closed at the end.

    Raises:
        OSError: for whatever SQLite could not do.
    """
    try:
        connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OSError(str(error)) from error

"""The locustfile of a load without Python, made from `load.requests`. Pure, but for the files whose bytes it sums up."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from entrypoint.settings.images import find_images
from entrypoint.settings.model import Load
from entrypoint.settings.requests import Expect, Request, Tolerance, Variant
from locustfiles.ml_loadtest import contract

FILE_NAME = "from_requests.py"


def write_locustfile(load: Load, folder: Path, root: Path) -> Path:
    """The locustfile of this load: the user's own, or one written into the folder.

    Args:
        load: what is asked.
        folder: where a file may be written.
        root: folder of `loadtest.yml`; Locust's working directory.
    """
    if load.locustfile:
        return load.locustfile
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    path.write_text(locustfile_text(load, root), encoding="utf-8")
    return path


def locustfile_digest(load: Load, root: Path) -> str:
    """What every worker's locustfile must have, whoever wrote it; see `contract.digest`."""
    if load.locustfile:
        return contract.digest(load.locustfile)
    return contract.digest_of(locustfile_text(load, root).encode())


def locustfile_text(load: Load, root: Path) -> str:
    """Python that hands the document to the instrument; the same on every machine that has the same files."""
    lines = json.dumps(_document(load, root), indent=1, allow_nan=False).splitlines(keepends=True)
    return "\n".join([
        '"""Written by ml-loadtest from `load.requests`."""', "",
        "from ml_loadtest.requests import user_class", "",
        "Requests = user_class(", *(f"    {line!r}" for line in lines), ")", "",
    ])  # fmt: skip


def _document(load: Load, root: Path) -> dict[str, Any]:
    files = sorted({path for request in load.requests for path in _files(request)})
    return {
        "wait": [load.wait.min_s, load.wait.max_s] if load.wait else [0, 0],
        "environment": load.environment,
        "files": {_from(root, path): contract.digest(path) for path in files},
        "requests": [_request(request, root) for request in load.requests],
    }


def _files(request: Request) -> Iterator[Path]:
    """Files that a request reads, but for its schemas, which are in the document as they are."""
    if request.rows:
        yield request.rows
    if request.images:
        folder, names = find_images(request.images)
        yield from (folder / name for name in names)
    yield from request.uploads


def _from(root: Path, path: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _request(request: Request, root: Path) -> dict[str, Any]:
    folder, names = find_images(request.images) if request.images else (root, [])
    uploads = {str(path): _from(root, path) for path in request.uploads}
    return {
        "method": request.verb,
        "name": request.row_name,
        "path": request.path,
        "headers": request.headers,
        "json": request.json_,
        "form": request.form,
        "files": {field: uploads.get(value, value) for field, value in request.files.items()},
        "body": request.body,
        "uploads": sorted(uploads.values()),
        "weight": request.weight,
        "rows": _from(root, request.rows) if request.rows else None,
        "images": {"folder": _from(root, folder), "names": names} if request.images else None,
        "timeout_s": request.timeout_s,
        "expect": _expect(request.expect),
        "invalid": [_variant(variant) for variant in request.invalid],
    }


def _variant(variant: Variant) -> dict[str, Any]:
    kept = variant.model_dump(include={"drop", "type", "set", "range", "weight"})
    return {**kept, "said": variant.said, "expect": _expect(variant.expect)}


def _expect(expect: Expect) -> dict[str, Any]:
    tolerance = expect.tolerance or Tolerance.model_validate(0)
    schema = expect.schema_
    return {
        "status": expect.status,
        "values": expect.values,
        "absolute": tolerance.absolute,
        "relative": tolerance.relative,
        "schema": json.loads(schema.read_text(encoding="utf-8")) if isinstance(schema, Path) else schema,
        "within_s": expect.within_s,
        "label": {"value": expect.label.value, "is": expect.label.is_} if expect.label else None,
    }

"""What is wrong with `load.requests` beyond the form of each key: templates, JMESPaths, schemas, and the files they name.

It looks at the values as the file has them, so that what is wrong in one request hides nothing in another, and each mistake
has its place.
"""

import csv
import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from entrypoint.settings.document import Place, texts_in
from entrypoint.settings.images import find_images
from entrypoint.settings.jmespaths import jmespath_trouble
from entrypoint.settings.requests import ROW_ENDINGS, body_mistake, is_template
from entrypoint.settings.templates import Surroundings, mistakes_in

Mistakes = Iterator[tuple[Place, str]]

_TEMPLATES = ("path", "headers", "json", "form", "files", "body")
# Images are read into every process of the load.
_MOST_IMAGE_BYTES = 2**29
_ROWS_LOOKED_AT = 20


def request_mistakes(load: Mapping[str, Any], present: Collection[str]) -> Mistakes:
    """Every mistake, with its place in the file.

    Args:
        load: the section as the file has it, paths absolute; anything may stand anywhere.
        present: names of the variables that are set.
    """
    requests = load.get("requests")
    declared = load.get("environment") or []
    if isinstance(declared, str):
        declared = declared.replace(",", " ").split()
    for index, request in enumerate(requests if isinstance(requests, list) else []):
        if isinstance(request, dict):
            place: Place = ("load", "requests", index)
            yield from _in_request(request, place, has_requirements=bool(load.get("requirements")))
            around = Surroundings(
                rows=bool(request.get("rows")),
                columns=_columns(request.get("rows")),
                images=bool(request.get("images")),
                declared=declared if isinstance(declared, list) else [],
                present=present,
            )
            for where, text in _texts(request, place):
                yield from ((where, mistake) for mistake in mistakes_in(text, around))


def _in_request(request: Mapping[str, Any], place: Place, *, has_requirements: bool) -> Mistakes:
    if said := body_mistake(request):
        yield place, said
    if isinstance(name := request.get("name"), str) and is_template(name):
        yield (*place, "name"), "a name is one row of the report, whatever templates give; write it without one"
    if isinstance(rows := request.get("rows"), str) and (trouble := _rows_trouble(Path(rows), has_requirements)):
        yield (*place, "rows"), trouble
    if isinstance(images := request.get("images"), str) and (trouble := _images_trouble(Path(images))):
        yield (*place, "images"), trouble
    for field, value in _items(request.get("files")):
        if isinstance(value, str) and not is_template(value) and (trouble := _file_trouble(Path(value))):
            yield (*place, "files", field), trouble
    yield from _in_expect(request.get("expect"), (*place, "expect"))
    variants = request.get("invalid")
    payload = request.get("json") if request.get("json") is not None else request.get("form")
    for index, variant in enumerate(variants if isinstance(variants, list) else []):
        if isinstance(variant, dict):
            yield from _in_expect(variant.get("expect"), (*place, "invalid", index, "expect"))
            yield from _in_variant(variant, payload, (*place, "invalid", index))


def _in_variant(variant: Mapping[str, Any], payload: object, place: Place) -> Mistakes:
    """Fields that a payload which is written out does not have."""
    for key in ("drop", "type"):
        field = variant.get(key)
        if not isinstance(field, str) or not isinstance(payload, dict | list):
            continue
        if field == "any":
            if not isinstance(payload, dict):
                yield (
                    (*place, key),
                    "`any` draws a field of a mapping, and the payload is a list; name one, such as `0.age`",
                )
        elif isinstance(payload, dict) and field not in payload and field.split(".")[0] not in payload:
            yield (*place, key), f"the payload has no field `{field}`; it has {', '.join(map(str, payload))}"


def _in_expect(expect: object, place: Place) -> Mistakes:
    if not isinstance(expect, dict):
        return
    for path, _ in _items(expect.get("values")):
        if trouble := jmespath_trouble(path):
            yield (*place, "values", path), f"this is no JMESPath: {trouble}"
    label = expect.get("label")
    found = label.get("value") if isinstance(label, dict) else None
    if isinstance(found, str) and (trouble := jmespath_trouble(found)):
        yield (*place, "label", "value"), f"this is no JMESPath: {trouble}"
    if (given := expect.get("schema")) is not None and (trouble := _schema_trouble(given)):
        yield (*place, "schema"), trouble


def _items(value: object) -> list[tuple[str, Any]]:
    return [(str(key), part) for key, part in value.items()] if isinstance(value, dict) else []


def _texts(request: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    """Every text that may be a template, with its place."""
    for key in _TEMPLATES:
        yield from texts_in(request.get(key), (*place, key))
    yield from _expected_texts(request.get("expect"), (*place, "expect"))
    variants = request.get("invalid")
    for index, variant in enumerate(variants if isinstance(variants, list) else []):
        if isinstance(variant, dict):
            here = (*place, "invalid", index)
            yield from texts_in(variant.get("set"), (*here, "set"))
            yield from texts_in(variant.get("range"), (*here, "range"))
            yield from _expected_texts(variant.get("expect"), (*here, "expect"))


def _expected_texts(expect: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(expect, dict):
        yield from texts_in(expect.get("values"), (*place, "values"))
        if isinstance(label := expect.get("label"), dict):
            yield from texts_in(label.get("is"), (*place, "label", "is"))


# What is wrong with one value, "" if nothing is ------------------------------------------------------------------------


def _schema_trouble(given: object) -> str:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    schema = given
    if isinstance(given, str):
        if trouble := _file_trouble(Path(given)):
            return trouble
        try:
            schema = json.loads(Path(given).read_text(encoding="utf-8"))
        except ValueError as error:
            return f"{Path(given).name} is not JSON: {error}"
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        return f"this is no JSON Schema: {error.message[:160]} (at {'.'.join(map(str, error.path)) or 'its root'})"
    return ""


def _file_trouble(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder, not a file"
    if not path.is_file():
        return f"{path} is not there"
    try:
        path.open("rb").close()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return ""


def _images_trouble(given: Path) -> str:
    folder, names = find_images(given)
    if not names:
        return f"no image is there, in {given}"
    size = sum((folder / name).stat().st_size for name in names)
    if size > _MOST_IMAGE_BYTES:
        return (
            f"{len(names)} images of {size / 2**20:.0f} MB together would be read into every process; "
            f"name fewer, up to {_MOST_IMAGE_BYTES / 2**20:.0f} MB"
        )
    return ""


def _rows_trouble(path: Path, has_requirements: bool) -> str:
    if path.suffix.lower() not in ROW_ENDINGS:
        return f"expected a file that ends in {', '.join(ROW_ENDINGS[:-1])} or {ROW_ENDINGS[-1]}, got {path.name}"
    if trouble := _file_trouble(path):
        return trouble
    if path.suffix.lower() == ".parquet":
        return (
            ""
            if has_requirements
            else f"{path.name} is read by pyarrow, which is not there; add pyarrow to load.requirements"
        )
    try:
        rows = _first_rows(path)
    except (ValueError, csv.Error) as error:
        return f"{path.name} cannot be read: {error}"
    return "" if rows else f"{path.name} has no rows"


def _columns(rows: object) -> set[str] | None:
    """The columns of a file whose first rows say what they are."""
    if not isinstance(rows, str) or Path(rows).suffix.lower() not in ROW_ENDINGS[:-1]:
        return None
    try:
        return {str(key) for row in _first_rows(Path(rows)) for key in row} or None
    except (OSError, ValueError, csv.Error):
        return None


def _first_rows(path: Path) -> list[Mapping[str, Any]]:
    """A few rows of CSV or JSON lines.

    Raises:
        ValueError, csv.Error: if they cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            return list(itertools.islice(csv.DictReader(file), _ROWS_LOOKED_AT))
        rows = [json.loads(line) for line in itertools.islice(file, _ROWS_LOOKED_AT) if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("each line has to be a JSON object")
    return rows

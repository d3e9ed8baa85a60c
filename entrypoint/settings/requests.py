"""What `load.requests` may say: a load without Python. Only the form of each key; files and templates: `request_mistakes`."""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from entrypoint.settings.quantities import Seconds, parse_percent, told
from entrypoint.settings.section import Range, Section

ROW_ENDINGS = (".csv", ".jsonl", ".ndjson", ".parquet")
_BODIES = ("json", "form", "files", "body")
_KINDS = ("drop", "type", "set", "range")
_MARKS = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
# Of a request, the invalid variants that are sent for each valid one.
_SHARE = 0.25


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _json(value: object) -> object:
    """What YAML gave as JSON has it: dates are texts, keys are texts.

    Raises:
        ValueError: for what no JSON can hold.
    """
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no JSON")
    if isinstance(value, Mapping):
        return {str(key): _json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_json(part) for part in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(f"{type(value).__name__} is no JSON; write it as text")


def _codes(value: object) -> object:
    return value if isinstance(value, list) else [value]


Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"], BeforeValidator(_upper)
]  # fmt: skip
Json = Annotated[Any, BeforeValidator(_json)]
Scalar = str | int | float | bool
Status = Annotated[int, Field(ge=100, le=599)]
Statuses = Annotated[list[Status], BeforeValidator(_codes, json_schema_input_type=Status | list[Status])]
Weight = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class Tolerance(Section):
    """How far a number may be from the expected one: by so much, or by such a share of it."""

    absolute: float = 0.0
    relative: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:  # noqa: ANN401 (what YAML gave)
        if isinstance(value, str) and value.strip().endswith("%"):
            return {"relative": parse_percent(value)}
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"expected a number such as 1e-3 or a share such as 1%, got {told(value)}")
        return {"absolute": number}


class Label(Section):
    """A prediction and the label that its row has. It never fails a request; it is stored as `correct`, 1 or 0."""

    value: str = Field(description="JMESPath of the prediction in the answer")
    is_: Json = Field(alias="is", description="The label, most often a template such as `{{ row.label }}`")


class Expect(Section):
    """What makes an answer right. All of what is given has to hold."""

    status: Statuses = Field([], description="Status, or a list of them; any 2xx if not given")
    values: dict[str, Json] = Field(
        {}, description="JMESPath → value that it must have. The value may be a template, or hold some"
    )
    tolerance: Tolerance | None = Field(
        None,
        description="How far numbers in `values` may be off: `1e-3` absolute, `1%` of the expected one; not at all if not given",
    )
    schema_: Path | dict[str, Json] | None = Field(
        None, alias="schema", description="JSON Schema of the answer: a file, or written out"
    )
    within_s: Seconds | None = Field(
        None,
        alias="within",
        gt=0,
        description="A right answer that took longer is a failure; the request still runs to its end",
    )
    label: Label | None = Field(
        None,
        description="`{value: JMESPATH, is: TEMPLATE}`: whether the prediction is the row's label is stored as `correct`; never "
        "a failure",
    )


class Variant(Section):
    """The valid payload with one thing made wrong, and the rejection that is expected. Exactly one of the first four keys."""

    drop: str = Field("", description="Field that is left out; `any` is a field drawn anew for each request")
    type: str = Field("", description="Field that gets a value of a wrong type; `any` is drawn")
    set: dict[str, Json] = Field({}, description="Fields that get these values")
    range: dict[str, Json] = Field({}, description="As `set`, for values out of range: the row is named so")
    weight: Weight = Field(_SHARE, description="How often, as a share of the request's own weight")
    expect: Expect = Field(
        default_factory=Expect, description="As the request's; a status of 400 or 422 if none is given"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind)]
        if len(given) != 1:
            said = f"got {' and '.join(given)}" if given else "got none of them"
            raise ValueError(f"expected exactly one of {', '.join(_KINDS[:-1])} and {_KINDS[-1]}, {said}")
        return self

    @property
    def kind(self) -> str:
        """The one of its keys that says what is wrong."""
        return next(kind for kind in _KINDS if getattr(self, kind))

    @property
    def said(self) -> str:
        """What is wrong, for the row's name. Values are not shown: they may be templates."""
        if self.drop:
            return "a field dropped" if self.drop == "any" else f"{self.drop} dropped"
        if self.type:
            return "a wrong type" if self.type == "any" else f"{self.type} of a wrong type"
        return f"{', '.join(self.set)} set" if self.set else f"{', '.join(self.range)} out of range"


class Request(Section):
    """One kind of request, drawn by its weight."""

    name: str = Field(
        "",
        max_length=200,
        description="Its row in the report; method and path if not given, with `{…}` for each template. Never a template itself",
    )
    method: Method | None = Field(None, description="HTTP method; `GET`, or `POST` where there is a body")
    path: str = Field(description="Path on the service, with its query")
    headers: dict[str, Scalar] = Field({}, description="Headers")
    json_: Json = Field(None, alias="json", description="Body as JSON")
    form: dict[str, Scalar | None] = Field({}, description="Body as a form; beside `files`, the form's other fields")
    files: dict[str, str] = Field(
        {}, description="Body as an upload: field → file, or field → template such as `{{ image }}`"
    )
    body: str = Field("", description="Body as text, or whatever a template such as `{{ image }}` gives")
    weight: Weight = Field(1, description="How often it is drawn, beside the others")
    rows: Path | None = Field(
        None, description="File, `.csv`, `.jsonl`, `.ndjson` or `.parquet`; each request draws a `row` of it"
    )
    images: Path | None = Field(
        None, description="Folder or pattern such as `photos/*.jpg`; each request draws an `image` of it"
    )
    timeout_s: Seconds = Field(
        30, alias="timeout", gt=0, le=600, description="Given up after this time, which is a failure (`timeout`)"
    )
    expect: Expect = Field(default_factory=Expect, description="What makes an answer right")
    invalid: list[Variant] = Field([], description="Invalid variants of the payload, and their expected rejection")

    @field_validator("path")
    @classmethod
    def _on_the_service(cls, value: str) -> str:
        if not value.startswith(("/", "{{")):
            raise ValueError(f"expected a path that starts with /, got {value!r}")
        return value

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if said := body_mistake({"json": self.json_, "form": self.form, "files": self.files, "body": self.body}):
            raise ValueError(said)
        if self.invalid and not (self.json_ is not None or self.form):
            raise ValueError("invalid needs a payload with fields, json or form")
        return self

    @property
    def verb(self) -> str:
        """Its method."""
        has_body = self.json_ is not None or self.form or self.files or self.body
        return self.method or ("POST" if has_body else "GET")

    @property
    def uploads(self) -> list[Path]:
        """Files that `files` names; what is not a template is one."""
        return [Path(value) for value in self.files.values() if not is_template(value)]

    @property
    def row_name(self) -> str:
        """Its name in the report, the same whatever a template gives."""
        return self.name or _MARKS.sub(_brace, self.path)


def with_paths_from(root: Path, requests: object) -> object:
    """`load.requests` as the file has it, with the paths in it relative to that file's folder. Anything may stand anywhere."""
    if isinstance(requests, list):
        return [_request_from(root, request) if isinstance(request, dict) else request for request in requests]
    return requests


def _request_from(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    made = dict(request)
    made.update({key: _path_from(root, request[key]) for key in ("rows", "images", "expect") if key in request})
    if isinstance(files := request.get("files"), dict):
        made["files"] = {key: _path_from(root, value) for key, value in files.items()}
    if isinstance(variants := request.get("invalid"), list):
        made["invalid"] = [
            {**variant, "expect": _path_from(root, variant["expect"])}
            if isinstance(variant, dict) and "expect" in variant
            else variant
            for variant in variants
        ]
    return made


def _path_from(root: Path, value: object) -> object:
    """A path, or an expectation whose schema is one."""
    if isinstance(value, dict) and isinstance(value.get("schema"), str):
        return {**value, "schema": str(root / value["schema"])}
    return str(root / value) if isinstance(value, str) and value and not is_template(value) else value


def is_template(text: str) -> bool:
    """Whether jinja2 has anything to do with a text."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def _brace(mark: re.Match[str]) -> str:
    """`{{ row.id }}` as `{row.id}`."""
    return "{" + mark[1] + "}"


def body_mistake(request: Mapping[str, Any]) -> str:
    """What is wrong with the bodies that a request gives, "" if nothing is."""
    given = [key for key in _BODIES if request.get(key) not in (None, "", {})]
    if len(given) < 2 or given == ["form", "files"]:
        return ""
    return f"expected one body, json, form (files may stand beside it), files or body; got {' and '.join(given)}"


class Wait(Range):
    """Think time between two requests of a user: one figure, or drawn between two."""

    min_s: Seconds = Field(0, alias="min")
    max_s: Seconds = Field(0, alias="max")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_s < self.min_s:
            raise ValueError("wait's second figure is smaller than its first")
        return self

"""What a request of `load.requests` sends, and payloads with one thing made wrong. Pure, but for `random`."""

import json
import mimetypes
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode
from zlib import crc32

from ml_loadtest.contract import IN_URL
from ml_loadtest.templates import Image, Names, PayloadMistake, Template, Templates

ANY = "any"
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"

Change = Callable[[Any, Names], Any]
Body = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes over the wire.

    Attributes:
        body: None where there is none.
    """

    path: str
    headers: dict[str, str]
    body: bytes | None


class Payload:
    """Makes what one kind of request sends.

    Args:
        request: of the document, see `contract`.
        templates: compiles its templates.
        where: it stands in the settings.
        variant: what is made wrong; None for the valid payload.
        files: content and name of each file that an upload names.
    """

    def __init__(
        self,
        request: Mapping[str, Any],
        templates: Templates,
        where: str,
        variant: Mapping[str, Any] | None = None,
        files: Mapping[str, Image] | None = None,
    ) -> None:
        self._where = where
        self._path = templates.compile(request["path"], f"{where}.path")
        change = _change(variant, templates, where) if variant else None
        self._body = _body(request, templates, where, change, files or {})
        own = {name.lower() for name in request["headers"]}
        self._type_is_given = "content-type" in own
        accepted = {} if "accept" in own else {"Accept": "application/json"}
        headers = {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in request["headers"].items()
        }
        self._headers = templates.compile({**accepted, **headers}, f"{where}.headers")

    def make(self, names: Names) -> Sent:
        """What is sent, with these names in its templates.

        Raises:
            PayloadMistake: if it cannot be made.
        """
        path = self._path.make(names)
        if not self._path.is_fixed:
            path = self._on_the_service(str(path))
        headers = self._headers.make(names)
        if not self._headers.is_fixed:
            headers = {key: self._on_one_line(key, str(value)) for key, value in headers.items()}
        if self._body is None:
            return Sent(path, headers, None)
        body, kind = self._body(names)
        return Sent(path, headers if self._type_is_given else {**headers, "Content-Type": kind}, body)

    def _on_the_service(self, path: str) -> str:
        if not path.startswith("/"):
            raise PayloadMistake(f"{self._where}.path: expected a path that starts with /, the template gave another")
        return quote(path, safe=IN_URL)

    def _on_one_line(self, key: str, value: str) -> str:
        if "\n" in value or "\r" in value:
            raise PayloadMistake(f"{self._where}.headers.{key}: the template gave more than one line")
        return value


# Bodies ---------------------------------------------------------------------------------------------------------------


def _body(
    request: Mapping[str, Any], templates: Templates, where: str, change: Change | None, files: Mapping[str, Image]
) -> Callable[[Names], Body] | None:
    if request["files"]:
        form = templates.compile(request["form"], f"{where}.form")
        uploads = {
            field: Template(lambda _, file=files[value]: file, True)
            if value in files
            else templates.compile(value, f"{where}.files.{field}")
            for field, value in request["files"].items()
        }
        return lambda names: multipart(
            _changed(form, change)(names), {field: upload.make(names) for field, upload in uploads.items()}
        )
    if request["form"]:
        return _encoded(templates.compile(request["form"], f"{where}.form"), change, encode_form)
    if request["json"] is not None:
        return _encoded(
            templates.compile(request["json"], f"{where}.json"), change, lambda value: encode_json(value, where)
        )
    return _encoded(templates.compile(request["body"], f"{where}.body"), None, encode_raw) if request["body"] else None


def _encoded(payload: Template, change: Change | None, encode: Callable[[Any], Body]) -> Callable[[Names], Body]:
    if payload.is_fixed and change is None:
        once = encode(payload.make({}))
        return lambda _: once
    make = _changed(payload, change)
    return lambda names: encode(make(names))


def _changed(payload: Template, change: Change | None) -> Callable[[Names], Any]:
    return (lambda names: change(payload.make(names), names)) if change else payload.make


def encode_json(value: Any, where: str) -> Body:
    """JSON as UTF-8.

    Raises:
        PayloadMistake: for what no JSON can hold, such as an image, or a number that is not finite.
    """
    try:
        return json.dumps(value, allow_nan=False).encode(), _JSON
    except (TypeError, ValueError) as error:
        raise PayloadMistake(f"{where}.json: {error}; an image goes in as `{{{{ image | b64 }}}}`") from error


def encode_form(fields: Mapping[str, Any]) -> Body:
    """A form's fields. Truths are written as JSON has them, and an empty value is an empty text."""
    return urlencode([(key, _field(value)) for key, value in fields.items()]).encode(), _FORM


def encode_raw(value: Any) -> Body:
    """An image, bytes, or a text as UTF-8."""
    if isinstance(value, Image):
        return value.data, kind_of(value.name)
    return (
        (value, "application/octet-stream")
        if isinstance(value, bytes)
        else (str(value).encode(), "text/plain; charset=utf-8")
    )


def multipart(form: Mapping[str, Any], uploads: Mapping[str, Any]) -> Body:
    """An upload, RFC 7578. Its boundary is made of its content: the same upload is the same bytes on every target."""
    parts = [(f'name="{_quoted(key)}"', "", _field(value).encode()) for key, value in form.items()]
    for field, upload in uploads.items():
        data, kind = encode_raw(upload)
        name = PurePosixPath(upload.name).name if isinstance(upload, Image) else field
        parts.append((f'name="{_quoted(field)}"; filename="{_quoted(name)}"', kind, data))
    boundary = b"ml-loadtest-%08x" % crc32(b"".join(data for _, _, data in parts))
    while any(boundary in data for _, _, data in parts):
        boundary += b"x"
    lines = [
        b"--" + boundary + b"\r\nContent-Disposition: form-data; " + head.encode()
        + (b"\r\nContent-Type: " + kind.encode() if kind else b"") + b"\r\n\r\n" + data + b"\r\n"
        for head, kind, data in parts
    ]  # fmt: skip
    return b"".join(lines) + b"--" + boundary + b"--\r\n", f"multipart/form-data; boundary={boundary.decode()}"


def kind_of(name: str) -> str:
    """The media type that a file's ending says."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _field(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    """As browsers write names in multipart heads."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


# Invalid variants -----------------------------------------------------------------------------------------------------


def _change(variant: Mapping[str, Any], templates: Templates, where: str) -> Change:
    """What makes a valid payload invalid, as a function of payload and names."""
    if variant["drop"]:
        return lambda payload, _: dropped(payload, variant["drop"], where)
    if variant["type"]:
        return lambda payload, _: mistyped(payload, variant["type"], where)
    values = templates.compile(variant["set"] or variant["range"], f"{where}.{'set' if variant['set'] else 'range'}")
    return lambda payload, names: replaced(payload, values.make(names), where)


def dropped(payload: Any, field: str, where: str) -> Any:
    """The payload without a field, which may be a path such as `user.age` or `instances.0.age`."""
    return _with(
        payload, _steps(payload, field, where), lambda owner, key: {k: v for k, v in owner.items() if k != key}
    )


def mistyped(payload: Any, field: str, where: str) -> Any:
    """The payload with a value of another type in a field, one that no lenient parser takes for the right one."""
    return _with(payload, _steps(payload, field, where), lambda owner, key: {**owner, key: of_another_type(owner[key])})


def replaced(payload: Any, values: Mapping[str, Any], where: str) -> Any:
    """The payload with these values in these fields."""
    for field, value in values.items():
        steps = _steps(payload, field, where, has_to_exist=False)
        payload = _with(payload, steps, lambda owner, key, value=value: {**owner, key: value})
    return payload


def of_another_type(value: Any) -> Any:
    """A value of another JSON type."""
    if isinstance(value, bool):
        return "neither true nor false"
    if isinstance(value, int | float):
        return "not a number"
    if isinstance(value, list):
        return "not a list"
    return "not an object" if isinstance(value, dict) else ["neither", "text", "nor", "null"]


def _steps(payload: Any, field: str, where: str, *, has_to_exist: bool = True) -> list[Any]:
    """The way to a field, key by key."""
    if field == ANY and isinstance(payload, dict) and payload and ANY not in payload:
        return [random.choice(list(payload))]
    steps: list[Any] = []
    rest, inner = field, payload
    while True:
        if isinstance(inner, list) and (index := rest.partition(".")[0]).isdecimal() and int(index) < len(inner):
            key, rest = int(index), rest.partition(".")[2]
        elif isinstance(inner, dict):
            whole = rest in inner or "." not in rest
            key, rest = (rest, "") if whole else rest.split(".", 1)
        else:
            break
        steps.append(key)
        there = isinstance(inner, list) or key in inner
        if not rest and isinstance(inner, dict) and (there or not has_to_exist):
            return steps
        if not rest or not there:
            break
        inner = inner[key]
    raise PayloadMistake(f"{where}: the payload has no field `{field}`")


def _with(payload: Any, steps: list[Any], change: Callable[[dict[str, Any], str], dict[str, Any]]) -> Any:
    """A copy with the mapping at the end of the way changed; what is beside the way is shared."""
    key, *rest = steps
    if not rest:
        return change(payload, key)
    copied = list(payload) if isinstance(payload, list) else dict(payload)
    copied[key] = _with(payload[key], rest, change)
    return copied

"""Quantities as people write them: `60s`, `250ms`, `10%`. Text in, numbers in base units out."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def parse_duration(value: object) -> float:
    """Seconds of `90s`, `1.5m`, `250ms` or of a bare number of seconds.

    Raises:
        ValueError: for anything else, negative numbers included.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    text = str(value).strip().lower()
    if match := _DURATION.fullmatch(text):
        return float(match[1]) * _SECONDS[match[2]]
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    raise ValueError(f"expected a duration such as 60s, 5m or 250ms, got {value!r}")


def parse_percent(value: object) -> float:
    """The ratio that `10%` means, 0.1. A bare number is refused: readers differ on whether 10 is ten percent or tenfold.

    Raises:
        ValueError: for anything that does not end in a percent sign.
    """
    if match := _PERCENT.fullmatch(str(value).strip()):
        return float(match[1]) / 100
    raise ValueError(f"expected a percentage such as 10%, got {value!r} (the sign is needed)")


def parse_milliseconds(value: object) -> float:
    """Milliseconds of a duration; see `parse_duration`."""
    return parse_duration(value) * 1000


def show_duration(seconds: float) -> str:
    """`60s`, `5m` or `250ms`: the shortest form that loses nothing."""
    if seconds and seconds < 1:
        return f"{seconds * 1000:g}ms"
    if seconds and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s"


def show_percent(ratio: float) -> str:
    """`10%` for 0.1."""
    return f"{ratio * 100:g}%"


def _written(example: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "examples": [example]})


Milliseconds = Annotated[
    float,
    BeforeValidator(parse_milliseconds),
    PlainSerializer(lambda ms: show_duration(ms / 1000), when_used="json"),
    _written("50ms"),
]
Seconds = Annotated[
    float, BeforeValidator(parse_duration), PlainSerializer(show_duration, when_used="json"), _written("60s")
]
Ratio = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(show_percent, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["10%"]}),
]

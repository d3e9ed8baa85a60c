"""Quantities as people write them: `60s`, `250ms`, `10%`. Text in, numbers in base units out."""

import math
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_MOST_S = 7 * 86_400.0
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def told(value: object) -> str:
    """A value for a message. What a mapping or a list holds is never shown: it may be a secret, and it may be long."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple | set) else repr(value)


def parse_duration(value: object) -> float:
    """Seconds of `90s`, `1.5m`, `250ms` or of a bare number of seconds.

    Raises:
        ValueError: for anything else, negative numbers and more than seven days included.
    """
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    if match := _DURATION.fullmatch(text):
        seconds = float(match[1]) * _SECONDS[match[2]]
    elif _is_number(text):
        seconds = float(text)
    else:
        raise ValueError(f"expected a duration such as 60s, 5m or 250ms, got {told(value)}")
    if not seconds <= _MOST_S:
        raise ValueError(f"expected a duration of at most 7 days, got {told(value)}")
    return seconds


def parse_percent(value: object) -> float:
    """The ratio that `10%` means, 0.1. A bare number is refused: readers differ on whether 10 is ten percent or tenfold.

    Raises:
        ValueError: for anything that does not end in a percent sign.
    """
    match = _PERCENT.fullmatch(str(value).strip())
    if match and math.isfinite(ratio := float(match[1]) / 100):
        return ratio
    raise ValueError(f"expected a percentage such as 10%, got {told(value)} (the sign is needed)")


def parse_number(value: object) -> float:
    """A number that is finite and not negative.

    Raises:
        ValueError: for anything else, booleans included.
    """
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    if _is_number(text) and math.isfinite(number := float(text)):
        return number
    raise ValueError(f"expected a number such as 90 or 2.5, got {told(value)}")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?(e[+-]?\d+)?", text) is not None


def parse_milliseconds(value: object) -> float:
    """Milliseconds of a duration; see `parse_duration`."""
    return parse_duration(value) * 1000


def parse_milliseconds_with_unit(value: object) -> float:
    """Milliseconds of a duration that says its unit. A bare number is refused: beside figures in ms, 10 would mean 10 s.

    Raises:
        ValueError: for a bare number, 0 excepted, which is the same in every unit; see `parse_duration` for the rest.
    """
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    if not _DURATION.fullmatch(text) and not (_is_number(text) and float(text) == 0):
        raise ValueError(f"expected a duration with its unit such as 250ms, got {told(value)}")
    return parse_milliseconds(value)


_SIZES = {"kib": 1.0, "mib": 1024.0, "gib": 1024.0**2}


def parse_size(value: object, unit: str) -> float:
    """A size such as `512MiB`, in the given unit.

    Args:
        unit: `KiB` or `MiB`.

    Raises:
        ValueError: for anything else, a bare number too: readers differ on what it means.
    """
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(kib|mib|gib)", text)
    if found is None:
        raise ValueError(f"expected a size with its unit such as 512MiB, got {told(value)}")
    return float(found[1]) * _SIZES[found[2]] / _SIZES[unit.lower()]


def refuse_truth(value: object) -> object:
    """The value of a number, unless it is true or false: YAML reads `yes` as true, which pydantic takes for 1.

    Raises:
        ValueError: for true and false.
    """
    if value is True or value is False:
        raise ValueError(f"expected a number, got {show_truth(value)}")
    return value


def parse_truth(value: object) -> bool:
    """True or false, and nothing that merely looks like it.

    Raises:
        ValueError: for any other value.
    """
    known = {"true": True, "false": False}
    text = str(value).strip().lower() if isinstance(value, bool | str) else ""
    if text not in known:
        raise ValueError(f"expected true or false, got {told(value)}")
    return known[text]


def show_truth(value: bool) -> str:
    """As YAML writes it."""
    return "true" if value else "false"


def show_duration(seconds: float) -> str:
    """`60s`, `5m` or `250ms`: the shortest form that loses nothing."""
    if seconds and seconds < 1:
        return f"{seconds * 1000:g}ms"
    if seconds and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s"


def show_percent(ratio: float) -> str:
    """`10%` for 0.1."""
    return f"{show_number(ratio * 100)}%"


def show_number(number: float) -> str:
    """Up to twelve decimals and no exponent, which could not be read back before a unit."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


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
Whole = Annotated[int, BeforeValidator(refuse_truth)]
Truth = Annotated[
    bool,
    BeforeValidator(parse_truth),
    PlainSerializer(show_truth, when_used="json"),
    WithJsonSchema({"type": "boolean"}),
]
Ratio = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(show_percent, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["10%"]}),
]

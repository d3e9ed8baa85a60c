"""One table of every setting: its key in the file, its flag, its action input. Made from the model, so it cannot drift."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, PlainSerializer
from pydantic.fields import FieldInfo

from entrypoint.settings.model import Config, MetricThreshold
from entrypoint.settings.quantities import show_duration

# The settings that action.yml offers as inputs, beside those that concern the action alone.
INPUTS = (
    "suite", "compose-file", "service", "port", "command", "url", "ready-path", "ready-timeout", "locustfile",
    "requirements", "users", "spawn-rate", "arrival-rate", "duration", "warm-up", "compare-with", "baseline", "base-ref",
    "max-increase", "max-failures", "comment", "check-run", "on-inconclusive", "on-no-baseline", "timeout",
)  # fmt: skip
ACTION_INPUTS = ("config", "working-directory", "github-token", "artifact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting.

    Attributes:
        places: where its value goes in the configuration; more than one for a shorthand.
        name: its flag without dashes, and its input.
        help: one sentence.
        default: as a user would write it, "" for none.
        is_path: whether a relative value is relative to where it was written.
    """

    places: tuple[tuple[str, ...], ...]
    name: str
    help: str
    default: str
    is_path: bool = False

    @property
    def flag(self) -> str:
        """The command line's name for it."""
        return f"--{self.name}"

    @property
    def input(self) -> str:
        """The action's name for it, "" if the action does not offer it."""
        return self.name if self.name in INPUTS else ""

    @property
    def variable(self) -> str:
        """The environment variable by which action.yml hands it over."""
        return "LT_" + self.name.upper().replace("-", "_")

    @property
    def path(self) -> str:
        """The key in the file, dotted; "" for a shorthand, which the file writes out."""
        return ".".join(self.places[0]) if len(self.places) == 1 and self.places[0][0] != "thresholds" else ""


_IN_THE_FILE_ALONE = {("thresholds",), ("load", "requests"), ("service", "prometheus")}

# Shorthands for the thresholds of every endpoint, which in the file are a list.
_SHORTHANDS = (
    Key(
        places=(("thresholds", "*", "p50", "max-increase"), ("thresholds", "*", "p95", "max-increase")),
        name="max-increase",
        help="Allowed rise of p50 and p95 of every endpoint, such as `20%`",
        default="",
    ),
    Key(
        places=(("thresholds", "*", "failures", "max"),),
        name="max-failures",
        help="Allowed share of failed requests of every endpoint, such as `1%`",
        default="",
    ),
)


def all_keys() -> tuple[Key, ...]:
    """Every setting that can be given as a flag, in the order of the file."""
    return (*_walk(Config, ()), *_SHORTHANDS)


def _walk(section: type[BaseModel], place: tuple[str, ...]) -> Iterator[Key]:
    for field in section.model_fields.values():
        here = (*place, str(field.alias))
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not field.description:
            yield from _walk(kind, here)
        elif here not in _IN_THE_FILE_ALONE:
            yield _key(here, field)


def _key(place: tuple[str, ...], field: FieldInfo) -> Key:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Key(
        places=(place,),
        name=str(extra.get("flag", place[-1])),
        help=field.description or "",
        default=shown_default(field),
        is_path=field.annotation is Path or Path in _inner(field.annotation),
    )


def _inner(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 (a type expression)
    return tuple(inner for part in get_args(annotation) for inner in (part, *_inner(part)))


def shown_default(field: FieldInfo) -> str:
    """A field's default as a user would write it, "" for none."""
    default = field.get_default(call_default_factory=True, validated_data={})
    if default in (None, "", [], {}) or field.is_required():
        return ""
    if isinstance(default, BaseModel):
        figures = [value for value in default.model_dump().values() if isinstance(value, int | float)]
        return "..".join(show_duration(value) for value in figures)
    written = next((part for part in field.metadata if isinstance(part, PlainSerializer)), None)
    return str(written.func(default)) if written else str(default)  # type: ignore[call-arg,unused-ignore]


def threshold_help() -> dict[str, str]:
    """What can be said of one metric of an endpoint, key by key."""
    return {str(field.alias): field.description or "" for field in MetricThreshold.model_fields.values()}

"""YAML with line numbers, so that every mistake can be shown where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from entrypoint.errors import SettingsError
from entrypoint.files import read_small

# A settings file with ten thousand requests has a megabyte.
_LARGEST = 2**20
_MOST_VALUES = 100_000
Place = tuple[str | int, ...]
# Keys that take the place of others in their section: given together, the two would contradict each other.
REPLACES = {
    "compose-file": ("command", "url"),
    "command": ("compose-file", "url"),
    "url": ("compose-file", "command"),
    "locustfile": ("requests", "wait"),
    "requests": ("locustfile",),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    Attributes:
        name: as the user wrote it.
        values: plain mappings, lists and scalars.
        written_at: file and line of every key and list item, by its place.
    """

    name: str
    values: dict[str, Any]
    written_at: dict[Place, str]

    def over(self, other: "Document") -> "Document":
        """This file laid over another one: mappings are joined key by key, everything else replaces what was there.

        What only one of can be given is replaced by its alternative too, and null takes away.
        """
        places = {**other.written_at, **self.written_at}
        return Document(self.name, _laid_over(self.values, other.values), places)


def read_document(path: Path, name: str) -> Document:
    """Read and parse a YAML file.

    Raises:
        SettingsError: if it is missing, is not YAML, or is not a mapping.
    """
    try:
        text = read_small(path, _LARGEST).decode("utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"`{name}` does not exist.", remedy="Write one with `ml-loadtest init`, or name another with `config`."
        ) from None
    except IsADirectoryError:
        raise SettingsError(f"`{name}` is a folder, not a file.", remedy="Name the file in it.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"`{name}` line {line} is not UTF-8 text.", remedy="Save the file as UTF-8.") from error
    except OSError as error:
        raise SettingsError(
            f"`{name}` cannot be read: {error.strerror}.", remedy="It has to be a UTF-8 text file."
        ) from error
    return parse_document(text, name)


def parse_document(text: str, name: str) -> Document:
    """Parse YAML text; see `read_document`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return Document(name, {}, {})
        if _size(node, {}) > _MOST_VALUES:
            raise SettingsError(
                f"`{name}` has more than {_MOST_VALUES:,} values once its aliases are replaced by what they stand for.",
                cause="Aliases of lists of aliases grow without bounds; a file for a load test has some dozens of values.",
                remedy="Write out what the aliases stand for.",
            )
        written_at: dict[Place, str] = {}
        _note_places(node, (), written_at, name)
        values = yaml.safe_load(text)
    # For some texts that are no values of their tag, such as `!!bool x`, PyYAML raises whatever its own code stumbles over.
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise SettingsError(
            f"`{name}`{where} is not valid YAML: {problem}.",
            remedy="Check the indentation and quotes around that line.",
        ) from error
    if not isinstance(values, dict):
        raise SettingsError(
            f"`{name}` should hold keys and values, such as `service:`; it holds {type(values).__name__}."
        )
    return Document(name, values, written_at)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for with every alias replaced; each node is counted once, however often it is meant."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        inside = (part for item in node.value for part in (item if isinstance(item, tuple) else (item,)))
        known[id(node)] = 1 + sum(_size(part, known) for part in inside)
    return known[id(node)]


def _note_places(node: yaml.Node, place: Place, written_at: dict[Place, str], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here, line = (*place, str(key.value)), f"{name} line {key.start_mark.line + 1}"
            if here in written_at:
                raise SettingsError(
                    f"{line} gives `{key.value}` again; it stands at {written_at[here].removeprefix(name).strip()} too.",
                    remedy="Keep one of the two.",
                )
            written_at[here] = line
            _note_places(value, here, written_at, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            written_at[(*place, index)] = f"{name} line {item.start_mark.line + 1}"
            _note_places(item, (*place, index), written_at, name)


def texts_in(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:  # noqa: ANN401 (what YAML or JSON gave)
    """Every text in a value, however deep, with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from texts_in(part, (*place, str(key)))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from texts_in(part, (*place, index))


def _laid_over(values: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    gone = {other for key, value in values.items() if value is not None for other in REPLACES.get(key, ())}
    joined = {key: value for key, value in below.items() if key not in gone}
    for key, value in values.items():
        if value is None:
            joined.pop(key, None)
            continue
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        joined[key] = _laid_over(value, below[key]) if both else value
    return joined

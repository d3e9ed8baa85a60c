"""`${NAME}` in the settings file: variables of the job's environment, in the form that compose files have them.

${VARIANT}            its value; a mistake if it is not set
${VARIANT:-mended}    another value if it is not set or empty
${VARIANT-mended}     another value if it is not set
$${VARIANT}           the text `${VARIANT}`

Anything else that begins with `${` is a mistake: it would be passed on as it stands.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from entrypoint.errors import SettingsError
from entrypoint.settings.document import Document, Place

_REFERENCE = re.compile(r"\$(?P<escaped>\$)?\{(?P<name>[A-Za-z_]\w*)(?:(?P<mark>:?-)(?P<default>[^{}]*))?\}")
# Left as they stand: commands, which may start a shell, and templates that have a language of their own.
_LEFT_ALONE = (("service", "command"), ("service", "setup"), ("compare", "prepare"), ("load", "requests"))


def with_variables(document: Document, environment: Mapping[str, str]) -> Document:
    """The document with every reference in its values replaced.

    Raises:
        SettingsError: with every variable that is needed and not set.
    """
    missing = sorted(set(_missing(document, document.values, (), environment)))
    if missing:
        raise SettingsError(
            " ".join(missing),
            remedy="Set it in the step's `env:` or in your shell, or give it a default, as in `${NAME:-value}`.",
        )
    return Document(document.name, _replaced(document.values, (), environment), document.written_at)


def _missing(document: Document, value: Any, place: Place, environment: Mapping[str, str]) -> Iterator[str]:  # noqa: ANN401 (what YAML gave)
    if place in _LEFT_ALONE:
        return
    for key, part in _parts(value):
        yield from _missing(document, part, (*place, key), environment)
    if isinstance(value, str):
        for found in _REFERENCE.finditer(value):
            if not found["escaped"] and found["mark"] is None and found["name"] not in environment:
                yield f"{document.written_at.get(place, document.name)}: the variable `{found['name']}` is not set."
        if "${" in _REFERENCE.sub("", value):
            where = document.written_at.get(place, document.name)
            yield f"{where}: this `${{` is no variable; a text of its own is written `$${{`."


def _replaced(value: Any, place: Place, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 (what YAML gave)
    if place in _LEFT_ALONE:
        return value
    if isinstance(value, dict):
        return {key: _replaced(part, (*place, str(key)), environment) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, (*place, index), environment) for index, part in enumerate(value)]
    return _REFERENCE.sub(lambda found: _value(found, environment), value) if isinstance(value, str) else value


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:  # noqa: ANN401 (what YAML gave)
    if isinstance(value, dict):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list):
        yield from enumerate(value)


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escaped"]:
        return found[0][1:]
    given = environment.get(found["name"])
    absent = given is None or (given == "" and found["mark"] == ":-")
    return found["default"] or "" if absent else given or ""

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
from entrypoint.settings.document import Document, Place, texts_in

_REFERENCE = re.compile(r"\$(?P<escaped>\$)?\{(?P<name>[A-Za-z_]\w*)(?:(?P<mark>:?-)(?P<default>[^{}]*))?\}")
# Left as they stand: commands, which may start a shell, and templates that have a language of their own.
_LEFT_ALONE = (("service", "command"), ("service", "setup"), ("compare", "prepare"), ("load", "requests"))


def with_variables(document: Document, environment: Mapping[str, str]) -> Document:
    """The document with every reference in its values replaced.

    Raises:
        SettingsError: with every variable that is needed and not set, and every `${` that is none.
    """
    mistakes = [mistake for place, text in texts_in(document.values) for mistake in _mistakes(place, text, environment)]
    if mistakes:
        said = sorted({f"{document.written_at.get(place, document.name)}: {text}" for place, text in mistakes})
        raise SettingsError(
            " ".join(said),
            remedy="Set a variable in the step's `env:` or in your shell, or give it a default, as in `${NAME:-value}`; `$${` is "
            "a text of its own.",
        )
    return Document(document.name, _replaced(document.values, (), environment), document.written_at)


def _mistakes(place: Place, text: str, environment: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    if place[:2] in _LEFT_ALONE:
        return
    for found in _REFERENCE.finditer(text):
        if not found["escaped"] and found["mark"] is None and found["name"] not in environment:
            yield place, f"the variable `{found['name']}` is not set."
    if "${" in _REFERENCE.sub("", text):
        yield place, "this `${` is no variable."


def _replaced(value: Any, place: Place, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 (what YAML gave)
    if place in _LEFT_ALONE:
        return value
    if isinstance(value, dict):
        return {key: _replaced(part, (*place, str(key)), environment) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, (*place, index), environment) for index, part in enumerate(value)]
    return _REFERENCE.sub(lambda found: _value(found, environment), value) if isinstance(value, str) else value


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escaped"]:
        return found[0][1:]
    given = environment.get(found["name"])
    absent = given is None or (given == "" and found["mark"] == ":-")
    return found["default"] or "" if absent else given or ""

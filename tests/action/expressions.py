"""GitHub's expressions, as far as action.yml uses them. An unknown name or function is an error, as it is on GitHub.

The rules of comparing and of truth are those of actions/runner (src/Sdk/DTExpressions2): strings compare without case,
different types compare as numbers.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"\s*(?:'(?:[^']|'')*'|-?\d+(?:\.\d+)?|[A-Za-z_][\w-]*|\|\||&&|[=!]=|[!().,])")
_LITERALS = {"true": True, "false": False, "null": None}
_STATUS = re.compile(r"\b(always|success|failure|cancelled)\s*\(")


class ExpressionError(ValueError):
    """An expression that GitHub would refuse."""


@dataclass(frozen=True)
class Scope:
    """What an expression can name: contexts, and the functions that ask for the status so far."""

    contexts: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]


def interpolate(text: object, scope: Scope) -> str:
    """A YAML value with every `${{ }}` in it replaced."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: as_text(evaluate(found[1], scope)), as_text(text), flags=re.DOTALL)


def condition(text: str, scope: Scope) -> bool:
    """An `if:`, with or without `${{ }}`; one that asks for no status means `success() && (…)`."""
    found = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", text, flags=re.DOTALL)
    expression = found[1] if found else text
    if not _STATUS.search(expression):
        expression = f"success() && ({expression})" if expression.strip() else "success()"
    return is_true(evaluate(expression, scope))


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of an expression.

    Raises:
        ExpressionError: it is not one, or it names what does not exist.
    """
    parser = _Parser(_tokens(expression), scope)
    value = parser.either()
    if parser.rest:
        raise ExpressionError(f"{expression!r}: {parser.rest[0]!r} is not expected")
    return value


def as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case Mapping():
            return "Object"
    return str(value)


def is_true(value: object) -> bool:
    return value not in (None, False, "", 0) and not (isinstance(value, float) and math.isnan(value))


def _tokens(expression: str) -> list[str]:
    tokens, at = [], 0
    while expression[at:].strip():
        found = _TOKEN.match(expression, at)
        if not found:
            raise ExpressionError(f"{expression!r}: {expression[at:]!r} is not understood")
        tokens.append(found[0].strip())
        at = found.end()
    return tokens


def _equal(left: object, right: object) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return left is right if isinstance(left, Mapping) else left == right
    return _number(left) == _number(right)


def _number(value: object) -> float:
    try:
        return float(value or 0)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


class _Parser:
    """Reads and evaluates at once; both sides of `&&` and `||` are always read, which changes no value."""

    def __init__(self, tokens: list[str], scope: Scope) -> None:
        self.rest = tokens
        self._scope = scope

    def _take(self, *wanted: str) -> str:
        if self.rest and self.rest[0] in wanted:
            return self.rest.pop(0)
        return ""

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if is_true(value) else other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = other if is_true(value) else value
        return value

    def _compared(self) -> Any:
        value = self._single()
        while sign := self._take("==", "!="):
            value = _equal(value, self._single()) == (sign == "==")
        return value

    def _single(self) -> Any:
        if self._take("!"):
            return not is_true(self._single())
        if self._take("("):
            value = self.either()
            self._expect(")")
            return value
        if not self.rest:
            raise ExpressionError("an expression ends too early")
        token = self.rest.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if re.fullmatch(r"-?\d.*", token):
            return float(token)
        if token.lower() in _LITERALS:
            return _LITERALS[token.lower()]
        return self._call(token) if self._take("(") else self._context(token)

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ExpressionError(f"{sign!r} is missing")

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._take(")"):
            arguments.append(self.either())
            if not self._take(","):
                self._expect(")")
                break
        known = {"tojson": lambda value: json.dumps(value, indent=2), **self._scope.functions}
        if name.lower() not in known:
            raise ExpressionError(f"there is no function {name!r}")
        return known[name.lower()](*arguments)

    def _context(self, name: str) -> Any:
        if name not in self._scope.contexts:
            raise ExpressionError(f"unrecognized named-value: {name!r}")
        value = self._scope.contexts[name]
        while self._take("."):
            value = _member(value, self.rest.pop(0))
        return value


def _member(value: object, key: str) -> Any:
    members = value.items() if isinstance(value, Mapping) else ()
    return next((member for name, member in members if name.lower() == key.lower()), None)

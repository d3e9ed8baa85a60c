"""Whether an answer is right, as `expect` in `load.requests` says. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_loadtest.contract import without
from ml_loadtest.templates import Names, PayloadMistake, Template, Templates

_SHOWN = 80
_EXCERPT = 120
# Of a body that is shown; its secrets are looked for in this much.
_MOST_READ = 10_000
# What a service says to a payload that it does not take, where nothing else is expected.
REJECTIONS = (400, 422)


class WrongAnswer(Exception):  # noqa: N818 (its name is shown as the kind of failure)
    """The status was right, the answer was not."""


class UnexpectedStatus(Exception):  # noqa: N818
    """Another status than the expected one."""


class SlowAnswer(Exception):  # noqa: N818
    """A right answer, later than `within`."""


class InvalidAccepted(Exception):  # noqa: N818
    """An invalid payload was answered as if it were valid."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        body: as it came.
        elapsed_s: from sending the request to the last byte.
    """

    status: int
    body: bytes
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of an answer.

    Attributes:
        failure: why it is one; None if the answer is right.
        correct: whether the prediction is the label; None where nothing was compared.
    """

    failure: Exception | None
    correct: bool | None = None


class Expectation:
    """Judges the answers to one kind of request.

    Args:
        expect: of the document, see `contract`.
        templates: compiles expected values.
        where: it stands in the settings.
        is_invalid: whether a rejection is expected.
        secrets: values that are taken out of what is said, before it is cut: half a secret would not be found later.
    """

    def __init__(
        self,
        expect: Mapping[str, Any],
        templates: Templates,
        where: str,
        *,
        is_invalid: bool = False,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.statuses = tuple(expect["status"]) or (REJECTIONS if is_invalid else ())
        self.follows_redirects = not any(300 <= status < 400 for status in self.statuses)
        self._is_invalid = is_invalid
        self._secrets = secrets
        self._where = where
        self._within_s: float | None = expect["within_s"]
        self._absolute, self._relative = expect["absolute"], expect["relative"]
        self._values: list[tuple[str, Callable[[Any], Any], Template]] = [
            (path, _search(path), templates.compile(wanted, f"{where}.values.{path}"))
            for path, wanted in expect["values"].items()
        ]
        self._misfit = _validator(expect["schema"]) if expect["schema"] is not None else None
        label = expect["label"]
        self._label = (_search(label["value"]), templates.compile(label["is"], f"{where}.label.is")) if label else None
        self._reads_json = bool(self._values or self._misfit or self._label)

    def judge(self, answer: Answer, names: Names) -> Judgement:
        """What is to be said of the answer to a request that was made with these names.

        Raises:
            PayloadMistake: if an expected value cannot be made.
        """
        if unexpected := self._status(answer):
            return Judgement(unexpected)
        if not self._reads_json:
            return Judgement(self._late(answer))
        try:
            value = _DECODER.decode(answer.body.decode())
        except (ValueError, RecursionError) as error:
            said = (
                "the body is empty" if not answer.body.strip() else f"not JSON ({error}): {self._excerpt(answer.body)}"
            )
            return Judgement(WrongAnswer(said))
        wrong = self._schema(value) or self._differs(value, names)
        return Judgement(WrongAnswer(wrong) if wrong else self._late(answer), self._correct(value, names))

    def _status(self, answer: Answer) -> Exception | None:
        right = answer.status in self.statuses if self.statuses else 200 <= answer.status < 300
        if right:
            return None
        wanted = " or ".join(map(str, self.statuses)) or "2xx"
        said = f"expected status {wanted}, got {answer.status}{': ' if answer.body else ''}{self._excerpt(answer.body)}"
        if self._is_invalid and 200 <= answer.status < 300:
            return InvalidAccepted(f"an invalid payload was accepted: {said}")
        return UnexpectedStatus(said)

    def _late(self, answer: Answer) -> Exception | None:
        if self._within_s is None or answer.elapsed_s <= self._within_s:
            return None
        return SlowAnswer(
            f"slower than {_duration(self._within_s)}: a right answer after {_duration(answer.elapsed_s)}"
        )

    def _schema(self, value: Any) -> str:
        if self._misfit is None:
            return ""
        try:
            return self._cut(self._misfit(value), 2 * _SHOWN)
        except Exception as error:  # a reference that leads nowhere, a pattern that is none
            raise PayloadMistake(f"{self._where}.schema: {error}") from error

    def _differs(self, value: Any, names: Names) -> str:
        """What the first value that differs is, and what it should be."""
        for path, search, template in self._values:
            wanted, found = template.make(names), search(value)
            if not same(wanted, found, self._absolute, self._relative):
                return f"{path}: expected {self._shown(wanted)}, got {self._shown(found)}"
        return ""

    def _correct(self, value: Any, names: Names) -> bool | None:
        if self._label is None:
            return None
        search, label = self._label
        found, wanted = search(value), label.make(names)
        if wanted is None:
            return None  # a row without a label
        return same(wanted, found, 0.0, 0.0) or _text(found) == _text(wanted) is not None

    def _shown(self, value: Any) -> str:
        """A value as JSON, cut to a readable length."""
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            text = repr(value)
        return self._cut(text, _SHOWN)

    def _excerpt(self, body: bytes) -> str:
        return self._cut(" ".join(body[:_MOST_READ].decode("utf-8", "replace").split()), _EXCERPT)

    def _cut(self, text: str, length: int) -> str:
        text = without(text, self._secrets)
        return text if len(text) <= length else text[:length] + "…"


def same(wanted: Any, found: Any, absolute: float, relative: float) -> bool:
    """Whether two JSON values are equal, numbers in them up to a tolerance. True is not 1."""
    if _is_number(wanted) and _is_number(found):
        return wanted == found or abs(wanted - found) <= max(absolute, relative * abs(wanted))
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return wanted.keys() == found.keys() and all(
            same(wanted[key], found[key], absolute, relative) for key in wanted
        )
    if _is_list(wanted) and _is_list(found):
        return len(wanted) == len(found) and all(
            same(one, other, absolute, relative) for one, other in zip(wanted, found, strict=True)
        )
    return isinstance(wanted, bool) == isinstance(found, bool) and bool(wanted == found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _text(value: Any) -> str | None:
    """A number or a text as text, so that the label `7` is the prediction `"7"`; None for anything else."""
    return str(value) if isinstance(value, str) or _is_number(value) else None


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms" if seconds < 1 else f"{seconds:.4g} s"


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_json)


def _search(path: str) -> Callable[[Any], Any]:
    """What a path finds in an answer; nothing where a function of it does not fit what is there."""
    import jmespath

    compiled = jmespath.compile(path)

    def search(value: Any) -> Any:
        try:
            return compiled.search(value)
        except jmespath.exceptions.JMESPathError:
            return None

    return search


def _validator(schema: Any) -> Callable[[Any], str]:
    """What is wrong with a value by a JSON Schema, "" if nothing is."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    # With the published meta-schemas alone: by default a reference to elsewhere would be fetched in the middle of the load.
    validator = validator_for(schema)(schema, registry=REGISTRY)

    def misfit(value: Any) -> str:
        error = best_match(validator.iter_errors(value))
        if error is None:
            return ""
        return f"{'.'.join(map(str, error.absolute_path)) or 'the answer'}: {error.message}"

    return misfit

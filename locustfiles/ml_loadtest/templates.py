"""Templates of `load.requests`: compiled once in a process, rendered for each request, sandboxed. Pure, but for `random`.

Everything random comes from the module `random`, which the pacer seeds for each ticket: base and candidate are asked the same.
"""

import base64
import random
import uuid as uuids
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Names = Mapping[str, Any]


class PayloadMistake(Exception):  # noqa: N818 (said to the one who wrote loadtest.yml)
    """`load.requests` asks for what cannot be made: a column that a row lacks, a division by zero."""


@dataclass(frozen=True, slots=True)
class Template:
    """Any JSON value, with its templates compiled.

    Attributes:
        make: given the request's names, the value.
        is_fixed: whether it is always the same, since there is no template in it.
    """

    make: Callable[[Names], Any]
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class Image:
    """A file of `images`.

    Attributes:
        name: below its folder.
        data: its bytes.
    """

    name: str
    data: bytes


class Templates:
    """Compiles templates.

    Args:
        environment: the variables that they may see, as `env`.
        images: every image by its name, as `images`.
    """

    def __init__(self, environment: Mapping[str, str], images: Mapping[str, Image] | None = None) -> None:
        self._globals = {"env": dict(environment), "images": dict(images or {}), **FUNCTIONS}
        self._engine: Any = None

    def compile(self, value: Any, where: str) -> Template:
        """A JSON value with templates in its texts. Keys of mappings are taken as they are.

        Args:
            value: what `json.loads` gave.
            where: it stands in the settings, for messages.

        Raises:
            PayloadMistake: if a template cannot be read.
        """
        if isinstance(value, str):
            return self._text(value, where) if _is_template(value) else Template(lambda _: value, True)
        if isinstance(value, dict):
            return _of_mapping({key: self.compile(part, f"{where}.{key}") for key, part in value.items()}, value)
        if isinstance(value, list):
            return _of_list([self.compile(part, f"{where}.{index}") for index, part in enumerate(value)], value)
        return Template(lambda _: value, True)

    def _text(self, source: str, where: str) -> Template:
        try:
            render = self._native(source)
        except Exception as error:
            raise PayloadMistake(f"{where}: {error}") from error

        def make(names: Names) -> Any:
            try:
                return render(names)
            except Exception as error:
                raise PayloadMistake(f"{where}: {type(error).__name__}: {error}") from error

        return Template(make, False)

    def _native(self, source: str) -> Callable[[Names], Any]:
        """A text that is one expression has that expression's value, a number for instance; any other is a text.

        jinja2's own NativeEnvironment would read the text "12" as a number, and so lose what a row says.
        """
        from jinja2 import nodes

        engine = self._engine = self._engine or _engine(self._globals)
        body = engine.parse(source).body
        parts = body[0].nodes if len(body) == 1 and isinstance(body[0], nodes.Output) else []
        if len(parts) != 1 or isinstance(parts[0], nodes.TemplateData):
            begin = _beginning(engine, engine.from_string(source))
            return lambda names: "".join(begin(names)[1])
        # As jinja2's own `compile_expression` does it; that would need the expression's own text.
        result = nodes.Assign(nodes.Name("result", "store"), parts[0], lineno=1)
        begin = _beginning(engine, engine.from_string(nodes.Template([result], lineno=1).set_environment(engine)))
        undefined, cell = engine.undefined, _cell(parts[0])

        def value(names: Names) -> Any:
            if cell in names.get("row", ()):
                return names["row"][cell]
            context, pieces = begin(names)
            for _ in pieces:
                pass
            found = context.vars["result"]
            if isinstance(found, undefined):
                str(found)  # It says what is missing.
            return found

        return value


def _cell(expression: Any) -> str | None:
    """The column, where an expression is a row's cell and no more, as most are: that needs no rendering."""
    from jinja2 import nodes

    if not (
        isinstance(expression, nodes.Getattr)
        and isinstance(expression.node, nodes.Name)
        and expression.node.name == "row"
    ):
        return None
    return str(expression.attr)


def _beginning(engine: Any, template: Any) -> Callable[[Names], tuple[Any, Iterator[str]]]:
    """Begins to render. `Template.render` copies a chain of mappings each time, which takes three times as long as all else."""
    render, context_class, known = template.root_render_func, engine.context_class, engine.globals

    def begin(names: Names) -> tuple[Any, Iterator[str]]:
        context = context_class(engine, {**known, **names}, None, {})
        return context, render(context)

    return begin


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def _of_mapping(parts: dict[str, Template], value: dict[str, Any]) -> Template:
    if all(part.is_fixed for part in parts.values()):
        return Template(lambda _: value, True)
    makes = [(key, part.make) for key, part in parts.items()]
    return Template(lambda names: {key: make(names) for key, make in makes}, False)


def _of_list(parts: list[Template], value: list[Any]) -> Template:
    if all(part.is_fixed for part in parts):
        return Template(lambda _: value, True)
    makes = [part.make for part in parts]
    return Template(lambda names: [make(names) for make in makes], False)


# What templates may call ----------------------------------------------------------------------------------------------


def _sample(population: Any, k: int) -> list[Any]:
    return random.sample(list(population), k)


def _uuid() -> str:
    """A random UUID, version 4, from the seeded `random`."""
    return str(uuids.UUID(int=random.getrandbits(128), version=4))


def _b64(value: Any) -> str:
    """An image, bytes or a text (as UTF-8) in base64."""
    data = value.data if isinstance(value, Image) else value if isinstance(value, bytes) else str(value).encode()
    return base64.b64encode(data).decode()


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "randint": random.randint,
    "uniform": random.uniform,
    "gauss": random.gauss,
    "choice": random.choice,
    "sample": _sample,
    "uuid": _uuid,
    "range": range,
}
FILTERS: dict[str, Callable[[Any], Any]] = {"b64": _b64}


def _engine(names: Mapping[str, Any]) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

    class Engine(ImmutableSandboxedEnvironment):
        """Rows are mappings: `row.values` is a column of that name before it is a method."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if obj.__class__ is dict and attribute in obj:
                return obj[attribute]
            return super().getattr(obj, attribute)

    engine = Engine(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    engine.globals = {**names, "range": safe_range}
    engine.filters.update(FILTERS)
    return engine

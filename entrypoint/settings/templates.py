"""What can be seen in a template of `load.requests` without rendering it: its syntax, and the names that it uses."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from entrypoint.settings.requests import is_template

# What the instrument gives templates; a test joins the two.
TEMPLATE_NAMES = (
    "row", "env", "image", "images", "n", "randint", "uniform", "gauss", "choice", "sample", "uuid", "range",
)  # fmt: skip
TEMPLATE_FILTERS = ("b64",)
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What templates of one request may name.

    Attributes:
        rows: whether there are rows.
        columns: their columns; None where those are not known.
        images: whether there are images.
        declared: names of variables in `load.environment`.
        present: names of variables that are set.
    """

    rows: bool
    columns: Collection[str] | None
    images: bool
    declared: Collection[str]
    present: Collection[str]


def mistakes_in(text: str, around: Surroundings) -> Iterator[str]:
    """What is wrong with a text, if it is a template."""
    if not is_template(text):
        return
    from jinja2 import TemplateSyntaxError, meta

    engine = _engine()
    try:
        tree = engine.parse(text)
        engine.compile(tree)
        tree = engine.parse(text)  # compiling has changed the first
    except TemplateSyntaxError as error:
        yield f"this template cannot be read: {error.message}"
        return
    names = meta.find_undeclared_variables(tree)
    for name in sorted(names - set(TEMPLATE_NAMES)):
        yield f"templates know no `{name}`; {_known(name, TEMPLATE_NAMES)}"
    if names & {"image", "images"} and not around.images:
        yield "`image` needs `images`, a folder that it is drawn from"
    if "row" in names:
        yield from _in_row(_of(tree, "row"), around)
    yield from _in_env(_of(tree, "env"), around)


def uses(value: object, name: str) -> bool:
    """Whether a template in any text of a value uses a name."""
    if isinstance(value, dict):
        return any(uses(part, name) for part in value.values())
    if isinstance(value, list):
        return any(uses(part, name) for part in value)
    if not isinstance(value, str) or not is_template(value):
        return False
    from jinja2 import meta

    return name in meta.find_undeclared_variables(_engine().parse(value))


def _in_row(columns: set[str], around: Surroundings) -> Iterator[str]:
    if not around.rows:
        yield "`row` needs `rows`, a file that it is drawn from"
    elif around.columns is not None:
        for name in sorted(columns - set(around.columns) - set(dir(dict))):
            yield f"the rows have no column `{name}`; {_known(name, sorted(around.columns))}"


def _in_env(names: set[str], around: Surroundings) -> Iterator[str]:
    for name in sorted(names - set(dir(dict))):
        if name not in around.declared:
            yield f"`env.{name}`: templates see the variables that `load.environment` names; add {name} to it"
        elif name not in around.present:
            yield f"`env.{name}`: the variable {name} is not set"


def _known(name: str, known: Collection[str]) -> str:
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean `{close[0]}`?"
    listed = ", ".join(list(known)[:_SHOWN])
    return f"known here: {listed}{' and others' if len(known) > _SHOWN else ''}"


def _of(tree: Any, owner: str) -> set[str]:  # noqa: ANN401 (jinja2's tree)
    """The names that a template looks up in one of its mappings, `row.age` and `row['age']`."""
    from jinja2 import nodes

    dotted = {node.attr for node in tree.find_all(nodes.Getattr) if _is_name(node.node, owner)}
    bracketed = {
        node.arg.value
        for node in tree.find_all(nodes.Getitem)
        if _is_name(node.node, owner) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
    }
    return dotted | bracketed


def _is_name(node: Any, name: str) -> bool:  # noqa: ANN401
    from jinja2 import nodes

    return isinstance(node, nodes.Name) and node.name == name


def _engine() -> Any:  # noqa: ANN401
    """As the instrument's, but for what its functions do."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    engine = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    engine.globals.clear()
    engine.filters.update(dict.fromkeys(TEMPLATE_FILTERS, str))
    return engine

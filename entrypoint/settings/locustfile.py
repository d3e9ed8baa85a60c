"""What can be seen in a locustfile without running it: mistakes that make a load test measure something else."""

import ast
from collections.abc import Iterator

_METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "request"}
# A locustfile that gives requests their names in one of these ways has thought of it.
_RENAMES = {"rename_request", "request_name"}
# What draws many at once draws a pool to choose from.
_POOLS = {"sample", "choices", "shuffle", "Random", "seed", "SystemRandom"}
_SHOWN = 3


def doubts_of_locustfile(text: str) -> list[str]:
    """Sentences about a locustfile, each with the mend; none for one that is not Python, which Locust will say."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls = [call for call in _calls(tree) if _is_request(call)]
    return [*_ungrouped(tree, calls), *_frozen(tree, calls)]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_request(call: ast.Call) -> bool:
    """`self.client.get(…)`, `user.client.post(…)`."""
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _METHODS
        and isinstance(function.value, ast.Attribute)
        and function.value.attr == "client"
    )


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _has_unpacked(call: ast.Call) -> bool:
    return any(keyword.arg is None for keyword in call.keywords)


def _url(call: ast.Call) -> ast.expr | None:
    assert isinstance(call.func, ast.Attribute)
    place = 1 if call.func.attr == "request" else 0
    return call.args[place] if len(call.args) > place else _argument(call, "url") or _argument(call, "path")


def _ungrouped(tree: ast.Module, calls: list[ast.Call]) -> Iterator[str]:
    """URLs that are made from values and have no name: each value gets a row of its own, and none of them enough requests."""
    if any(isinstance(node, ast.Attribute) and node.attr in _RENAMES for node in ast.walk(tree)):
        return
    fixed = set(_fixed(tree.body))
    lines = [
        call.lineno
        for call in calls
        if (url := _url(call)) is not None
        and _is_made(url, fixed)
        and _argument(call, "name") is None
        and not _has_unpacked(call)
    ]
    if lines:
        yield (
            f"locustfile line {_listed(lines)}: a URL made from values without a `name` gives the table a row for each value, "
            'and each row too few requests; add `name="/items/{id}"` or the like.'
        )


def _is_made(url: ast.expr, fixed: set[str]) -> bool:
    """Whether a URL is put together from anything that may be another value in the next request."""
    if isinstance(url, ast.JoinedStr):
        return bool(_varying(url, fixed)) and not _is_host_alone(url)
    if isinstance(url, ast.BinOp):
        made = isinstance(url.op, ast.Add | ast.Mod) and any(_is_text(side) for side in (url.left, url.right))
        return made and bool(_varying(url, fixed))
    is_format = isinstance(url, ast.Call) and isinstance(url.func, ast.Attribute) and url.func.attr == "format"
    return is_format and bool(_varying(url, fixed))


def _varying(url: ast.expr, fixed: set[str]) -> set[str]:
    """The names in it, but for those that the module gives a value once."""
    return {node.id for node in ast.walk(url) if isinstance(node, ast.Name)} - fixed


def _fixed(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module or class binds, to be looked up in tasks as `NAME` or `self.name`."""
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _is_host_alone(url: ast.JoinedStr) -> bool:
    """f"{HOST}/predict": what varies is not in the path."""
    varying = [part for part in url.values if isinstance(part, ast.FormattedValue)]
    return len(varying) == 1 and url.values[0] is varying[0] and isinstance(varying[0].value, ast.Name | ast.Attribute)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _frozen(tree: ast.Module, calls: list[ast.Call]) -> Iterator[str]:
    """Values drawn once, when the file is imported, and sent with every request."""
    drawn = dict(_drawn_at_import(tree.body))
    sent = {
        node.id if isinstance(node, ast.Name) else node.attr
        for call in calls
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        for node in ast.walk(argument)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    if lines := [line for name, line in drawn.items() if name in sent]:
        yield (
            f"locustfile line {_listed(lines)}: what is drawn by chance when the file is imported is the same in every request, "
            "so that caches answer; draw it inside the task."
        )


def _drawn_at_import(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Names that a module or class gives to values made with `random`, and the line of each."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from _drawn_at_import(statement.body)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if _draws_one(statement.value):
                yield from ((target.id, statement.lineno) for target in targets if isinstance(target, ast.Name))


def _draws_one(value: ast.expr) -> bool:
    """Whether a single payload is drawn: a list of many, made once and chosen from later, is as it should be."""
    many = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
    if isinstance(value, many) or any(isinstance(node, many) for node in ast.walk(value)):
        return False
    return any(
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in ("random", "faker", "fake")
        and call.func.attr not in _POOLS
        for call in _calls(value)
    )


def _listed(lines: list[int]) -> str:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return ", ".join(map(str, sorted(lines)[:_SHOWN])) + more

"""Tables of the documentation that are made from the code: python -m scripts.tables writes them between their markers.

A test fails when a page and the code differ, so a setting is documented by being there.
"""

import re
import sys
from functools import partial
from pathlib import Path

import yaml

from entrypoint.judgement.wording import figure
from entrypoint.measurement.metrics import METRICS, Direction
from entrypoint.settings.keys import all_keys, shown_default, threshold_help
from entrypoint.settings.prometheus import Prometheus, Series
from entrypoint.settings.requests import Expect, Request, Variant
from entrypoint.settings.section import Section
from tests.faults.table import GROUPS, cases

ROOT = Path(__file__).parents[1]
_PAGES = ("README.md", "docs/settings.md", "docs/measuring.md", "docs/requests.md", "docs/reliability.md")


def settings_table() -> str:
    """Every setting: key, flag, input, default."""
    rows = [
        (f"`{key.path}`" if key.path else "`thresholds`", f"`{key.flag}`", f"`{key.input}`" if key.input else "",
         f"`{key.default}`" if key.default else "", _cell(key.help))
        for key in all_keys()
    ]  # fmt: skip
    return _table(("Key", "Flag", "Input", "Default", "What it says"), rows)


def keys_table(section: type[Section]) -> str:
    """What may be said in a section that only the file has, such as that of a request."""
    rows = [
        (
            f"`{field.alias}`",
            f"`{default}`" if (default := shown_default(field)) else "",
            _cell(field.description or ""),
        )
        for field in section.model_fields.values()
    ]
    return _table(("Key", "Default", "What it says"), rows)


def thresholds_table() -> str:
    """What may be said of one metric of an endpoint."""
    return _table(("Key", "What it says"), [(f"`{key}`", _cell(text)) for key, text in threshold_help().items()])


def metrics_table() -> str:
    """Every metric with its defaults."""
    rows = []
    for metric in METRICS.values():
        worse = "up" if metric.direction is Direction.LOWER_IS_BETTER else "down"
        change = f"{metric.max_change:.0%}" if metric.max_change is not None else ""
        floor = figure(metric.floor, metric.unit) if metric.floor else ""
        limit = f"{metric.limit:.0%}" if metric.limit is not None else ""
        rows.append(
            (
                f"`{metric.key}`",
                metric.label,
                metric.unit,
                worse,
                "yes" if metric.gate else "",
                change,
                floor,
                limit,
                str(metric.minimum),
            )
        )
    head = ("Metric", "What", "Unit", "Worse", "Gates", "Allowed change", "Floor", "Limit", "Printed from")
    return _table(head, rows)


def inputs_table() -> str:
    """The action's inputs, from action.yml."""
    inputs = _action()["inputs"]
    return _table(
        ("Input", "What it says"), [(f"`{name}`", _cell(entry["description"])) for name, entry in inputs.items()]
    )


def outputs_table() -> str:
    """The action's outputs, from action.yml."""
    outputs = _action()["outputs"]
    return _table(
        ("Output", "What it holds"), [(f"`{name}`", _cell(entry["description"])) for name, entry in outputs.items()]
    )


def faults_tables() -> str:
    """Every case of the fault suite, a table for each kind."""
    parts = [f"{len(list(cases()))} cases."]
    for group in GROUPS:
        rows = [
            (_escaped(case.what), _escaped(case.sees), f"`{case.verdict}`" if case.verdict else "–",
             "–" if case.code is None else str(case.code), case.kept.value)
            for case in group.cases
        ]  # fmt: skip
        head = ("What goes wrong", "What the user sees", "Verdict", "Exit code", "Kept")
        parts.append(f"### {group.title}\n\n{_table(head, rows)}")
    return "\n\n".join(parts)


TABLES = {
    "settings": settings_table,
    "thresholds": thresholds_table,
    "prometheus": partial(keys_table, Prometheus),
    "series": partial(keys_table, Series),
    "requests": partial(keys_table, Request),
    "expect": partial(keys_table, Expect),
    "invalid": partial(keys_table, Variant),
    "metrics": metrics_table,
    "inputs": inputs_table,
    "outputs": outputs_table,
    "faults": faults_tables,
}


def with_tables(text: str) -> str:
    """A page with every table between its markers made anew."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda match, make=make: f"{match[1]}{make()}\n{match[2]}", text)
    return text


def pages() -> dict[Path, str]:
    """Every page that has tables, with its text as it should be."""
    return {ROOT / name: with_tables((ROOT / name).read_text(encoding="utf-8")) for name in _PAGES}


def _action() -> dict[str, dict[str, dict[str, str]]]:
    loaded: dict[str, dict[str, dict[str, str]]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return loaded


def _cell(text: str) -> str:
    return _escaped(text).rstrip(".")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    for page, wanted in pages().items():
        page.write_text(wanted, encoding="utf-8")
    sys.exit(0)

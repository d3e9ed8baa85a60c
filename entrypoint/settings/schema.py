"""The JSON Schema of loadtest.yml, made from the model that reads it."""

import json
from typing import Any

from entrypoint.measurement.metrics import METRICS
from entrypoint.settings.model import Config, MetricThreshold, working_keys


def schema() -> dict[str, Any]:
    """The schema as a mapping. Metrics stand beside `endpoint` in the file, so thresholds are written out here."""
    made = Config.model_json_schema(by_alias=True, mode="validation")
    definitions = made["$defs"]
    definitions.pop("MetricThreshold", None)
    limits = MetricThreshold.model_json_schema()["properties"]
    metrics = {key: _limits(key, limits) for key in METRICS}
    definitions["Limits"] = _of_any(limits)
    pattern = {"type": "string", "default": "*", "description": "Endpoint or pattern, such as `POST /predict`"}
    definitions["Threshold"] = {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Limits"},
        "properties": {"endpoint": pattern, **metrics},
    }
    _allow_chosen(made)
    for name in ("WarmUp", "Wait", "Tolerance"):
        definitions[name] = {"anyOf": [definitions[name], {"type": ["string", "number"]}]}
    definitions["Load"]["not"] = {"required": ["locustfile", "requests"]}
    _allow_text(definitions)
    for section in (made, *definitions.values()):
        _allow_variables(section)
    _allow_extending(made)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "loadtest.yml"}


def schema_text() -> str:
    """The schema as JSON."""
    return json.dumps(schema(), indent=2)


_WRITTEN: dict[str, list[dict[str, Any]]] = {
    "ms": [{"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h)$"}, {"const": 0}],
    "%": [{"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}],
    "MiB": [{"type": "string", "pattern": r"^\d+(\.\d+)?\s*(KiB|MiB|GiB)$"}],
    "KiB": [{"type": "string", "pattern": r"^\d+(\.\d+)?\s*(KiB|MiB|GiB)$"}],
    "1/s": [{"type": "number", "minimum": 0}],
    "users": [{"type": "number", "minimum": 0}],
}


def _limits(metric: str, properties: dict[str, Any]) -> dict[str, Any]:
    """What may be said of one metric: the keys that do something there, absolute values in its unit."""
    said = {}
    for name in working_keys(METRICS[metric]):
        kinds = [kind for kind in properties[name]["anyOf"] if kind.get("type") != "null"]
        if any(kind.get("type") == "number" for kind in kinds):
            kinds = _WRITTEN[METRICS[metric].unit]
        said[name] = {"description": properties[name].get("description", ""), "anyOf": kinds}
    return {"type": "object", "additionalProperties": False, "properties": said}


def _of_any(properties: dict[str, Any]) -> dict[str, Any]:
    """What may be said of a figure that the settings chose, whatever its unit."""
    said = {name: {"description": part.get("description", "")} for name, part in properties.items()}
    return {"type": "object", "additionalProperties": False, "properties": said}


def _allow_chosen(made: dict[str, Any]) -> None:
    """Where no series of the service's page is chosen, here or in a file that is extended, metrics are ours alone."""
    chosen = {"properties": {"service": {"required": ["prometheus"]}}, "required": ["service"]}
    ours = {"items": {"propertyNames": {"enum": ["endpoint", *METRICS]}}}
    made["if"] = {"not": {"anyOf": [chosen, {"required": ["extends"]}]}}
    made["then"] = {"properties": {"thresholds": ours}}


def _allow_variables(section: dict[str, Any]) -> None:
    """`${NAME}` may stand where a number or a truth is expected."""
    for name, part in section.get("properties", {}).items():
        kinds = part.get("anyOf") or [part]
        if any(kind.get("type") in {"integer", "number", "boolean"} for kind in kinds):
            about = {key: part[key] for key in ("description", "default") if key in part}
            plain = [{key: value for key, value in kind.items() if key not in about} for kind in kinds]
            section["properties"][name] = {**about, "anyOf": [*plain, {"type": "string", "pattern": r"\$\{\w+"}]}


def _allow_extending(made: dict[str, Any]) -> None:
    """A file that extends another one may leave to it what every run needs."""
    description = "Another file, relative to this one, that says everything this one does not"
    made["properties"]["extends"] = {"type": "string", "description": description}
    sourced = {"anyOf": [{"required": ["locustfile"]}, {"required": ["requests"]}]}
    whole = {"required": made.pop("required"), "properties": {"load": sourced}}
    made["anyOf"] = [whole, {"required": ["extends"]}]


# What only the file can say, so that no flag or input has to hold it in one string.
_IN_THE_FILE_ALONE = {"Request", "Expect", "Label", "Variant", "Prometheus", "Series"}


def _allow_text(definitions: dict[str, Any]) -> None:
    """Lists and assignments may be one string, a line or a comma apart."""
    for title, section in definitions.items():
        for name, part in section.get("properties", {}).items() if title not in _IN_THE_FILE_ALONE else ():
            if part.get("type") in {"array", "object"} and name != "requests":
                section["properties"][name] = {
                    "description": part.get("description", ""),
                    "anyOf": [{key: value for key, value in part.items() if key != "description"}, {"type": "string"}],
                }

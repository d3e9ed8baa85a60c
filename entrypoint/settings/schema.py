"""The JSON Schema of loadtest.yml, made from the model that reads it."""

import json
from typing import Any

from entrypoint.measurement.metrics import METRICS
from entrypoint.settings.model import Config, MetricThreshold


def schema() -> dict[str, Any]:
    """The schema as a mapping. Metrics stand beside `endpoint` in the file, so thresholds are written out here."""
    made = Config.model_json_schema(by_alias=True, mode="validation")
    definitions = made["$defs"]
    limits = {name: _with_units(part) for name, part in MetricThreshold.model_json_schema()["properties"].items()}
    definitions["MetricThreshold"] = {"type": "object", "additionalProperties": False, "properties": limits}
    metrics = {key: {"$ref": "#/$defs/MetricThreshold"} for key in METRICS}
    pattern = {"type": "string", "default": "*", "description": "Endpoint or pattern, such as `POST /predict`"}
    definitions["Threshold"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"endpoint": pattern, **metrics},
    }
    definitions["WarmUp"] = {"anyOf": [definitions["WarmUp"], {"type": ["string", "number"]}]}
    _allow_text(definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "loadtest.yml"}


def schema_text() -> str:
    """The schema as JSON."""
    return json.dumps(schema(), indent=2)


def _with_units(part: dict[str, Any]) -> dict[str, Any]:
    """Limits may be written with the metric's unit, such as 250ms or 1%."""
    kinds = [kind for kind in part.get("anyOf", []) if kind.get("type") != "null"]
    if any(kind.get("type") == "number" for kind in kinds):
        kinds.append({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|%)?$"})
    return {"description": part.get("description", ""), "anyOf": kinds}


def _allow_text(definitions: dict[str, Any]) -> None:
    """Lists and assignments may be one string, a line or a comma apart."""
    for section in definitions.values():
        for name, part in section.get("properties", {}).items():
            if part.get("type") in {"array", "object"}:
                section["properties"][name] = {
                    "description": part.get("description", ""),
                    "anyOf": [{key: value for key, value in part.items() if key != "description"}, {"type": "string"}],
                }

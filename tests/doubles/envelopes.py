"""The envelopes Application Insights takes, as a JSON schema, and what its transaction view makes of them.

Written from the data model that Microsoft documents
(learn.microsoft.com/azure/azure-monitor/app/data-model-complete): which fields there are, how long they may
be, how a duration looks, what names an operation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jsonschema import Draft7Validator

Json = dict[str, Any]

_PROPERTIES = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 150},
    "additionalProperties": {"type": "string", "maxLength": 8192},
    "maxProperties": 200,
}
_MEASUREMENTS = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 150},
    "additionalProperties": {"type": "number"},
}
_DURATION = {"type": "string", "pattern": r"^\d+\.[0-2]\d:[0-5]\d:[0-5]\d\.\d{3,7}$"}
_SPAN_ID = {"type": "string", "pattern": "^[0-9a-f]{16}$"}


def _text(longest: int, shortest: int = 0) -> Json:
    return {"type": "string", "minLength": shortest, "maxLength": longest}


def _data(required: str, **fields: Json) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["ver", *required.split()],
        "properties": {
            "ver": {"const": 2},
            "properties": _PROPERTIES,
            "measurements": _MEASUREMENTS,
            **fields,
        },
    }


DATA: dict[str, Json] = {
    "EventData": _data("name", name=_text(512, 1)),
    "RequestData": _data(
        "id duration responseCode success",
        id=_SPAN_ID,
        name=_text(1024, 1),
        duration=_DURATION,
        responseCode=_text(1024, 1),
        success={"type": "boolean"},
        source=_text(1024),
        url=_text(2048),
    ),
    "RemoteDependencyData": _data(
        "name duration",
        id=_SPAN_ID,
        name=_text(1024, 1),
        duration=_DURATION,
        resultCode=_text(1024),
        success={"type": "boolean"},
        data=_text(8192),
        target=_text(1024),
        type=_text(1024),
    ),
    "ExceptionData": _data(
        "exceptions",
        severityLevel={"enum": [0, 1, 2, 3, 4]},
        problemId=_text(1024),
        exceptions={
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["typeName", "message"],
                "properties": {
                    "id": {"type": "integer"},
                    "outerId": {"type": "integer"},
                    "typeName": _text(1024, 1),
                    "message": _text(32768, 1),
                    "hasFullStack": {"type": "boolean"},
                    "stack": _text(32768),
                },
            },
        },
    ),
    "MetricData": _data(
        "metrics",
        metrics={
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "value"],
                "properties": {
                    "ns": _text(256),
                    "name": _text(1024, 1),
                    "kind": {"enum": [0, 1]},
                    "value": {"type": "number"},
                    "count": {"type": "integer", "minimum": 0},
                    "min": {"type": "number"},
                    "max": {"type": "number"},
                    "stdDev": {"type": "number"},
                },
            },
        },
    ),
}

ENVELOPE: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "time", "iKey", "tags", "data"],
    "properties": {
        "ver": {"const": 1},
        "name": {"enum": [f"Microsoft.ApplicationInsights.{base.removesuffix('Data')}" for base in DATA]},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$"},
        "sampleRate": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
        "seq": _text(64),
        "iKey": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "tags": {
            "type": "object",
            "propertyNames": {"pattern": r"^ai\.[a-z]+\.[A-Za-z]+$"},
            "additionalProperties": _text(1024, 1),
            "required": ["ai.cloud.role", "ai.cloud.roleInstance", "ai.internal.sdkVersion"],
            "properties": {
                "ai.operation.id": {"pattern": "^[0-9a-f]{32}$"},
                "ai.operation.parentId": _SPAN_ID,
                "ai.cloud.role": {"const": "askpage"},
            },
        },
        "data": {
            "type": "object",
            "additionalProperties": False,
            "required": ["baseType", "baseData"],
            "properties": {"baseType": {"enum": list(DATA)}, "baseData": {"type": "object"}},
            "allOf": [
                {
                    "if": {"properties": {"baseType": {"const": base}}},
                    "then": {"properties": {"baseData": schema}},
                }
                for base, schema in DATA.items()
            ],
        },
    },
}
_VALID = Draft7Validator(ENVELOPE)


def check(envelopes: Sequence[Json]) -> None:
    """Fail for an envelope that is not as documented."""
    for envelope in envelopes:
        errors = [f"{list(error.absolute_path)}: {error.message}" for error in _VALID.iter_errors(envelope)]
        assert not errors, (errors, envelope)
        base = envelope["data"]["baseType"]
        assert envelope["name"] == f"Microsoft.ApplicationInsights.{base.removesuffix('Data')}"


def of_type(envelopes: Sequence[Json], base_type: str) -> list[Json]:
    return [envelope for envelope in envelopes if envelope["data"]["baseType"] == base_type]


def data_of(envelope: Json) -> Json:
    return envelope["data"]["baseData"]


def operation(envelopes: Sequence[Json], operation_id: str) -> dict[str, list[Json]]:
    """Return what the transaction view shows of an operation: its items by the id of what they hang below."""
    below: dict[str, list[Json]] = {}
    for envelope in envelopes:
        if envelope["tags"].get("ai.operation.id") == operation_id:
            below.setdefault(envelope["tags"].get("ai.operation.parentId", ""), []).append(envelope)
    return below


def outline(envelopes: Sequence[Json], operation_id: str) -> list[str]:
    """Return an operation as lines, indented by depth, in the order of time; nothing may hang in the air."""
    below = operation(envelopes, operation_id)
    lines: list[str] = []

    def draw(parent: str, depth: int) -> None:
        for envelope in sorted(below.pop(parent, []), key=lambda one: one["time"]):
            data = data_of(envelope)
            kind = envelope["data"]["baseType"].removesuffix("Data")
            lines.append(f"{'  ' * depth}{kind} {data.get('name', '')}".rstrip())
            if "id" in data:
                draw(data["id"], depth + 1)

    draw("", 0)
    assert not below, f"parents that are not there: {list(below)}"
    return lines


def links_of(envelope: Json) -> list[str]:
    """Return the operations that an item is linked to."""
    links = data_of(envelope).get("properties", {}).get("_MS.links", "[]")
    return [link["operation_Id"] for link in json.loads(links)]

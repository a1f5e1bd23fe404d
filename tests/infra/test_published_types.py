"""What holds deployed bodies to Microsoft's published types finds what these do not allow.

The types themselves are too large to be installed: `python -m tests.doubles.azure.published_types CLONE` is
run by hand (docs/azure.md has when it last was). Here are some of the same form.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.doubles.azure.published_types import Published, list_wanted, mistakes


def of(number: int, flags: int = 0) -> dict[str, Any]:
    return {"type": {"$ref": f"#/{number}"}, "flags": flags}


TYPES = Published(
    [
        {"$type": "StringType", "pattern": "^[a-z]+$", "maxLength": 5},
        {"$type": "StringLiteralType", "value": "Small"},
        {"$type": "StringLiteralType", "value": "Large"},
        {"$type": "UnionType", "elements": [{"$ref": "#/1"}, {"$ref": "#/2"}]},
        {"$type": "IntegerType", "minValue": 1, "maxValue": 9},
        {"$type": "BooleanType"},
        {"$type": "ArrayType", "itemType": {"$ref": "#/4"}},
        {
            "$type": "DiscriminatedObjectType",
            "discriminator": "kind",
            "baseProperties": {"on": of(5)},
            "elements": {"many": {"$ref": "#/8"}},
        },
        {"$type": "ObjectType", "properties": {"kind": of(0, 1), "sizes": of(6)}},
        {
            "$type": "ObjectType",
            "properties": {"name": of(0, 1), "size": of(3), "id": of(0, 2), "rule": of(7)},
        },
        {"$type": "ObjectType", "properties": {}, "additionalProperties": {"$ref": "#/0"}},
        {"$type": "ResourceType", "name": "A.B/c@1", "body": {"$ref": "#/9"}},
    ]
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "abc", "size": "Small", "rule": {"kind": "many", "on": True, "sizes": [1, 0.25 * 8]}}, []),
        ({"size": None}, ["r.name is missing"]),
        ({"name": "abcdefg"}, ["r.name: 'abcdefg' is not of the form ^[a-z]+$"]),
        ({"name": "A"}, ["r.name: 'A' is not of the form ^[a-z]+$"]),
        ({"name": "a", "size": "Huge"}, ["r.size: 'Huge' is none of ['Small', 'Large']"]),
        ({"name": "a", "id": "b"}, ["r.id is read only"]),
        ({"name": "a", "colour": "b"}, ["r.colour is no property"]),
        ({"name": "a", "rule": {"kind": "few"}}, ["r.rule.kind is none of ['many']"]),
        (
            {"name": "a", "rule": {"kind": "many", "on": "yes", "sizes": [10]}},
            ["r.rule.on: true or false is wanted", "r.rule.sizes[0]: 10 is no number within its bounds"],
        ),
        ({"name": "a", "rule": []}, ["r.rule: an object is wanted"]),
    ],
)
def test_what_a_type_does_not_allow_is_found(body: dict[str, Any], said: list[str]) -> None:
    kind = TYPES.resource("a.b/C@1")
    assert kind is not None
    assert [*mistakes(body, kind, TYPES, "r")] == said


def test_names_of_ones_own_are_held_to_their_type() -> None:
    assert [*mistakes({"any": "A"}, TYPES.types[10], TYPES, "tags")] == [
        "tags.any: 'A' is not of the form ^[a-z]+$"
    ]


def test_every_type_of_the_templates_is_deployed_when_everything_is_on() -> None:
    wanted = [*list_wanted()]
    assert len({name for name, _ in wanted}) >= 40
    assert all(body["name"] for _, body in wanted)

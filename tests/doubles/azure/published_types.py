"""Holds what a rehearsal deploys to the types of resources that Microsoft publishes for Bicep.

Run as: python -m tests.doubles.azure.published_types FOLDER

FOLDER is a clone of github.com/Azure/bicep-types-az, which is too large to be installed for tests; those hold
the files to the older types of a package (tests/infra/test_bicep.py). Here bodies are whole, expressions and
all, every version is looked up, and patterns, lengths and bounds are compared, too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.azure.rehearsal import new_installation

REQUIRED, READ_ONLY = 1, 2
EVERYTHING = {
    "ASKPAGE_SLACK_TEAMS": "T01",
    "ASKPAGE_SLACK_SIGNING_SECRET": "s",
    "ASKPAGE_SLACK_BOT_TOKEN": "t",
    "ASKPAGE_APP_TYPE": "SingleTenant",
    "ASKPAGE_APP_ID": "an-app",
    "ASKPAGE_APP_PASSWORD": "p",
    "ASKPAGE_GIT_TOKENS": "g",
    "ASKPAGE_CONFLUENCE_TOKENS": "c",
    "ASKPAGE_SHAREPOINT_CLIENT_ID": "another-app",
    "ASKPAGE_SHAREPOINT_CLIENT_SECRET": "s",
    "ASKPAGE_NOTION_TOKEN": "n",
}


@dataclass(frozen=True, slots=True)
class Published:
    """The types of one provider in one version."""

    types: list[dict[str, Any]]

    def resource(self, name: str) -> dict[str, Any] | None:
        """Return the body of a resource's type."""
        for one in self.types:
            if one["$type"] == "ResourceType" and one["name"].lower() == name.lower():
                return self.at(one["body"])
        return None

    def at(self, reference: dict[str, str]) -> dict[str, Any]:
        """Return the type that is referred to."""
        return self.types[int(reference["$ref"].rpartition("/")[2])]


def read_published(folder: Path, of: str) -> tuple[Published, dict[str, Any]] | None:
    """Return the types where a resource is described, and its body; None where it is nowhere."""
    name, _, version = of.partition("@")
    wanted = f"/{name.partition('/')[0].lower()}/{version}/types.json"
    listed = git(folder, "ls-tree", "-r", "--name-only", "HEAD", "generated").splitlines()
    for path in [one for one in listed if one.endswith(wanted)]:
        published = Published(json.loads(git(folder, "show", f"HEAD:{path}")))
        body = published.resource(of)
        if body is not None:
            return published, body
    return None


def git(folder: Path, *words: str) -> str:
    """Ask git of a clone. Raises CalledProcessError."""
    return subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    ).stdout


def mistakes(body: Any, kind: dict[str, Any], types: Published, at: str) -> Iterator[str]:
    """Yield what a type does not allow."""
    match kind["$type"]:
        case "ObjectType" | "DiscriminatedObjectType":
            yield from _object_mistakes(body, kind, types, at)
        case "ArrayType":
            if not isinstance(body, list):
                yield f"{at}: a list is wanted"
                return
            for number, one in enumerate(body):
                yield from mistakes(one, types.at(kind["itemType"]), types, f"{at}[{number}]")
        case "UnionType":
            every = [[*mistakes(body, types.at(one), types, at)] for one in kind["elements"]]
            if all(every):
                yield f"{at}: {body!r} is none of {[types.at(one).get('value') for one in kind['elements']]}"
        case _:
            yield from _plain_mistakes(body, kind, at)


def _plain_mistakes(body: Any, kind: dict[str, Any], at: str) -> Iterator[str]:
    """Yield what is wrong with what has no parts; of what is not known here, nothing is right."""
    said = {
        "StringLiteralType": f"{kind.get('value')!r} is wanted",
        "StringType": f"{body!r} is not of the form {kind.get('pattern')}",
        "IntegerType": f"{body!r} is no number within its bounds",
        "BooleanType": "true or false is wanted",
    }
    if not PLAIN.get(kind["$type"], lambda *_: False)(body, kind):
        yield f"{at}: {said.get(kind['$type'], kind['$type'] + ' is not known here')}"


def _fits(value: float, kind: dict[str, Any], what: str) -> bool:
    return kind.get(f"min{what}", value) <= value <= kind.get(f"max{what}", value)


def _is_text(body: Any, kind: dict[str, Any]) -> bool:
    return (
        isinstance(body, str)
        and re.search(kind.get("pattern") or "", body) is not None
        and _fits(len(body), kind, "Length")
    )


def _is_number(body: Any, kind: dict[str, Any]) -> bool:
    """Tell whether it is a number; Bicep has no fractions, so `json('0.25')` passes its compiler, too."""
    return type(body) in (int, float) and _fits(body, kind, "Value")


PLAIN: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
    "StringLiteralType": lambda body, kind: body == kind["value"],
    "StringType": _is_text,
    "IntegerType": _is_number,
    "BooleanType": lambda body, _: isinstance(body, bool),
    "AnyType": lambda *_: True,
    "NullType": lambda *_: True,
}


def _object_mistakes(body: Any, kind: dict[str, Any], types: Published, at: str) -> Iterator[str]:
    if not isinstance(body, dict):
        yield f"{at}: an object is wanted"
        return
    known = kind.get("properties") or dict(kind.get("baseProperties", {}))
    if kind["$type"] == "DiscriminatedObjectType":
        chosen = kind["elements"].get(body.get(kind["discriminator"]))
        if chosen is None:
            yield f"{at}.{kind['discriminator']} is none of {[*kind['elements']]}"
            return
        known = {**known, **types.at(chosen)["properties"]}
    for name, one in known.items():
        if one["flags"] & REQUIRED and name not in body and name not in {"parent", "scope"}:
            yield f"{at}.{name} is missing"
    for name, one in body.items():
        if one is not None:
            yield from _member_mistakes(one, known.get(name), kind, types, f"{at}.{name}")


def _member_mistakes(
    body: Any, known: dict[str, Any] | None, kind: dict[str, Any], types: Published, at: str
) -> Iterator[str]:
    if known is None and "additionalProperties" not in kind:
        yield f"{at} is no property"
    elif known is None:
        yield from mistakes(body, types.at(kind["additionalProperties"]), types, at)
    elif known["flags"] & READ_ONLY:
        yield f"{at} is read only"
    else:
        yield from mistakes(body, types.at(known["type"]), types, at)


def find_newer(folder: Path, of: str) -> list[str]:
    """Return the versions of a type, no previews, that are newer than this one."""
    name, _, version = of.partition("@")
    listed = git(folder, "ls-tree", "-r", "--name-only", "HEAD", "generated").splitlines()
    there = re.compile(rf"/{re.escape(name.partition('/')[0].lower())}/(\d{{4}}-\d\d-\d\d)/types\.json$")
    found = sorted({match[1] for match in map(there.search, listed) if match and match[1] > version[:10]})
    return [one for one in found if read_published(folder, f"{name}@{one}")]


def list_wanted() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every resource that is deployed with everything switched on, and in the usual way."""
    for given in ({}, EVERYTHING):
        cli = new_installation()
        cli.environment |= given
        cli.up()
        image = f"{cli.environment['AZURE_CONTAINER_REGISTRY_ENDPOINT']}/askpage-cuda:1"
        cli.azure.images[image] = "built"
        cli.environment |= {"TRAINING_IMAGE": image, "MODEL_IMAGE": image}
        cli.environment["ASKPAGE_MODEL_SERVER_KEY"] = "k" * 24
        cli.provision()
        yield from cli.azure.wanted


def _check(folder: Path) -> int:
    found: dict[str, tuple[Published, dict[str, Any]] | None] = {}
    bad: dict[str, None] = {}
    count = 0
    for of, body in list_wanted():
        if of not in found:
            found[of] = read_published(folder, of)
        known = found[of]
        count += 1
        said = [f"there is no {of}"] if known is None else mistakes(body, known[1], known[0], of)
        bad |= dict.fromkeys(said)
    for of in sorted(found):
        if newer := find_newer(folder, of):
            sys.stdout.write(f"{of}: newer ones are {', '.join(newer)}\n")
    sys.stdout.write("".join(f"{one}\n" for one in bad))
    sys.stdout.write(f"{count} bodies of {len(found)} types and versions; {len(bad)} mistakes\n")
    return min(len(bad), 1)


if __name__ == "__main__":
    sys.exit(_check(Path(sys.argv[1])))

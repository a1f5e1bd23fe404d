"""Reads Bicep as far as tests need it: declarations, and what is written literally in them.

The grammar is tree-sitter's; the compiler itself is not to be had from a package registry. Microsoft's types
of resources, which the compiler checks bodies against, are: `Types` asks them of the Azure MCP server's
`bicepschema`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_bicep

from tests.needs import ROOT, need

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
SERVER = ROOT / "node_modules/@azure/mcp-linux-x64/dist/azmcp"
Node = tree_sitter.Node


@dataclass(frozen=True, slots=True)
class Expression:
    """What is computed at deployment."""

    text: str


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource or module: symbol, type or path, and body; `loop` are the names a loop around it binds."""

    symbol: str
    of: str
    body: dict[str, Any]
    existing: bool = False
    conditional: bool = False


@dataclass(slots=True)
class File:
    """A Bicep file. `params` tells which parameters must be given, `secure` which are secret."""

    path: Path
    params: dict[str, bool] = field(default_factory=dict[str, bool])
    secure: set[str] = field(default_factory=set[str])
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    resources: list[Declared] = field(default_factory=list[Declared])
    modules: list[Declared] = field(default_factory=list[Declared])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    used: set[str] = field(default_factory=set[str])
    bound: set[str] = field(default_factory=set[str])

    def resource(self, symbol: str) -> Declared:
        """Return a resource by its symbol."""
        return next(one for one in self.resources if one.symbol == symbol)


def read(path: Path) -> File:
    """Read a file; a part that is no Bicep fails."""
    tree = PARSER.parse(path.read_bytes())
    assert not [*faults(tree.root_node)], (path, [*faults(tree.root_node)])
    file = File(path)
    decorators: list[str] = []
    for node in tree.root_node.named_children:
        if node.type == "decorators":
            decorators = [text(child) for child in node.named_children]
            continue
        _declare(file, node, decorators)
        decorators = []
    _names(file, tree.root_node)
    return file


def faults(node: Node) -> Iterator[tuple[int, str]]:
    """Yield where the grammar does not fit: the line, and what stands there."""
    if node.type == "ERROR" or node.is_missing:
        yield node.start_point[0] + 1, text(node)[:60]
    for child in node.children:
        yield from faults(child)


def text(node: Node) -> str:
    """Return what stands there."""
    return (node.text or b"").decode()


def _declare(file: File, node: Node, decorators: list[str]) -> None:
    name = next((text(child) for child in node.named_children if child.type == "identifier"), "")
    if node.type == "parameter_declaration":
        file.params[name] = not any(child.type == "=" for child in node.children)
        if any(one.startswith("@secure") for one in decorators):
            file.secure.add(name)
    elif node.type == "variable_declaration":
        file.variables[name] = value(node.named_children[-1])
    elif node.type == "output_declaration":
        file.outputs[name] = text(node.named_children[-1])
    elif node.type in {"resource_declaration", "module_declaration"}:
        of = next(text(child)[1:-1] for child in node.named_children if child.type == "string")
        inner = node.named_children[-1]
        body = value(_body(inner))
        conditional = inner.type == "if_statement"
        existing = any(child.type == "existing" for child in node.children)
        listed = file.resources if node.type.startswith("resource") else file.modules
        listed.append(Declared(name, of, body, existing, conditional))


def _body(node: Node) -> Node:
    """Return the object within a condition or a loop."""
    while node.type != "object":
        node = node.named_children[-1]
    return node


def value(node: Node) -> Any:
    """Return what is written there, as far as it is literal."""
    match node.type:
        case "object":
            pairs = [child for child in node.named_children if child.type == "object_property"]
            return {_key(pair.named_children[0]): value(pair.named_children[-1]) for pair in pairs}
        case "array":
            return [value(child) for child in node.named_children if child.type != "comment"]
        case _:
            return _plain(node)


def _plain(node: Node) -> Any:
    said = text(node)
    if node.type == "string" and not any(child.type == "interpolation" for child in node.named_children):
        return "".join(text(child) for child in node.named_children)
    if node.type in {"number", "unary_expression"} and said.removeprefix("-").isdigit():
        return int(said)
    return {"true": True, "false": False, "null": None}.get(said, Expression(said))


def _key(node: Node) -> str:
    return text(node).strip("'")


def _names(file: File, node: Node) -> None:
    """Collect the names that are used, and those that loops and functions bind."""
    if node.type == "identifier":
        parent = node.parent
        assert parent
        first = parent.named_children[0]
        binds = parent.type in {"for_loop_parameters", "for_statement", "lambda_expression", "parameter"}
        if binds and node == first:
            file.bound.add(text(node))
        elif parent.type == "call_expression" and node == first:
            pass  # a function
        elif not (parent.type == "object_property" and node == first) and not _is_declared(parent, node):
            file.used.add(text(node))
    elif node.type in {"loop_variable", "loop_enumerator"}:
        file.bound.add(text(node))
    for child in node.named_children:
        _names(file, child)


def _is_declared(parent: Node, node: Node) -> bool:
    return parent.type.endswith("_declaration") and node == next(
        child for child in parent.named_children if child.type == "identifier"
    )


# Microsoft's types


class Types:
    """Microsoft's types of resources, asked one by one of a process that is started once."""

    def __init__(self) -> None:
        need(SERVER, "run `make node_modules/.test-installed` on 64-bit Linux")
        self._process = subprocess.Popen(
            [str(SERVER), "server", "start", "--namespace", "bicepschema", "--mode", "all"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"AZURE_MCP_COLLECT_TELEMETRY": "false", "HOME": "/tmp", "PATH": "/usr/bin:/bin"},  # noqa: S108
        )
        self._asked = 0
        versions = {"protocolVersion": "2024-11-05", "clientInfo": {"name": "tests", "version": "1"}}
        self._call("initialize", {**versions, "capabilities": {}})
        self._send({"method": "notifications/initialized"})

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()

    def of(self, resource: str) -> dict[str, Any] | None:
        """Return a resource's types by name, its own first; None where Microsoft's package has none."""
        arguments = {"resource-type": resource}
        answer = self._call("tools/call", {"name": "bicepschema_get", "arguments": arguments})
        said = json.loads(answer["content"][0]["text"])
        if said["status"] != 200:
            return None
        found: dict[str, Any] = {}
        for one in said["results"]["BicepSchemaResult"]:
            if one["$type"] == "Resource":
                found[""] = one["bodyType"]
            elif one["$type"] in {"Object", "DiscriminatedObject"}:
                found.setdefault(one["name"], one)
        return found

    def _call(self, method: str, params: Mapping[str, Any]) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        assert self._process.stdout
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self._asked:
                return answer["result"]
        raise AssertionError("the server has ended")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()


AROUND = {"parent", "scope", "dependsOn"}
"""What Bicep knows of every resource."""
PLAIN = {"string": str, "int": int, "bool": bool}


def mistakes(body: Any, type_name: str, types: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield what Microsoft's types do not allow in what is written."""
    if isinstance(body, Expression) or body is None or type_name == "any":
        return
    if type_name in types:
        yield from _object_mistakes(body, types[type_name], types, at)
    elif type_name in PLAIN:
        if type(body) is not PLAIN[type_name]:
            yield f"{at}: {type_name} is wanted"
    elif " | " in type_name:
        yield from _choice_mistakes(body, type_name, at)
    elif type_name.endswith("[]"):
        yield from _list_mistakes(body, type_name, types, at)


def _list_mistakes(body: Any, type_name: str, types: Mapping[str, Any], at: str) -> Iterator[str]:
    if not isinstance(body, list):
        yield f"{at}: a list is wanted"
        return
    for number, item in enumerate(body):
        yield from mistakes(item, type_name[:-2], types, f"{at}[{number}]")


def _choice_mistakes(body: Any, type_name: str, at: str) -> Iterator[str]:
    choices = type_name.removesuffix("[]").split(" | ")
    for one in body if isinstance(body, list) else [body]:
        if one not in choices and "string" not in choices:
            yield f"{at}: {one} is none of {choices}"


def _object_mistakes(body: Any, kind: Mapping[str, Any], types: Mapping[str, Any], at: str) -> Iterator[str]:
    if not isinstance(body, dict):
        yield f"{at}: an object is wanted"
        return
    known = {one["name"]: one for one in _properties(kind, body)}
    if not known:
        return  # names of one's own, such as tags
    for name, item in body.items():
        if at or name not in AROUND:
            where = f"{at}.{name}".lstrip(".")
            yield from _property_mistakes(item, known.get(name), types, where)
    for name, one in known.items():
        if "Required" in one.get("flags", "") and name not in body:
            yield f"{at}.{name} is missing".lstrip(".")


def _property_mistakes(
    item: Any, known: Mapping[str, Any] | None, types: Mapping[str, Any], at: str
) -> Iterator[str]:
    if known is None:
        yield f"{at} is no property"
    elif "ReadOnly" in known.get("flags", ""):
        yield f"{at} is read only"
    else:
        yield from mistakes(item, known["type"], types, at)


def _properties(kind: Mapping[str, Any], body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if kind["$type"] == "Object":
        return kind.get("properties") or []
    chosen = body.get(kind["discriminator"])
    for one in kind["elements"]:
        if any(
            each["name"] == kind["discriminator"] and each["type"] == chosen for each in one["properties"]
        ):
            return [*kind.get("baseProperties", []), *one["properties"]]
    raise AssertionError(f"{chosen} is no {kind['name']}")

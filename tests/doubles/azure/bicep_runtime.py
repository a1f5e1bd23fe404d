"""An evaluator of Bicep: what the compiler and Resource Manager make of a file's expressions.

It knows what the templates of this project use, and fails on what it does not know. Names and conditions of
resources must be known before anything is deployed, as the compiler demands (BCP120): `Symbol` refuses to
tell what only a deployment knows while such a part is computed.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tests.builders.bicep import Node, text
from tests.doubles.azure.bicep_template import NotBicep, Template

SUBSCRIPTION = "00000000-0000-4000-8000-00000000ca5e"
TENANT = "00000000-0000-4000-8000-0000000000aa"
MANAGEMENT = "https://management.azure.com/"


class Symbol(Protocol):
    """A resource or module by its name in the file; `at_start` is before anything of the file is deployed."""

    def member(self, name: str, *, at_start: bool) -> Any: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean in one place of a file."""

    template: Template
    params: dict[str, Any]
    symbols: dict[str, Any]
    group: dict[str, Any]
    now: str
    bound: dict[str, Any] = field(default_factory=dict[str, Any])
    at_start: bool = False

    def binding(self, name: str, value: Any) -> Scope:
        """Return this scope with one more name."""
        return replace(self, bound={**self.bound, name: value})

    def before(self) -> Scope:
        """Return this scope for what must be known at the start."""
        return Scope(
            self.template, self.params, self.symbols, self.group, self.now, self.bound, at_start=True
        )

    def value(self, name: str) -> Any:
        """Return what a name means. Raises NotBicep."""
        for known in (self.bound, self.params, self.symbols):
            if name in known:
                return known[name]
        if name in self.template.variables:
            return evaluate(self.template.variables[name], self)
        raise NotBicep(f"{self.template.path.name}: {name} is not declared")


def given(template: Template, params: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Return all parameters, defaults among them. Raises NotBicep for one that is unknown or missing."""
    unknown = set(params) - set(template.params)
    if unknown:
        raise NotBicep(f"{template.path.name} has no parameters {sorted(unknown)}")
    for name, default in template.params.items():
        if name not in params and default is None:
            raise NotBicep(f"{template.path.name} needs the parameter {name}")
    absent = [(name, node) for name, node in template.params.items() if name not in params]
    return {**params, **{name: evaluate(node, scope) for name, node in absent if node is not None}}


def evaluate(node: Node, scope: Scope) -> Any:
    """Return what an expression gives. Raises NotBicep."""
    found = KINDS.get(node.type)
    if found is None:
        raise NotBicep(f"{scope.template.path.name}: {node.type}: {text(node)[:60]}")
    return found(node, scope)


def _string(node: Node, scope: Scope) -> str:
    """Return a string with its expressions filled in; the grammar counts blanks before one as part of it."""
    pieces: list[str] = []
    for child in node.named_children:
        said = text(child)
        match child.type:
            case "interpolation":
                pieces.append(said[: said.index("${")])
                pieces.append(_text_of(evaluate(child.named_children[0], scope)))
            case "escape_sequence":
                pieces.append({"\\n": "\n", "\\t": "\t", "\\r": "\r"}.get(said, said[1:]))
            case _:
                pieces.append(said)
    return "".join(pieces)


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if not isinstance(value, str | int):
        raise NotBicep(f"{value!r} within a string")
    return str(value)


def _object(node: Node, scope: Scope) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in node.named_children:
        if pair.type == "object_property":
            key, value = pair.named_children[0], pair.named_children[-1]
            name = _string(key, scope) if key.type == "string" else text(key)
            found[name] = evaluate(value, scope)
    return found


def _array(node: Node, scope: Scope) -> list[Any]:
    return [evaluate(child, scope) for child in node.named_children if child.type != "comment"]


def _member(node: Node, scope: Scope) -> Any:
    of, name = node.named_children
    signs = {child.type for child in node.children if not child.is_named}
    value = evaluate(of, scope)
    if ".?" in signs:
        return value.get(text(name)) if value is not None else None
    return member(value, text(name), at_start=scope.at_start)


def member(value: Any, name: str, *, at_start: bool = False) -> Any:
    """Return a part of a value. Raises NotBicep."""
    if isinstance(value, dict):
        if name not in value:
            raise NotBicep(f"there is no {name} in {sorted(value)}")
        return value[name]
    if hasattr(value, "member"):
        return value.member(name, at_start=at_start)
    raise NotBicep(f"{name} of {value!r}")


def _subscript(node: Node, scope: Scope) -> Any:
    of, at = (evaluate(child, scope) for child in node.named_children)
    return of[at]


def _ternary(node: Node, scope: Scope) -> Any:
    condition, then, otherwise = node.named_children
    return evaluate(then if _flag(evaluate(condition, scope)) else otherwise, scope)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NotBicep(f"{value!r} is no condition")
    return value


def _binary(node: Node, scope: Scope) -> Any:
    left, right = node.named_children
    sign = next(child.type for child in node.children if not child.is_named)
    first = evaluate(left, scope)
    match sign:
        case "==":
            return first == evaluate(right, scope)
        case "!=":
            return first != evaluate(right, scope)
        case "&&":
            return _flag(first) and _flag(evaluate(right, scope))
        case "||":
            return _flag(first) or _flag(evaluate(right, scope))
        case "??":
            return evaluate(right, scope) if first is None else first
        case _:
            raise NotBicep(f"the sign {sign}")


def _unary(node: Node, scope: Scope) -> Any:
    value = evaluate(node.named_children[-1], scope)
    return -value if text(node).startswith("-") else not _flag(value)


def _lambda(node: Node, scope: Scope) -> Callable[[Any], Any]:
    bound, body = node.named_children
    return lambda value: evaluate(body, scope.binding(text(bound), value))


def _call(node: Node, scope: Scope) -> Any:
    called, given_ = node.named_children
    name = text(called)
    words = [evaluate(child, scope) for child in given_.named_children]
    if name in {"loadTextContent", "loadFileAsBase64"}:
        raw = (scope.template.path.parent / words[0]).read_bytes()
        return raw.decode() if name == "loadTextContent" else base64.b64encode(raw).decode()
    if name == "resourceGroup":
        return scope.group
    if name == "utcNow":
        return scope.now
    if name not in FUNCTIONS:
        raise NotBicep(f"the function {name}")
    return FUNCTIONS[name](*words)


def unique_string(*words: str) -> str:
    """Return thirteen signs that depend on the words alone; not those that Azure makes."""
    digest = hashlib.sha256("-".join(words).encode()).digest()
    return base64.b32encode(digest)[:13].decode().lower()


def make_guid(*words: str) -> str:
    """Return a GUID that depends on the words alone; not the one that Azure makes."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(words)))


def _union(*parts: Any) -> Any:
    if isinstance(parts[0], dict):
        return functools.reduce(lambda one, other: {**one, **other}, parts)
    return [*dict.fromkeys(item for part in parts for item in part)]


def _is_empty(value: Any) -> bool:
    if value is None or isinstance(value, str | list | dict):
        return not value
    raise NotBicep(f"empty() of {value!r}")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "az.environment": lambda: {"resourceManager": MANAGEMENT, "suffixes": {"storage": "core.windows.net"}},
    "concat": lambda *parts: [item for part in parts for item in part],
    "dateTimeAdd": lambda moment, span: f"{moment}+{span}",
    "empty": _is_empty,
    "guid": make_guid,
    "items": lambda of: [{"key": key, "value": of[key]} for key in sorted(of)],
    "join": lambda parts, sign: sign.join(parts),
    "json": json.loads,
    "map": lambda parts, function: [function(part) for part in parts],
    "startsWith": lambda whole, part: whole.lower().startswith(part.lower()),
    "string": str,
    "subscription": lambda: {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION},
    "subscriptionResourceId": lambda of, name: f"/subscriptions/{SUBSCRIPTION}/providers/{of}/{name}",
    "substring": lambda whole, first: whole[first:],
    "take": lambda of, count: of[:count],
    "tenant": lambda: {"tenantId": TENANT},
    "toLower": str.lower,
    "union": _union,
    "uniqueString": unique_string,
}

KINDS: dict[str, Callable[[Node, Scope], Any]] = {
    "array": _array,
    "binary_expression": _binary,
    "boolean": lambda node, _: text(node) == "true",
    "call_expression": _call,
    "identifier": lambda node, scope: scope.value(text(node)),
    "lambda_expression": _lambda,
    "member_expression": _member,
    "null": lambda _node, _scope: None,
    "number": lambda node, _: int(text(node)),
    "object": _object,
    "parenthesized_expression": lambda node, scope: evaluate(node.named_children[0], scope),
    "string": _string,
    "subscript_expression": _subscript,
    "ternary_expression": _ternary,
    "unary_expression": _unary,
}

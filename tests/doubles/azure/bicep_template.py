"""A Bicep file's declarations, and which of them need which; their expressions are evaluated elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.builders.bicep import PARSER, Node, faults, text


class NotBicep(Exception):
    """What is written cannot be compiled, or this evaluator does not know it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A resource or module as it is declared; `loop` is the name that is bound, and over what."""

    symbol: str
    of: str
    body: Node
    is_module: bool
    existing: bool
    condition: Node | None
    loop: tuple[str, Node] | None
    needs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Template:
    """A file's declarations."""

    path: Path
    scope: str = "resourceGroup"
    params: dict[str, Node | None] = field(default_factory=dict[str, Node | None])
    variables: dict[str, Node] = field(default_factory=dict[str, Node])
    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    outputs: dict[str, Node] = field(default_factory=dict[str, Node])


@functools.cache
def read_template(path: Path) -> Template:
    """Read a file. Raises NotBicep."""
    tree = PARSER.parse(path.read_bytes())
    wrong = [*faults(tree.root_node)]
    if wrong:
        raise NotBicep(f"{path.name}: {wrong}")
    template = Template(path)
    for node in tree.root_node.named_children:
        _declare(template, node)
    for symbol, part in template.parts.items():
        needs = frozenset(_needs(template, part) - {symbol})
        template.parts[symbol] = replace(part, needs=needs)
    return template


def _declare(template: Template, node: Node) -> None:
    children = node.named_children
    name = next((text(child) for child in children if child.type == "identifier"), "")
    match node.type:
        case "parameter_declaration":
            template.params[name] = (
                children[-1] if any(child.type == "=" for child in node.children) else None
            )
        case "variable_declaration":
            template.variables[name] = children[-1]
        case "output_declaration":
            template.outputs[name] = children[-1]
        case "target_scope_assignment":
            template.scope = text(children[-1]).strip("'")
        case "resource_declaration" | "module_declaration":
            template.parts[name] = _part(name, node)
        case "decorators" | "comment" | "diagnostic_comment":
            pass
        case _:
            raise NotBicep(f"{template.path.name}: {node.type}")


def _part(symbol: str, node: Node) -> Part:
    of = next(text(child)[1:-1] for child in node.named_children if child.type == "string")
    body, condition, loop = node.named_children[-1], None, None
    if body.type == "for_statement":
        bound, over, body = body.named_children
        loop = (text(bound), over)
    if body.type == "if_statement":
        condition, body = body.named_children
    existing = any(child.type == "existing" for child in node.children)
    return Part(symbol, of, body, node.type == "module_declaration", existing, condition, loop)


def _needs(template: Template, part: Part) -> set[str]:
    """Return the symbols that a declaration refers to, through variables, too."""
    found: set[str] = set()
    nodes = [part.body, *([part.condition] if part.condition else []), *([part.loop[1]] if part.loop else [])]
    seen: set[str] = set()
    while nodes:
        for name in _identifiers(nodes.pop()):
            if name in template.parts:
                found.add(name)
            elif name in template.variables and name not in seen:
                seen.add(name)
                nodes.append(template.variables[name])
    return found


def _identifiers(node: Node) -> Iterator[str]:
    if node.type == "identifier":
        parent = node.parent
        is_key = parent is not None and parent.type == "object_property" and node == parent.named_children[0]
        if not is_key:
            yield text(node)
    for child in node.named_children:
        yield from _identifiers(child)

"""Deploys a Bicep file into the local Resource Manager, as the real one does.

Each resource comes after those that it names. What does not depend on one another comes in any order there,
so `backwards` turns the order of what is ready. Where something is refused, what depends on it is left out,
everything else is done, and the deployment fails in the end with all refusals.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.azure.azure_rules import check_name, rule_of
from tests.doubles.azure.bicep_runtime import SUBSCRIPTION, Scope, evaluate, given, member
from tests.doubles.azure.bicep_template import NotBicep, Part, Template, read_template
from tests.doubles.azure.resource_manager import Azure, Body, Change, Refused, Rule

AROUND = {"parent", "scope", "dependsOn", "name"}


class DeploymentFailed(Exception):
    """Some of what was to be deployed was refused; `refusals` are all reasons."""

    def __init__(self, refusals: list[Refused]) -> None:
        super().__init__("DeploymentFailed: " + "; ".join(str(one) for one in refusals))
        self.refusals = refusals


@dataclass(slots=True)
class Handle:
    """A resource as the file's expressions see it."""

    azure: Azure
    id: str
    of: str
    name: str

    def member(self, name: str, *, at_start: bool) -> Any:
        if name in {"id", "name"}:
            return getattr(self, name)
        if at_start:
            raise NotBicep(f"BCP120: {self.name}.{name} is not known at the start")
        return member(self.azure.get(self.id).body, name)


@dataclass(slots=True)
class Outputs:
    """What a finished module tells."""

    outputs: Body = field(default_factory=dict[str, Any])

    def member(self, name: str, *, at_start: bool) -> Any:
        if at_start:
            raise NotBicep(f"BCP120: {name} of a module is not known at the start")
        return {"outputs": self.outputs}[name]


@dataclass(slots=True)
class Deployment:
    """One file on its way."""

    azure: Azure
    template: Template
    params: Body
    group: str
    backwards: bool = False
    now: str = "2026-11-25"
    symbols: Body = field(default_factory=dict[str, Any])
    refusals: list[Refused] = field(default_factory=list[Refused])
    missing: set[str] = field(default_factory=set[str])

    def run(self) -> Body:
        """Deploy everything; return the outputs. Raises DeploymentFailed."""
        self.params = given(self.template, self.params, self._scope())
        for part in in_order(self.template, backwards=self.backwards):
            if part.needs & self.missing:
                self.missing.add(part.symbol)
                continue
            try:
                self.symbols[part.symbol] = self._deploy(part)
            except DeploymentFailed as error:
                self.refusals += error.refusals
                self.missing.add(part.symbol)
        if self.refusals:
            raise DeploymentFailed(self.refusals)
        return {name: evaluate(node, self._scope()) for name, node in self.template.outputs.items()}

    def _scope(self) -> Scope:
        id_ = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{self.group}"
        return Scope(self.template, self.params, self.symbols, {"id": id_, "name": self.group}, self.now)

    def _deploy(self, part: Part) -> Any:
        """Deploy a part, once for each element of its loop. Raises DeploymentFailed."""
        scope = self._scope()
        if part.condition is not None and not evaluate(part.condition, scope.before()):
            return None
        if part.loop is None:
            return self._collect([scope], part)[0]
        name, over = part.loop
        return self._collect([scope.binding(name, one) for one in evaluate(over, scope.before())], part)

    def _collect(self, scopes: list[Scope], part: Part) -> list[Any]:
        made: list[Any] = []
        refusals: list[Refused] = []
        for scope in scopes:
            try:
                made.append(self._module(part, scope) if part.is_module else self._resource(part, scope))
            except Refused as error:
                refusals.append(error)
        if refusals:
            raise DeploymentFailed(refusals)
        return made

    def _module(self, part: Part, scope: Scope) -> Outputs:
        body = dict(_pairs(part))
        params = evaluate(body["params"], scope) if "params" in body else {}
        group = evaluate(body["scope"], scope.before()).name
        inner = read_template((self.template.path.parent / part.of).resolve())
        deployment = Deployment(self.azure, inner, params, group, self.backwards, self.now)
        return Outputs(deployment.run())

    def _resource(self, part: Part, scope: Scope) -> Handle:
        of = part.of.partition("@")[0]
        pairs = dict(_pairs(part))
        start = scope.before()
        name = evaluate(pairs["name"], start)
        handle = Handle(self.azure, self._id(of, name, pairs, start), of, name)
        if part.existing:
            self.azure.get(handle.id)
            return handle
        body = {key: evaluate(node, scope) for key, node in pairs.items() if key not in AROUND}
        self.azure.wanted.append((part.of, {"name": name, **copy.deepcopy(body)}))
        self.azure.put(handle.id, of, body, self._rule(of))
        return handle

    def _rule(self, of: str) -> Rule:
        def check(change: Change) -> None:
            check_name(change)
            rule_of(of)(change)

        return check

    def _id(self, of: str, name: str, pairs: Body, scope: Scope) -> str:
        if of == "Microsoft.Resources/resourceGroups":
            return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
        if "parent" in pairs:
            parent = evaluate(pairs["parent"], scope).id
            return f"{parent}/{of.rpartition('/')[2]}/{name}"
        at = evaluate(pairs["scope"], scope).id if "scope" in pairs else scope.group["id"]
        return f"{at}/providers/{of}/{name}"


def _pairs(part: Part) -> Iterator[tuple[str, Any]]:
    for pair in part.body.named_children:
        if pair.type == "object_property":
            yield (pair.named_children[0].text or b"").decode(), pair.named_children[-1]


def in_order(template: Template, *, backwards: bool) -> list[Part]:
    """Return the parts so that each comes after what it needs."""
    left = [*template.parts.values()]
    if backwards:
        left.reverse()
    done: set[str] = set()
    ordered: list[Part] = []
    while left:
        ready = next((part for part in left if part.needs <= done), None)
        if ready is None:
            raise NotBicep(f"BCP080: {[part.symbol for part in left]} need each other")
        left.remove(ready)
        done.add(ready.symbol)
        ordered.append(ready)
    return ordered

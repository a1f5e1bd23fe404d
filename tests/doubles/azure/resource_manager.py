"""A local Resource Manager: it keeps what is put into it, and refuses what the real one is known to refuse.

Every operation is a step with a name. A step can be made to fail, before the work is done or after it (the
answer was lost). Time is the manager's own: a role counts `role_s` seconds after it was given. What each type
refuses stands in `azure_rules.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.azure.bicep_runtime import SUBSCRIPTION, make_guid

Body = dict[str, Any]


class Refused(Exception):
    """What Azure answers in place of doing it: a code, and a sentence that names the step."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(slots=True)
class Named:
    """A body of a type with an id."""

    id: str
    of: str
    body: Body

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> Body:
        found: Body = self.body.setdefault("properties", {})
        return found


@dataclass(slots=True)
class Resource(Named):
    """A resource as it is kept; `made_s` is when it was created."""

    made_s: float


@dataclass(slots=True)
class Fault:
    """One step that fails once, the first that `hits` takes; `after` is when only the answer is lost."""

    hits: Callable[[str], bool]
    after: bool = False
    step: str = ""


@dataclass(slots=True)
class Azure:
    """A subscription: resources by id, deleted vaults by name, images by address, secrets by vault.

    `wanted` are the bodies that templates asked for, by type and version, as nobody has completed them.

    A role counts within ten minutes, says Microsoft; so never earlier here.
    """

    role_s: float = 600.0
    now_s: float = 0.0
    resources: dict[str, Resource] = field(default_factory=dict[str, Resource])
    deleted_vaults: dict[str, Resource] = field(default_factory=dict[str, Resource])
    secrets: dict[str, dict[str, list[str]]] = field(default_factory=dict[str, dict[str, list[str]]])
    accounts: dict[str, Body] = field(default_factory=dict[str, Body])
    images: dict[str, str] = field(default_factory=dict[str, str])
    births: dict[str, int] = field(default_factory=dict[str, int])
    steps: list[str] = field(default_factory=list[str])
    wanted: list[tuple[str, Body]] = field(default_factory=list[tuple[str, Body]])
    fault: Fault | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do something as a step of this name. Raises Refused where it is the one that fails."""
        self.steps.append(name)
        fault = self.fault
        if fault is None or fault.step or not fault.hits(name):
            yield
            return
        fault.step = name
        if not fault.after:
            raise Refused("InternalServerError", f"{name} is down")
        yield
        raise Refused("GatewayTimeout", f"{name} was done, but its answer is lost")

    def put(self, id_: str, of: str, body: Body, rule: Rule) -> Resource:
        """Create or update a resource. Raises Refused."""
        with self.step(f"put {short_name(id_)}"):
            before = self.resources.get(id_.lower())
            change = Change(id_, of, copy.deepcopy(body), self, before)
            check_everywhere(change)
            rule(change)
            if before is None:
                self.births[id_.lower()] = self.births.get(id_.lower(), 0) + 1
            after = Resource(id_, of, change.body, before.made_s if before else self.now_s)
            self.resources[id_.lower()] = after
            return after

    def get(self, id_: str) -> Resource:
        """Return a resource. Raises Refused."""
        found = self.resources.get(id_.lower())
        if found is None:
            raise Refused("ResourceNotFound", f"{id_} was not found")
        return found

    def of_type(self, of: str) -> list[Resource]:
        """Return all resources of a type."""
        return [one for one in self.resources.values() if one.of.lower() == of.lower()]

    def delete_group(self, name: str) -> None:
        """Delete a resource group with all that is in it; vaults are only marked as deleted."""
        group = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}".lower()
        with self.step(f"delete {name}"):
            for id_ in [one for one in self.resources if one == group or one.startswith(f"{group}/")]:
                gone = self.resources.pop(id_)
                if gone.of == "Microsoft.KeyVault/vaults":
                    self.deleted_vaults[gone.name] = gone
                if gone.of == "Microsoft.Authorization/roleDefinitions":
                    self.resources[id_] = gone  # roles are the directory's
            self.accounts.clear()
            self.images.clear()

    def recover_vault(self, name: str) -> None:
        """Take back a deleted vault with its secrets; roles on it are gone. Raises Refused."""
        gone = self.deleted_vaults.get(name)
        if gone is None:
            raise Refused("ResourceNotFound", f"no deleted vault {name}")
        if gone.id.lower().partition("/providers/")[0] not in self.resources:
            raise Refused("ResourceGroupNotFound", f"the resource group of {name} is not there")
        del self.deleted_vaults[name]
        self.resources[gone.id.lower()] = gone

    def holds_role(self, principal: str, role: str, scope: str) -> bool:
        """Tell whether a role counts by now, at a resource or above it."""
        for one in self.of_type("Microsoft.Authorization/roleAssignments"):
            at = one.id.partition("/providers/Microsoft.Authorization/")[0].lower()
            given = one.properties
            if (
                given["principalId"] == principal
                and given["roleDefinitionId"].endswith(role)
                and (scope.lower() == at or scope.lower().startswith(f"{at}/"))
                and self.now_s >= one.made_s + self.role_s
            ):
                return True
        return False


def short_name(id_: str) -> str:
    """Return an id without subscription, group and "providers"."""
    return " ".join(
        part.strip("/") for part in id_.rsplit("/resourceGroups/", maxsplit=1)[-1].split("/providers/")
    )


@dataclass(slots=True)
class Change(Named):
    """A resource on its way: rules complete its body, or refuse it."""

    azure: Azure
    before: Resource | None

    def refuse(self, code: str, message: str) -> None:
        """Refuse it. Raises Refused."""
        raise Refused(code, f"{self.of} {self.name}: {message}")

    def keep(self, *path: str, code: str) -> None:
        """Refuse another value than before in one place. Raises Refused."""
        if self.before is None:
            return
        old, new = self.before.body, self.body
        for name in path:
            old, new = (old or {}).get(name), (new or {}).get(name)
        if old != new:
            self.refuse(code, f"{'.'.join(path)} cannot be changed from {old!r} to {new!r}")

    def generated(self, what: str) -> str:
        """Return a GUID of this resource: the one of before, where it is not new."""
        births = self.azure.births.get(self.id.lower(), 0) + (self.before is None)
        return make_guid(self.id.lower(), what, str(births))


Rule = Callable[[Change], None]


def check_everywhere(change: Change) -> None:
    """Refuse what no type allows: another region, a parent or scope that is not there. Raises Refused."""
    change.keep("location", code="InvalidResourceLocation")
    before, found, _ = change.id.rpartition("/providers/")
    parts = change.id.removeprefix(before + found).split("/")
    if found and len(parts) > 3:
        change.azure.get(f"{before}{found}{'/'.join(parts[:-2])}")
    elif found and before.count("/") > 2:
        change.azure.get(before)

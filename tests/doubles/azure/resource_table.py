"""The table of docs/azure.md with a row a type of resource: where it is made, what the rehearsal refuses.

Run as: python -m tests.doubles.azure.resource_table
"""

from __future__ import annotations

import sys

from tests.doubles.azure.azure_rules import NAMES, RULES
from tests.doubles.azure.bicep_template import read_template
from tests.needs import ROOT

INFRA = ROOT / "infra"


def list_rows() -> list[str]:
    """Return the rows, by type."""
    where: dict[str, set[str]] = {}
    for path in [INFRA / "main.bicep", *sorted((INFRA / "modules").glob("*.bicep"))]:
        for part in read_template(path).parts.values():
            if not part.is_module:
                where.setdefault(part.of, set()).add(path.stem)
    rows: list[str] = []
    for name, files in sorted(where.items()):
        of, _, version = name.partition("@")
        made = ", ".join(f"`{one}`" for one in sorted(files))
        rows.append(f"| `{of}` {version} | {made} | {describe_refusals(of)} |")
    return rows


def describe_refusals(of: str) -> str:
    """Return what the rehearsal's Azure refuses of a type, beside what it refuses of every type."""
    rule = RULES.get(of)
    said = " ".join((rule.__doc__ or "").split()) if rule else ""
    return f"{said} A name that is not allowed.".strip() if of in NAMES else said or "Nothing."


if __name__ == "__main__":
    sys.stdout.write("".join(f"{row}\n" for row in list_rows()))

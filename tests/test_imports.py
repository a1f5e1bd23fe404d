"""The leaves of the tree of imports: what everything may import imports next to nothing."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.needs import ROOT


def imported_by(name: str) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("core/readers.py", ""),
        ("core/records.py", ""),
        ("core/sentences.py", ""),
        ("core/usage_reporting.py", ""),
        ("core/telemetry/__init__.py", "opentelemetry"),
        ("core/telemetry/vocabulary.py", ""),
    ],
)
def test_a_leaf_imports_the_standard_library_only_and_telemetry_the_api(name: str, beside: str) -> None:
    nouns = {"core.readers", "core.records", "core.telemetry.vocabulary"}
    others = {
        module
        for module in imported_by(name) - nouns
        if module.partition(".")[0] not in sys.stdlib_module_names
    }
    assert {module.partition(".")[0] for module in others} <= {beside}
    assert not [module for module in others if module.startswith("opentelemetry.sdk")]


@pytest.mark.parametrize("module", ["model.qlora_update", "model.evaluation.gate", "jobs.update_model"])
def test_what_learns_imports_its_libraries_when_it_learns(module: str) -> None:
    """A wrong dataset is told at once; where peft comes first, it imports torch's compiler, too."""
    program = f"import sys, {module}; print(sorted({{'torch', 'peft', 'transformers'}} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"

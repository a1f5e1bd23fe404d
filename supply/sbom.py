"""The bill of materials: what ships, with versions, hashes and licences (SPDX), and which of those may.

Run as: make sbom  (python -m supply.sbom [FILE], build/sbom.cdx.json by default; writes LICENCES.md, too)
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, cast

from packaging.requirements import Requirement

from model.registry.catalogue import CATALOGUE
from pages.index.embeddings import TOKENIZER, WEIGHTS
from pages.index.reranker import RERANKER_TOKENIZER, RERANKER_WEIGHTS, Reranker
from supply.lock import ROOT, SHIPS, name_of, read_layer

ALLOWED = frozenset(
    {
        *(
            "0BSD",
            "Apache-2.0",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "BSL-1.0",
            "CC0-1.0",
            "CNRI-Python",
            "ISC",
            "MIT",
            "MIT-CMU",
        ),
        *("MIT-0", "PSF-2.0", "Zlib"),
        *("MPL-1.1", "MPL-2.0"),  # asks for the source of its own files, which are unchanged and public
        "LicenseRef-BSD",  # says BSD and not which; each of them may ship
        "LicenseRef-NVIDIA-Proprietary",  # libraries of CUDA, with a GPU only: may be passed on as they are
    }
)
_WORDS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "LicenseRef-BSD",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "nvidia proprietary software": "LicenseRef-NVIDIA-Proprietary",
    "python software foundation license": "PSF-2.0",
}
_MIT_BEGINS = "Permission is hereby granted, free of charge"
_OF_CUDA = re.compile(r"nvidia-|cuda-toolkit$")
_WITH_A_GPU = {
    "cuda-bindings": "Apache-2.0",
    "cuda-pathfinder": "Apache-2.0",
    "onnxruntime-genai-cuda": "MIT",
    "onnxruntime-gpu": "MIT",
    "triton": "MIT",
}
"""What their metadata says; they are not installed where this runs on a processor."""
_IN_THEIR_FILES = {"chardetng-py": "MIT", "pypdfium2": "BSD-3-Clause AND Apache-2.0"}
"""What stands in their licence files, where the metadata names none or in words of its own."""
_TERM = re.compile(r"[\w.-]+(?: WITH [\w.-]+)?")


def licence_of(name: str) -> str:
    """Return the licence of a Python distribution, "" where nothing says it."""
    try:
        said: Message = cast("Message", metadata(name))
    except PackageNotFoundError:
        return "LicenseRef-NVIDIA-Proprietary" if _OF_CUDA.match(name) else _WITH_A_GPU.get(name, "")
    if name in _IN_THEIR_FILES:
        return _IN_THEIR_FILES[name]
    classifiers = [str(one) for one in said.get_all("Classifier") or [] if "License ::" in str(one)]
    last = [one.rpartition(" :: ")[2] for one in classifiers]
    return spdx(str(said.get("License-Expression", "")), str(said.get("License", "")), last)


def spdx(expression: str, field: str, classifiers: list[str]) -> str:
    """Return what a distribution says of its licence, the plainest of three places first."""
    if expression:
        return expression
    if _MIT_BEGINS in field:
        return "MIT"
    word = _WORDS.get(field.strip().lower(), field.strip())
    if word and all(term in ALLOWED for term in _terms(word)):
        return word
    known = [_WORDS[one.lower()] for one in classifiers if one.lower() in _WORDS]
    return " AND ".join(known) or word.partition("\n")[0]


def allows(expression: str) -> bool:
    """Tell whether something under this licence may ship: of OR one has to be allowed, of AND each."""
    while inner := re.search(r"\(([^()]*)\)", expression):
        expression = expression.replace(inner[0], "MIT" if allows(inner[1]) else "none")
    return any(
        all(term.strip().partition(" WITH ")[0] in ALLOWED for term in part.split(" AND "))
        for part in expression.split(" OR ")
    )


def _terms(expression: str) -> list[str]:
    return [one for one in _TERM.findall(expression) if one not in {"AND", "OR"}]


PAGE = ROOT / "LICENCES.md"
_SEARCH_MODELS = {
    WEIGHTS: "bge-small-en-v1.5 int8",
    TOKENIZER: "bge-small-en-v1.5 tokenizer",
    RERANKER_WEIGHTS: Reranker.name,
    RERANKER_TOKENIZER: "ms-marco-MiniLM-L-12-v2 tokenizer",
}
_MODEL_LICENCES = {"apache-2.0": "Apache-2.0", "mit": "MIT"}
_HEAD = """# Licences

What ships with the bot, and under which licence. The bot itself is not among it. `make sbom` writes this \
page and the same as
CycloneDX (`build/sbom.cdx.json`). What is needed to build, test and measure does not ship. The libraries of \
CUDA come
with a GPU only. A model that you import from a hub has the licence that `askpage models catalogue` shows.
"""


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One thing that ships. `kind` is "python", "npm" or "model"; `sha256` is of a model's file."""

    kind: str
    name: str
    version: str
    licence: str
    sha256: str = ""


def components() -> list[Component]:
    """Return everything that ships, as locked."""
    return sorted({*_python(), *_npm(), *_models()})


def _python() -> Iterator[Component]:
    for entry in (one for layer in SHIPS for one in read_layer(layer)):
        marker = Requirement(entry).marker
        if marker is None or marker.evaluate({"extra": "", "platform_machine": "x86_64"}):
            name, version = name_of(entry)
            yield Component("python", name, version, licence_of(name))


def _npm() -> Iterator[Component]:
    packages: dict[str, dict[str, Any]] = json.loads((ROOT / "package-lock.json").read_text("utf-8"))[
        "packages"
    ]
    for path, one in packages.items():
        if path and not one.get("dev"):
            yield Component(
                "npm", path.rpartition("node_modules/")[2], one["version"], one.get("license", "")
            )


def _models() -> Iterator[Component]:
    versions = dict(name_of(entry) for entry in read_layer("models"))
    for file, name in _SEARCH_MODELS.items():
        package = file.package.replace("_", "-")
        yield Component("model", name, versions[package], licence_of(package), file.sha256)
    for model in CATALOGUE:
        licence = _MODEL_LICENCES.get(model.licence, model.licence)
        if model.installed:
            version = versions[model.installed.module.replace("_", "-")]
            yield Component("model", model.name, version, licence, model.installed.sha256)
        elif model.wheels:
            yield Component("model", model.name, model.wheels.version, licence, model.wheels.sha256)


def cyclonedx(shipped: Sequence[Component]) -> dict[str, Any]:
    """Return a CycloneDX 1.6 document."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "askpage", "bom-ref": "askpage"}},
        "components": [_as_cyclonedx(one) for one in shipped],
        "dependencies": [{"ref": "askpage", "dependsOn": [_ref(one) for one in shipped]}],
    }


def _ref(one: Component) -> str:
    if one.kind == "model":
        return f"model:{one.name}@{one.version}"
    return f"pkg:{'pypi' if one.kind == 'python' else 'npm'}/{one.name}@{one.version}"


def _as_cyclonedx(one: Component) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "machine-learning-model" if one.kind == "model" else "library",
        "bom-ref": _ref(one),
        "name": one.name,
        "version": one.version,
        "licenses": [{"expression": one.licence}],
    }
    if one.kind != "model":
        made["purl"] = _ref(one)
    if one.sha256:
        made["hashes"] = [{"alg": "SHA-256", "content": one.sha256}]
    return made


def page_of(shipped: Sequence[Component]) -> str:
    """Return the page for people."""
    models = [one for one in shipped if one.kind == "model"]
    rows = [
        f"| {one.name} | {one.version} | {one.kind} | {one.licence} |" for one in shipped if one not in models
    ]
    hashed = [f"| {one.name} | {one.version} | {one.licence} | `{one.sha256}` |" for one in models]
    return "\n".join(
        [
            *(
                _HEAD,
                "## Models",
                "",
                "| model | version | licence | SHA-256 of its file |",
                "|---|---|---|---|",
            ),
            *(
                *hashed,
                "",
                "## Packages",
                "",
                "| package | version | from | licence |",
                "|---|---|---|---|",
                *rows,
                "",
            ),
        ]
    )


def main() -> None:
    """Write both."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "sbom.cdx.json"
    shipped = components()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cyclonedx(shipped), indent=1) + "\n", "utf-8")
    PAGE.write_text(page_of(shipped), "utf-8")
    sys.stdout.write(f"{path}: {len(shipped)} components\n")


if __name__ == "__main__":
    main()

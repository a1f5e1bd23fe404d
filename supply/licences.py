"""The licence of each thing that ships, as an SPDX expression, and which licences may ship."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from typing import cast

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

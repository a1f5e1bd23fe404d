"""The ladder from Llama-2-13B in fp32 to ONNX Runtime: response time of one page question at each step.

Run as: python -m benchmarks.seed_speedup [--device cuda|cpu] [--size true|small] [--rounds 20] [--out FILE]

    13B, fp32       transformers on torch
    7B, fp32        transformers on torch
    7B, 16 bit      transformers on torch: fp16 on a GPU, bf16 on a processor
    7B, ONNX        ONNX Runtime GenAI in the engine of the bot: fp16 on a GPU, int8 on a processor

On a GPU the models have the true shapes and random weights, which take as long as trained ones: how long a
pass takes does not depend on what the numbers are. On a processor the same ladder runs with small models of
the same kind (the first twice the second's weights): it shows that the ladder works, not what a GPU gains.

Before any figure the tokens are compared: the graph writes on after 200 prompts on the device, and torch says
of each token whether it would have chosen it, too. Below the bound no figure is printed and the exit status
is 1: on some large GPUs the library is reported to write gibberish, and that is quick.

Each step is a process of its own, so that its memory is its own, and has one answer first that does not
count. The prompt has 900 tokens, the answer 64, chosen greedily; every prompt begins differently, so that no
cache helps. Response time: from asking to the last token. Memory: the peak of what the step holds, on the GPU
or resident. Where there is a GPU its bandwidth is measured by copying, and the decoding is compared with the
limit that reading all weights once a token sets.

The provider options are those of the table that this retells. Its `gpu_mem_limit` of 2 GB cannot hold seven
billion weights in fp16 (13.5 GB), so it is left out where it would not load, and that is said.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from model.inference.gpu import find_gpus, has_device

# pyright: basic, reportAttributeAccessIssue=false
# ruff: noqa: PLC0415
# (torch and transformers are imported by the step that needs them)

PROMPT_TOKENS, NEW_TOKENS = 900, 64
AGREEMENT_PROMPTS, AGREEMENT_TOKENS = 200, 8
SEED_OPTIONS = {
    "device_id": "0",
    "arena_extend_strategy": "kNextPowerOfTwo",
    "gpu_mem_limit": str(2 * 1024**3),
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "do_copy_in_default_stream": "1",
}
BOUNDS = {"fp16": 0.9, "int8": 0.8}
"""Least share of equal tokens: with random weights the likeliest two are nearer than in a trained model."""
_SPREAD = 1.28
"""Standard deviation of the logits of the random models, about that of a trained one's nearer tokens."""
_STEP_LIMIT_S = 600


@dataclass(frozen=True)
class Shape:
    """A Llama: width, layers, heads, width within a layer, tokens."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        layer = 4 * self.hidden**2 + 3 * self.hidden * self.inner + 2 * self.hidden
        return self.layers * layer + 2 * self.vocabulary * self.hidden + self.hidden


SHAPES = {
    ("true", "13B"): Shape(5120, 40, 40, 13824, 32000),
    ("true", "7B"): Shape(4096, 32, 32, 11008, 32000),
    ("small", "13B"): Shape(640, 10, 10, 1728, 2048),
    ("small", "7B"): Shape(512, 8, 8, 1376, 2048),
}


@dataclass(frozen=True)
class Step:
    """One rung: whose shape, in what, by whom."""

    name: str
    shape: str
    precision: str
    runtime: str


def plan_steps(device: str) -> list[Step]:
    """Return the ladder on a device."""
    half, graph = ("fp16", "fp16") if device == "cuda" else ("bf16", "int8")
    return [
        Step("13B, fp32, transformers", "13B", "fp32", "torch"),
        Step("7B, fp32, transformers", "7B", "fp32", "torch"),
        Step(f"7B, {half}, transformers", "7B", half, "torch"),
        Step(f"7B, {graph}, ONNX Runtime", "7B", graph, "onnx"),
    ]


@dataclass(frozen=True)
class Timing:
    """One answer: seconds to the first token and to the last, and how many came."""

    ttft_s: float
    total_s: float
    tokens: int


@dataclass(frozen=True)
class Result:
    """A step's figures: response time's median and 95th percentile, decoding, memory in GB."""

    median_s: float
    p95_s: float
    ttft_s: float
    tokens_s: float
    memory_gb: float
    rounds: int


def summarise(timings: Sequence[Timing], memory_gb: float) -> Result:
    """Return the figures of a step's answers."""
    totals = sorted(one.total_s for one in timings)
    decoding = [(one.tokens - 1) / (one.total_s - one.ttft_s) for one in timings if one.tokens > 1]
    return Result(
        median_s=statistics.median(totals),
        p95_s=totals[math.ceil(0.95 * len(totals)) - 1],
        ttft_s=statistics.median(one.ttft_s for one in timings),
        tokens_s=statistics.median(decoding) if decoding else 0.0,
        memory_gb=memory_gb,
        rounds=len(timings),
    )


@dataclass(frozen=True)
class Job:
    """What a process of a step is told."""

    device: Literal["cpu", "cuda"]
    size: str
    rounds: int
    prompts: int
    work: str
    threads: int = 0
    processor_time: bool = False


def make_prompt(number: int, vocabulary: int) -> list[int]:
    """Return the token ids of a prompt that shares no beginning with any other's."""
    return [
        4 + (number * 7919 + at * (31 + number)) % (min(vocabulary, 260) - 4) for at in range(PROMPT_TOKENS)
    ]


def choose_options(weights_bytes: float) -> tuple[dict[str, str], str]:
    """Return the provider options under which the weights load, and a sentence where some are left out."""
    limit = int(SEED_OPTIONS["gpu_mem_limit"])
    if weights_bytes <= limit:
        return dict(SEED_OPTIONS), ""
    kept = {name: value for name, value in SEED_OPTIONS.items() if name != "gpu_mem_limit"}
    return kept, (
        f"gpu_mem_limit of {limit / 1e9:.1f} GB is left out: the weights alone have "
        f"{weights_bytes / 1e9:.1f} GB."
    )


# A step, in its own process


def run_torch(step: Step, job: Job) -> dict[str, Any]:
    """Time transformers."""
    import torch

    shape = SHAPES[job.size, step.shape]
    if job.threads:
        torch.set_num_threads(job.threads)
    model = build_model(shape, job.device, step.precision)
    clock = time.process_time if job.processor_time else time.perf_counter

    def answer(prompt: list[int]) -> Timing:
        begun = clock()
        with torch.inference_mode():
            ids = torch.tensor([prompt], device=job.device)
            out = model(ids, use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1:].argmax(-1)
            token.item()
            first = clock()
            for _ in range(NEW_TOKENS - 1):
                out = model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1:].argmax(-1)
                token.item()
        return Timing(first - begun, clock() - begun, NEW_TOKENS)

    timings = list(time_answers(answer, job.rounds, shape))
    return {"result": asdict(summarise(timings, read_torch_memory(job.device)))}


def run_onnx(step: Step, job: Job) -> dict[str, Any]:
    """Export, compare tokens with torch, and only then time our engine."""
    from core.subprocess_step import Report
    from model.answering.profile import cpu_s
    from model.onnx_infer import Engine, EngineOptions, Usage
    from model.registry.agreement import Sample, compare_tokens
    from model.registry.catalogue import Target
    from model.registry.export_onnx import build

    shape = SHAPES[job.size, step.shape]
    hf, onnx = Path(job.work) / "hf", Path(job.work) / "onnx"
    save_model(shape, job.device, hf)
    with (Path(job.work) / "export.log").open("w", encoding="utf-8") as log:
        build(hf, onnx, Target(step.precision, job.device), Report(sys.stderr, log))
    agreement = compare_tokens(hf, onnx, job.device, shape.parameters, Sample(job.prompts, AGREEMENT_TOKENS))
    found: dict[str, Any] = {"agreement": agreement.dump(), "bound": BOUNDS[step.precision]}
    if agreement.same < BOUNDS[step.precision]:
        return found
    weights = sum(file.stat().st_size for file in onnx.glob("model.onnx*"))
    options, said = choose_options(weights) if job.device == "cuda" else ({}, "")
    free_before = read_free_gb()
    context = PROMPT_TOKENS + NEW_TOKENS
    engine = Engine.load(
        onnx,
        EngineOptions(
            device=job.device, threads=job.threads, concurrent=1, context_tokens=context, cuda=options
        ),
    )

    def answer(prompt: list[int]) -> Timing:
        usages: list[Usage] = []
        begun = cpu_s(engine.pid)
        first = 0.0
        for _ in engine.generate_sync(prompt, max_new_tokens=NEW_TOKENS, on_done=usages.append):
            first = first or cpu_s(engine.pid) - begun
        if job.processor_time:
            return Timing(first, cpu_s(engine.pid) - begun, usages[0].tokens_out)
        return Timing(usages[0].ttft_s, usages[0].total_s, usages[0].tokens_out)

    try:
        timings = list(time_answers(answer, job.rounds, shape))
        memory = free_before - read_free_gb() if job.device == "cuda" else read_resident_gb(str(engine.pid))
    finally:
        engine.close_sync()
    return found | {"result": asdict(summarise(timings, memory)), "said": said, "weights_gb": weights / 1e9}


def time_answers(answer: Callable[[list[int]], Timing], rounds: int, shape: Shape) -> Iterator[Timing]:
    """Yield the timings of so many answers; one before them pays for what is allocated once."""
    answer(make_prompt(0, shape.vocabulary))
    for number in range(1, rounds + 1):
        yield answer(make_prompt(number, shape.vocabulary))


def build_model(shape: Shape, device: str, precision: str) -> Any:
    """Return a Llama with random weights, made on the device."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM  # pyright: ignore[reportAttributeAccessIssue] - untyped there

    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=4096,
        initializer_range=_SPREAD / math.sqrt(shape.hidden),
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
        dtype=dtype,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(before)


def save_model(shape: Shape, device: str, hf: Path) -> None:
    """Write a Hugging Face directory: 16 bits of a GPU's model, fp32 of a processor's, bytes as tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast  # pyright: ignore[reportAttributeAccessIssue] - untyped there

    control = ["<unk>", "<s>", "</s>", "<pad>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({word: at for at, word in enumerate([*control, *letters])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",  # noqa: S106 - not a secret
        eos_token="</s>",  # noqa: S106
        chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
    )
    build_model(shape, device, "fp16" if device == "cuda" else "fp32").save_pretrained(hf)
    fast.save_pretrained(hf)


def read_torch_memory(device: str) -> float:
    """Return the most that this process had on the GPU, or resident, GB."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else read_resident_gb("self")


def read_resident_gb(process: str) -> float:
    """Return the most memory that a process has had resident, GB."""
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM"))


def read_free_gb() -> float:
    """Return the GPU's free memory, GB; 0 where nobody tells."""
    find_gpus.cache_clear()
    gpus = find_gpus()
    return (gpus[0].free_gb or 0.0) if gpus else 0.0


def measure_bandwidth() -> float:
    """Return what the GPU's memory moves, bytes a second: a copy reads and writes."""
    import torch

    block = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(block)
    other.copy_(block)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(20):
        other.copy_(block)
    torch.cuda.synchronize()
    return 20 * 2 * block.numel() / (time.perf_counter() - begun)


# The ladder


RunStep = Callable[[Step, Job], Mapping[str, Any]]


def run_process(step: Step, job: Job) -> Mapping[str, Any]:
    """Run a step in a process of its own; what goes wrong is {"problem": the last line}."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.seed_speedup", "--step"]
    words = json.dumps({"step": asdict(step), "job": asdict(job)})
    try:
        done = subprocess.run(
            [*command, words], capture_output=True, text=True, timeout=_STEP_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"not done within {_STEP_LIMIT_S} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"problem": (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:300]}
    return json.loads(lines[-1])


def climb(job: Job, run_step: RunStep, keep: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Run the ladder, the ONNX step first: where its tokens are not torch's, nothing is timed.

    `keep` gets what is there after each step, so that a run that is stopped leaves what it found.
    """
    steps = plan_steps(job.device)
    graph = run_step(steps[-1], job)
    agreement = graph.get("agreement")
    said = [graph["said"]] if graph.get("said") else []
    report: dict[str, Any] = {"job": asdict(job) | {"work": ""}, "agreement": agreement, "said": said}
    if "result" not in graph:
        return report | {"refused": explain_refusal(graph)}
    found: dict[str, Mapping[str, Any]] = {steps[-1].name: graph}
    for step in reversed(steps[:-1]):
        keep(report | {"steps": found})
        found = {step.name: run_step(step, job)} | found
    return report | {"steps": found, "weights_gb": graph.get("weights_gb", 0.0)}


def explain_refusal(graph: Mapping[str, Any]) -> str:
    """Say why there are no figures."""
    agreement = graph.get("agreement") or {}
    if "problem" in graph:
        return f"the graph does not run here: {graph['problem']}"
    if "why_not" in agreement:
        return f"the tokens could not be compared: {agreement['why_not']}"
    return (
        f"of {agreement.get('tokens', 0)} tokens {agreement.get('same', 0.0):.1%} are torch's, and at least "
        f"{graph.get('bound', 0.0):.0%} have to be: no figure is printed"
    )


def render_table(report: Mapping[str, Any]) -> Table:
    """Return the ladder as a table: each step's figures, and how many times as fast it is."""
    headings = ("", "median s", "p95 s", "first token s", "tokens/s", "memory GB", "× step before", "× first")
    table = Table(title="One page question: 900 tokens read, 64 written")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    first = before = None
    for name, found in report["steps"].items():
        result = found.get("result")
        if result is None:
            table.add_row(name, found.get("problem", "no figures"))
            before = None
            continue
        median = result["median_s"]
        first = first or median
        ratios = [f"{one / median:.2f}" if one else "–" for one in (before, first)]
        figures = (median, result["p95_s"], result["ttft_s"], result["tokens_s"], result["memory_gb"])
        table.add_row(name, *(f"{one:.3g}" for one in figures), *ratios)
        before = median
    return table


def show(report: Mapping[str, Any], console: Console) -> bool:
    """Print what was found; tell whether there are figures."""
    if refused := report.get("refused"):
        console.print(f"Refused: {refused}", soft_wrap=True)
        return False
    agreement = report["agreement"]
    console.print(
        f"Token agreement on the device: {agreement['same']:.1%} of {agreement['tokens']} tokens after "
        f"{agreement['prompts']} prompts, against {agreement['against']}."
    )
    for sentence in report["said"]:
        console.print(sentence, soft_wrap=True)
    console.print(render_table(report))
    if "bandwidth_gb_s" in report:
        console.print(
            f"Decoding of the last step: {report['of_bandwidth']:.2f} of what the memory's bandwidth allows."
        )
    if report["job"]["processor_time"]:
        console.print("Seconds are those that the step computed, not the clock's.")
    if report["job"]["size"] == "small":
        console.print("Small models of the same kind: the ladder works; these ratios are not a GPU's.")
    return all("result" in found for found in report["steps"].values())


def add_bandwidth(report: dict[str, Any]) -> None:
    """Add how near the last step's decoding is to reading all weights once a token."""
    bandwidth = measure_bandwidth() / 1e9
    last = [*report["steps"].values()][-1]["result"]
    report["bandwidth_gb_s"] = bandwidth
    report["of_bandwidth"] = last["tokens_s"] * report["weights_gb"] / bandwidth


def main() -> None:
    """Climb, or be one step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if has_device() else "cpu")
    parser.add_argument("--size", choices=("true", "small"), help="true on a GPU, small on a processor")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=AGREEMENT_PROMPTS)
    parser.add_argument("--threads", type=int, default=0, help="of a pass on a processor; 0: all cores")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count the time that a step computes, not the clock's: on a busy processor, with --threads 1",
    )
    parser.add_argument("--out", type=Path, help="where the figures go as JSON, too")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        told = json.loads(given.step)
        step, job = Step(**told["step"]), Job(**told["job"])
        print(json.dumps((run_onnx if step.runtime == "onnx" else run_torch)(step, job)))
        return

    def keep(report: Mapping[str, Any]) -> None:
        if given.out:
            given.out.write_text(json.dumps(report, indent=2) + "\n", "utf-8")

    size = given.size or ("true" if given.device == "cuda" else "small")
    with tempfile.TemporaryDirectory(prefix="askpage-ladder-") as work:
        sizes = (size, given.rounds, given.prompts)
        job = Job(given.device, *sizes, work, given.threads, given.processor_time)
        report = climb(job, run_process, keep)
    if given.device == "cuda" and "steps" in report:
        add_bandwidth(report)
    keep(report)
    sys.exit(not show(report, Console(width=130)))


if __name__ == "__main__":
    main()

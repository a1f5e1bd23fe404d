"""How fast the engine answers beside torch and llama.cpp: the same prompt, in one run, on the same threads.

Run as: python -m benchmarks.engine [--threads 2] [--rounds 3] [--models-dir data/models]

Each contender is a process of its own that loads the default base model once: our engine (ONNX int8),
transformers on torch (fp32, greedy by hand, logits of the last token only), and llama.cpp (xllamacpp, the
GGUF itself). They take turns, so that whatever else the machine does meets all of them, and the best of the
rounds counts. The prompt is about 900 tokens and begins differently each time, so that no cache helps; 64
tokens are made, greedily. The last row is our engine on a second question about the same page, which is what
its prefix cache is for.

TTFT: from asking to the first token. Decode: tokens a second after it. Total: until the last asker has the
last token. Memory: the peak of resident memory, of all the contender's processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# pyright: basic, reportAttributeAccessIssue=false
# (torch, transformers and xllamacpp are typed in parts only)
# ruff: noqa: PLC0415, S101
# (a contender imports its own libraries only; the asserts are the type checker's)

NEW_TOKENS = 64
ASKERS = (1, 4)
OURS_AGAIN = "askpage, same page"
BASE = "smollm2-135m-instruct"


@dataclass(frozen=True)
class Timing:
    """One answer: seconds from asking, and how many tokens came."""

    ttft_s: float
    total_s: float
    tokens: int


@dataclass(frozen=True)
class Result:
    """One round. `ttft_s` is the askers' mean; `wall_s` until the last one is done; memory in bytes."""

    ttft_s: float
    decode_per_s: float
    wall_s: float
    tokens: int
    memory: int


def page(number: int) -> str:
    """Return a prompt of some 900 tokens that the model goes on writing, with a beginning all its own."""
    rules = (
        f"Rule {at}: employees of office {(at * number) % 7} may take {(at + number) % 13} days of leave."
        for at in range(number, number + 46)
    )
    return f"{number * 7919} is the number of this handbook. {' '.join(rules)} Rule {number + 46}:"


Answer = Callable[[str], Timing]


def askpage(threads: int, models_dir: Path) -> tuple[Answer, Callable[[], int]]:
    """Load our engine, importing the base model first where that is not done."""
    from model.onnx_infer import Engine, EngineOptions, Usage
    from model.registry.importing import import_base

    folder = import_base(BASE, models_dir, "cpu", on_progress=lambda _step, _done: None)
    engine = Engine.load(folder, EngineOptions(threads=threads))

    def answer(prompt: str) -> Timing:
        usages: list[Usage] = []

        async def ask() -> None:
            async for _ in engine.generate(prompt, max_new_tokens=NEW_TOKENS, on_done=usages.append):
                pass

        asyncio.run(ask())
        return Timing(usages[0].ttft_s, usages[0].total_s, usages[0].tokens_out)

    return answer, lambda: peak_memory("self") + peak_memory(str(engine.pid))


def torch_fp32(threads: int, _models_dir: Path) -> tuple[Answer, Callable[[], int]]:
    """Load the dequantised GGUF into transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from model.registry.export_onnx import find_base

    gguf, _ = find_base(BASE)
    assert isinstance(gguf, Path)
    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    ).eval()

    def answer(prompt: str) -> Timing:
        begun = time.perf_counter()
        with torch.inference_mode():
            ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
            out = model(ids, use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1:].argmax(-1)
            token.item()
            first = time.perf_counter()
            for _ in range(NEW_TOKENS - 1):
                out = model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1:].argmax(-1)
                token.item()
        return Timing(first - begun, time.perf_counter() - begun, NEW_TOKENS)

    return answer, lambda: peak_memory("self")


def set_llama_parameters(parameters: Any, gguf: Path | str, threads: int, askers: int) -> Any:
    """Set how llama.cpp's server serves a model to so many askers at once, silently."""
    parameters.model.path = str(gguf)
    parameters.n_parallel = askers
    parameters.n_ctx = 2048 * askers
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1
    return parameters


def llama_cpp(threads: int, _models_dir: Path) -> tuple[Answer, Callable[[], int]]:
    """Load the GGUF into llama.cpp's server, called without HTTP."""
    import xllamacpp  # pyright: ignore[reportMissingImports] - only `make bench` installs it

    from model.registry.export_onnx import find_base

    gguf, _ = find_base(BASE)
    parameters = set_llama_parameters(xllamacpp.CommonParams(), gguf, threads, max(ASKERS))
    parameters.warmup = False
    server = xllamacpp.Server(parameters)

    def answer(prompt: str) -> Timing:
        arrivals: list[float] = []

        def record_arrival(message: dict[str, Any]) -> bool:
            if message["choices"][0]["text"]:
                arrivals.append(time.perf_counter())
            return False

        begun = time.perf_counter()
        request = {
            "prompt": prompt,
            "n_predict": NEW_TOKENS,
            "temperature": 0,
            "stream": True,
            "cache_prompt": False,
        }
        server.handle_completions(request, record_arrival)
        return Timing(arrivals[0] - begun, arrivals[-1] - begun, len(arrivals))

    return answer, lambda: peak_memory("self")


LOADERS = {"askpage": askpage, "torch": torch_fp32, "llama.cpp": llama_cpp}
CONTENDERS = tuple(LOADERS)


def peak_memory(process: str) -> int:
    """Return the most memory that a process has had resident, bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def measure(answer: Answer, prompts: list[str], memory: Callable[[], int]) -> Result:
    """Ask everything at once."""
    together = threading.Barrier(len(prompts))

    def ask(prompt: str) -> Timing:
        together.wait()
        return answer(prompt)

    begun = time.perf_counter()
    with ThreadPoolExecutor(len(prompts)) as pool:
        timings = list(pool.map(ask, prompts))
    wall_s = time.perf_counter() - begun
    decode_s = sum(timing.total_s - timing.ttft_s for timing in timings) / len(timings)
    return Result(
        ttft_s=sum(timing.ttft_s for timing in timings) / len(timings),
        decode_per_s=(timings[0].tokens - 1) / decode_s if decode_s else 0.0,
        wall_s=wall_s,
        tokens=sum(timing.tokens for timing in timings),
        memory=memory(),
    )


def contend(name: str, threads: int, models_dir: Path) -> None:
    """Be one contender: a list of prompts a line comes in, its result goes out."""
    answer, memory = LOADERS[name](threads, models_dir)
    answer(page(1))  # the first answer pays for what is allocated once
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(measure(answer, json.loads(line), memory))), flush=True)


class Contender:
    """A contender's process."""

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        options = ["--threads", str(arguments.threads), "--models-dir", str(arguments.models_dir)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.engine", "--contender", name, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.read()

    def read(self) -> Any:
        """Return the next line that is ours: libraries print, too."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                return json.loads(line)
            except ValueError:
                continue
        raise SystemExit("a contender ended early: are the extras import and bench installed?")

    def ask(self, prompts: list[str]) -> Result:
        """Have one round measured."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(prompts) + "\n")
        self.process.stdin.flush()
        return Result(**self.read())

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def run(arguments: argparse.Namespace, console: Console) -> dict[tuple[str, int], Result]:
    """Return the best round (by total) of each contender and number of askers."""
    contenders: dict[str, Contender] = {}
    results: dict[tuple[str, int], list[Result]] = {}
    number = 2
    try:
        for name in CONTENDERS:
            with console.status(f"loading {name}"):
                contenders[name] = Contender(name, arguments)
        for askers in ASKERS:
            for turn in range(arguments.rounds):
                for name, contender in contenders.items():
                    prompts = [page(number + at) for at in range(askers)]
                    number += askers
                    with console.status(f"{askers} askers, round {turn + 1}: {name}"):
                        results.setdefault((name, askers), []).append(contender.ask(prompts))
                        if name == CONTENDERS[0] and askers == 1:
                            again = [prompts[0] + " and what then? Rule"]
                            results.setdefault((OURS_AGAIN, 1), []).append(contender.ask(again))
    finally:
        for contender in contenders.values():
            contender.end()
    return {key: min(rounds, key=lambda result: result.wall_s) for key, rounds in results.items()}


def show(best: dict[tuple[str, int], Result], console: Console) -> None:
    """Print the table, and the ratios that were promised."""
    for askers in ASKERS:
        table = Table(title=f"{askers} asking at once")
        for heading in (
            "",
            "TTFT s",
            "decode tok/s",
            "total s",
            "tokens",
            "peak MB",
            "of torch",
            "of llama.cpp",
        ):
            table.add_column(heading, justify="right" if heading else "left")
        for (name, count), result in best.items():
            if count == askers:
                table.add_row(
                    name,
                    f"{result.ttft_s:.2f}",
                    f"{result.decode_per_s:.1f}",
                    f"{result.wall_s:.2f}",
                    str(result.tokens),
                    f"{result.memory / 1e6:.0f}",
                    f"{result.wall_s / best['torch', askers].wall_s:.2f}",
                    f"{result.wall_s / best['llama.cpp', askers].wall_s:.2f}",
                )
        console.print(table)
    again, first = best[OURS_AGAIN, 1], best[CONTENDERS[0], 1]
    console.print(
        f"TTFT of a second question on the same page: {again.ttft_s / first.ttft_s:.2f} of the first's"
    )


def main() -> None:
    """Run the contest, or be a contender in it."""
    parser = argparse.ArgumentParser(description="The engine beside torch and llama.cpp.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models-dir", type=Path, default=Path("data/models"))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contend(arguments.contender, arguments.threads, arguments.models_dir)
        return
    console = Console(width=110)
    show(run(arguments, console), console)


if __name__ == "__main__":
    main()

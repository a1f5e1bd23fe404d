"""Whether askers at the same time are faster in one batch than in turns, on this machine's processor.

Run as: python -m benchmarks.batching [--folder data/models/smollm2-135m-instruct-int8] [--rounds 3]

1, 2, 4 and 8 askers with prompts of the same length, which begin differently, so that no cache helps. Each
gets as many tokens. In turns is what the worker does (`model/inference/worker.py`): a slot an asker, a piece
of a prompt or a token at a time. In a batch all of them are rows of one generator of onnxruntime-genai, read
together and written together. Both are in this process, on the same model and threads, and take turns in a
round, so that whatever else the machine does meets both; the best of the rounds counts.

Then what the cache does: the time to the first token of a prompt that is new, of one that shares its fixed
part (the system's message) with the one before, and of another question about the same passage.

Seconds are of the processor's own time (user and system, of all threads) divided by the threads, unless they
are called wall: others may be working on this machine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai as og
from rich.console import Console
from rich.table import Table

from core.records import Passage
from model.inference.tokenizer import ChatText
from model.inference.worker import Ask, Slot, make_config
from model.text import prompt

# pyright: basic, reportAttributeAccessIssue=false

PIECE = 128
KINDS = {"one sentence": (120, 24), "two passages": (600, 32), "writing only": (24, 64)}
"""Tokens of prompt and answer."""
WORDS = (
    "People who have worked here for {} months may take {} days of paid leave, and tell their lead {} weeks "
    "before. Hotels cost up to {} dollars a night. "
)


def make_prompts(text: ChatText, askers: int, tokens: int, seed: int) -> list[list[int]]:
    """Return prompts of so many tokens that differ from their beginning on."""
    random = np.random.default_rng(seed)
    return [
        text.encode(
            f"{random.integers(10**6)} "
            + "".join(WORDS.format(*random.integers(1, 300, 4)) for _ in range(40))
        )[:tokens]
        for _ in range(askers)
    ]


def answer_in_turns(model: Any, prompts: list[list[int]], new: int) -> list[list[int]]:
    """Read and write as the worker does, a slot an asker."""
    slots = [Slot(model, len(ids) + new) for ids in prompts]
    asks = [Ask(at, ids, new) for at, ids in enumerate(prompts)]
    said: list[list[int]] = [[] for _ in prompts]
    for slot, ask in zip(slots, asks, strict=True):
        slot.begin(ask)
    while any(ask.new < new for ask in asks):
        for slot, ask, tokens in zip(slots, asks, said, strict=True):
            if ask.at < len(ask.ids):
                slot.read(ask, PIECE)
            if ask.at == len(ask.ids) and ask.new < new:
                tokens.append(slot.next_token(ask))
    return said


def answer_in_a_batch(model: Any, prompts: list[list[int]], new: int) -> list[list[int]]:
    """Read and write all of them together."""
    params = og.GeneratorParams(model)
    params.set_search_options(
        max_length=len(prompts[0]) + new,
        batch_size=len(prompts),
        do_sample=False,
        min_length=len(prompts[0]) + new,
    )
    generator = og.Generator(model, params)
    generator.append_tokens(np.array(prompts, dtype=np.int32))
    said: list[list[int]] = [[] for _ in prompts]
    for _ in range(new):
        generator.generate_next_token()
        for tokens, token in zip(said, generator.get_next_tokens(), strict=True):
            tokens.append(int(token))
    return said


def measure(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Return seconds of the processor, all threads together, and of the clock; and what came of it."""
    began, clock = time.process_time(), time.perf_counter()
    done = work()
    return (time.process_time() - began, time.perf_counter() - clock), done


def compare(model: Any, text: ChatText, threads: int, rounds: int, console: Console) -> None:
    """Print a line for each kind and number of askers."""
    for kind, (tokens, new) in KINDS.items():
        for askers in (1, 2, 4, 8):
            best = {"turns": (9e9, 9e9), "batch": (9e9, 9e9)}
            same = 0
            for number in range(rounds):
                prompts = make_prompts(text, askers, tokens, 100 * askers + number)
                said: dict[str, Any] = {}
                for name, way in (("turns", answer_in_turns), ("batch", answer_in_a_batch)):
                    took, said[name] = measure(partial(way, model, prompts, new))
                    best[name] = (min(best[name][0], took[0]), min(best[name][1], took[1]))
                same += sum(one == other for one, other in zip(said["turns"], said["batch"], strict=True))
            turns, batch = (askers * threads / best[name][0] for name in ("turns", "batch"))
            wall = best["turns"][1] / best["batch"][1]
            console.print(
                f"{kind} ({tokens} + {new}), {askers} at once: turns {turns:.2f}/s, batch {batch:.2f}/s, "
                f"gain {batch / turns:.2f}; by the clock {wall:.2f}; same tokens {same} of {askers * rounds}"
            )


def first_token(slot: Slot, ids: list[int]) -> tuple[float, int]:
    """Return the seconds until the first token, and how many tokens were known."""
    ask = Ask(1, ids, 1)

    def work() -> None:
        ask.new = slot.begin(ask)
        while ask.at < len(ids):
            slot.read(ask, PIECE)
        slot.next_token(ask)

    known = slot.shares(ids)
    (seconds, _), _ = measure(work)
    return seconds, known


def time_cache(model: Any, text: ChatText, threads: int, rounds: int, console: Console) -> None:
    """Print what the cache spares of the time to the first token."""
    passages = [
        Passage(
            f"/{n}",
            f"Page {n}",
            "Leave",
            "".join(WORDS.format(n, k, k + 1, k + 2) for k in range(12)),
            "h",
            datetime.now(UTC),
        )
        for n in range(3 * rounds)
    ]

    def ids_of(question: str, *shown: Passage) -> list[int]:
        return text.encode(text.render(prompt.build_reading_messages(question, shown, "", ())))

    table = Table("prompt", "tokens", "known", "first token, s", "share of new")
    slot = Slot(model, 2048)
    rows: dict[str, list[tuple[float, int, int]]] = {"new": [], "fixed part known": [], "same passage": []}
    for at in range(rounds):
        slot.begin_anew()
        new = ids_of("How many days of leave?", passages[3 * at])
        other = ids_of("How many days of leave?", passages[3 * at + 1])
        again = ids_of("What does a hotel cost?", passages[3 * at + 1])
        for name, ids in (("new", new), ("fixed part known", other), ("same passage", again)):
            rows[name].append((*first_token(slot, ids), len(ids)))
    base = min(row[0] for row in rows["new"])
    for name, found in rows.items():
        seconds, known, tokens = min(found)
        table.add_row(name, str(tokens), str(known), f"{seconds / threads:.3f}", f"{seconds / base:.2f}")
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/models/smollm2-135m-instruct-int8"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    options = {"threads": threads, "spin_us": 30, "device": "cpu", "cuda": {}}
    model, text = og.Model(make_config(str(given.folder), options)), ChatText(given.folder)
    console = Console(width=160)
    time_cache(model, text, threads, given.rounds, console)
    compare(model, text, threads, given.rounds, console)


if __name__ == "__main__":
    main()

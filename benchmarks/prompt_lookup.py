"""What quoting would gain from prompt lookup: drafts taken from the prompt, checked several tokens at once.

Run as: python -m benchmarks.prompt_lookup [--questions 8] [--data ../shared/data] [--precision int8]

An answer that quotes repeats stretches of its prompt. So the tokens that followed the last three (or two)
where these stood before are a guess at what comes next; one pass over all of them says how many the model
would have chosen itself, and the rest is rewound.

The bot's graph computes the logits of the last token only. The library's own lookup refuses such a graph,
and the whole head costs a fifth of the reading. Here the graph is changed: the head computes the last nine
rows, which are an output of their own (`last_logits`), and the last of them is `logits` as before. Both ways
read the same prompts on the same graph: a question of employees over the section of a page that answers it,
asked as a trained version is asked, and as an untrained one is.

`margin` is by how much the likeliest token has to be likelier than the second (logits) for a drafted token
to be taken: several tokens at once are rounded otherwise than one alone, in int8 by nearly 0.8 of a logit.
Time is what the process computed, since others may be at work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai as og

from core.records import Passage
from core.subprocess_step import Report
from model.inference.tokenizer import ChatText
from model.inference.worker import make_config
from model.registry.catalogue import Target
from model.registry.export_onnx import build, find_weights
from model.text import prompt

# pyright: basic, reportAttributeAccessIssue=false, reportPrivateImportUsage=false
# pyright: reportOptionalSubscript=false, reportArgumentType=false
# ruff: noqa: PLC0415
# (the libraries that change a graph are imported where that is done)

ROWS = 9
NEW_TOKENS = 40
PIECE = 128
BASE = "smollm2-135m-instruct"
MARGINS = (0.0, 0.8, 1.6)
_SECTION = 900  # characters


def keep_last_rows(onnx: Path) -> None:
    """Let the head compute the last ROWS tokens: all of them as `last_logits`, the last one as `logits`."""
    import onnx_ir as ir

    model = ir.load(str(onnx / "model.onnx"))
    graph = model.graph
    nodes = {node.name: node for node in graph}
    gather, unsqueeze = nodes["/lm_head/prune/Gather"], nodes["/lm_head/prune/Unsqueeze"]

    def add_constant(name: str, number: int) -> Any:
        tensor = ir.tensor(np.array([number], dtype=np.int64), name=name)
        kind, shape = ir.TensorType(ir.DataType.INT64), ir.Shape([1])
        value = ir.Value(name=name, const_value=tensor, type=kind, shape=shape)
        graph.register_initializer(value)
        return value

    end, axis = add_constant("last_end", np.iinfo(np.int64).max), add_constant("last_axis", 1)

    def add_slice(source: Any, rows: int, name: str) -> Any:
        return ir.Node(
            "", "Slice", [source, add_constant(f"{name}_from", -rows), end, axis], name=f"/lm_head/{name}"
        )

    kept, pruned = add_slice(gather.inputs[0], ROWS, "last_rows"), unsqueeze.outputs[0]
    kept.outputs[0].name, kept.outputs[0].type = "/lm_head/last_rows/out", pruned.type
    graph.insert_before(gather, kept)
    for node, at in list(pruned.uses()):
        node.replace_input_with(at, kept.outputs[0])
    graph.remove(unsqueeze)
    graph.remove(gather)
    rows = next(one for one in graph.outputs if one.name == "logits")
    vocabulary = rows.shape[2]
    rows.name, rows.shape = "last_logits", ir.Shape(["batch_size", "last", vocabulary])
    last = add_slice(rows, 1, "last_row")
    last.outputs[0].name, last.outputs[0].type = "logits", rows.type
    last.outputs[0].shape = ir.Shape(["batch_size", 1, vocabulary])
    graph.insert_after(rows.producer(), last)
    outputs = [last.outputs[0] if one is rows else one for one in graph.outputs]
    graph.outputs.clear()
    graph.outputs.extend([*outputs, rows])
    ir.save(model, str(onnx / "model.onnx"))


def find_draft(known: Sequence[int], most: int) -> list[int]:
    """Return what followed the last three tokens, or two, where they stood before, at the latest place."""
    for size in (3, 2):
        tail = list(known[-size:])
        for at in range(len(known) - size - 1, -1, -1):
            if list(known[at : at + size]) == tail:
                return list(known[at + size : at + size + most])
    return []


def count_accepted(rows: np.ndarray, draft: Sequence[int], margin: float, ends: frozenset[int]) -> int:
    """Count the drafted tokens that the model chooses itself, and surely enough; an end is not drafted."""
    for at, token in enumerate(draft):
        second, first = np.partition(rows[at], -2)[-2:]
        if token in ends or int(rows[at].argmax()) != token or first - second < margin:
            return at
    return len(draft)


@dataclass
class Figures:
    """Of one way of decoding: seconds computed, passes, tokens, and prompts with the same tokens."""

    computed_s: float = 0.0
    passes: int = 0
    tokens: int = 0
    same: int = 0


@dataclass
class Contest:
    """One graph, and what each way took on it."""

    folder: Path
    reading_s: float = 0.0
    plain: Figures = field(default_factory=Figures)
    looked_up: dict[float, Figures] = field(default_factory=lambda: {margin: Figures() for margin in MARGINS})

    def __post_init__(self) -> None:
        self.text = ChatText(self.folder)
        self.ends = self.text.end_tokens
        threads = len(os.sched_getaffinity(0))
        options = {"threads": threads, "spin_us": 0, "device": "cpu", "cuda": {}}
        model = og.Model(make_config(str(self.folder), options))
        params = og.GeneratorParams(model)
        params.set_search_options(max_length=2048, do_sample=False)
        self.generator = og.Generator(model, params)

    def run(self, ids: list[int]) -> None:
        """Read a prompt once, and write after it in every way."""
        self.generator.rewind_to(0)
        begun = time.process_time()
        for at in range(0, len(ids), PIECE):
            self.generator.append_tokens(ids[at : at + PIECE])
        self.reading_s += time.process_time() - begun
        first = int(self._read_rows(1)[-1].argmax())
        expected = self._write(ids, first, self.plain, 0.0, drafted=False)
        for margin, figures in self.looked_up.items():
            self.generator.rewind_to(len(ids))
            figures.same += self._write(ids, first, figures, margin, drafted=True) == expected

    def _write(self, ids: list[int], token: int, into: Figures, margin: float, *, drafted: bool) -> list[int]:
        known = [*ids, token]
        most = len(ids) + NEW_TOKENS
        begun = time.process_time()
        while known[-1] not in self.ends and len(known) < most:
            draft = find_draft(known, min(ROWS - 1, most - len(known) - 1)) if drafted else []
            self.generator.append_tokens([known[-1], *draft])
            rows = self._read_rows(1 + len(draft))
            accepted = count_accepted(rows, draft, margin, self.ends)
            known += [*draft[:accepted], int(rows[accepted].argmax())]
            if accepted < len(draft):
                self.generator.rewind_to(len(known) - 1)
            into.passes += 1
        into.computed_s += time.process_time() - begun
        into.tokens += len(known) - len(ids)
        return known[len(ids) :]

    def _read_rows(self, count: int) -> np.ndarray:
        rows = np.asarray(self.generator.get_output("last_logits"))
        return rows.reshape(-1, rows.shape[-1])[-count:]


def make_messages(data: Path, count: int) -> list[list[Any]]:
    """Return the prompts: half as a trained version is asked, half as one that has learned nothing."""
    found: list[list[Any]] = []
    for line in (data / "questions" / "dev.jsonl").read_text("utf-8").splitlines():
        asked = json.loads(line)
        page = next((data / "handbook").glob(f"**/{asked['page']}"), None) if asked["evidence"] else None
        if page is None or len(found) >= count:
            continue
        body = page.read_text("utf-8")
        at = max(0, body.find(asked["evidence"][0][:60]))
        begin = max(0, body.rfind("\n#", 0, at))
        section = Passage("u", "t", "h", body[begin : begin + _SECTION], "h", datetime.now(UTC))
        build_one = prompt.build_reading_messages if len(found) % 2 else prompt.build_messages
        found.append(build_one(asked["question"], [section]))
    return found


def main() -> None:
    """Make the graph, write in every way, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--precision", choices=("int8", "int4", "fp32"), default="int8")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="askpage-lookup-") as work, open(os.devnull, "w") as nowhere:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            report = Report(nowhere, nowhere)
            hf, _ = find_weights(BASE, Path(work), report)
            build(hf, Path(work) / "onnx", Target(given.precision, "cpu"), report)
            keep_last_rows(Path(work) / "onnx")
        contest = Contest(Path(work) / "onnx")
        for messages in make_messages(given.data, given.questions):
            contest.run(contest.text.encode(contest.text.render(messages)))
    plain = contest.plain
    each = plain.computed_s / plain.passes
    print(f"{given.precision}: read in {contest.reading_s:.1f} s; {plain.tokens} tokens one by one took")
    print(f"  {plain.computed_s:.1f} s, {1000 * each:.0f} ms a pass")
    for margin, found in contest.looked_up.items():
        faster = plain.computed_s / plain.tokens / (found.computed_s / found.tokens)
        a_pass = found.tokens / found.passes
        print(f"  margin {margin:.1f}: {faster:.2f} times as fast, {a_pass:.2f} tokens a pass")
        print(f"    the same tokens after {found.same} of {given.questions} prompts")


if __name__ == "__main__":
    main()

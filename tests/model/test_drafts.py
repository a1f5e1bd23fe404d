"""Drafts: what is guessed from a prompt, that every answer stays as it is, and whether it is worth it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import onnxruntime_genai as og
import pytest
from onnx import TensorProto, helper

from model.inference.drafts import DRAFT_TOKENS, PromptLookup
from model.inference.slots import Ask, Slot
from model.inference.tokenizer import ChatText
from model.inference.worker import make_config
from model.onnx_infer import EngineOptions, resolve
from model.registry.drafting import NOT_HERE, Drafting, describe_drafting, is_on
from model.registry.graph_changes import add_spare_row, allow_drafts
from tests.doubles.echo import LOWER, echoed

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportMissingTypeStubs=false, reportArgumentType=false
# (onnx and onnxruntime are typed in parts only)

pytest_plugins = ["tests.builders.model_folders"]

END = 99


# What is guessed


def test_what_followed_the_same_three_tokens_last_is_the_guess() -> None:
    lookup = PromptLookup([1, 2, 3, 40, 9, 1, 2, 3, 50, 51, 9, 1, 2, 3])
    assert lookup.guess(DRAFT_TOKENS, {END}) == [50, 51, 9, 1, 2, 3]
    assert lookup.guess(2, {END}) == [50, 51]
    assert lookup.guess(0, {END}) == []


def test_two_tokens_are_looked_up_where_three_never_stood_and_one_alone_is_not() -> None:
    lookup = PromptLookup([1, 2, 3, 7, 8, 2, 3])
    assert lookup.guess(2, {END}) == [7, 8]
    lookup.add([8])
    assert lookup.guess(2, {END}) == []


def test_an_end_is_never_guessed() -> None:
    assert PromptLookup([1, 3, 4, 5, END, 6, 1, 3]).guess(DRAFT_TOKENS, {END}) == [4, 5]


def test_drafts_become_shorter_where_they_fail_and_longer_where_they_hold() -> None:
    lookup = PromptLookup([*range(10, 40), 10, 11, 12])
    assert len(lookup.guess(DRAFT_TOKENS, ())) == DRAFT_TOKENS
    lookup.note(8, 0)
    assert lookup.guess(DRAFT_TOKENS, ()) == [13, 14]
    lookup.note(2, 2)
    assert lookup.guess(DRAFT_TOKENS, ()) == [13, 14, 15, 16]


# Attention, alone and among others


ROOM, HEAD, HEADS, KEYS = 96, 64, 4, 2
WIDTH = HEAD * (HEADS + 2 * KEYS)


def make_attention() -> ir.Model:
    """Return a graph of one attention, as the builder writes them."""
    names = ["rows", "", "", "past_k", "past_v", "past", "total", "cos", "sin"]
    node = helper.make_node(
        "GroupQueryAttention",
        names,
        ["attended", "k", "v"],
        name="attention",
        domain="com.microsoft",
        num_heads=HEADS,
        kv_num_heads=KEYS,
        do_rotary=1,
    )
    after = helper.make_node("Identity", ["attended"], ["out"], name="after")
    floats = {
        "rows": [1, "length", WIDTH],
        "past_k": [1, KEYS, ROOM, HEAD],
        "past_v": [1, KEYS, ROOM, HEAD],
        "cos": [ROOM, HEAD // 2],
        "sin": [ROOM, HEAD // 2],
    }
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in floats.items()]
    inputs += [
        helper.make_tensor_value_info(name, TensorProto.INT32, size)
        for name, size in {"past": [1, 1], "total": []}.items()
    ]
    sizes = {"out": [1, "length", HEADS * HEAD], "k": floats["past_k"], "v": floats["past_v"]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()]
    made = helper.make_model(
        helper.make_graph([node, after], "attention", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )
    return ir.serde.deserialize_model(made)


class Attention:
    """An attention with its cache, which it writes in place."""

    def __init__(self, model: ir.Model) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        written = onnx.ModelProto.SerializeToString(ir.serde.serialize_model(model))
        self._session = ort.InferenceSession(written, options, providers=["CPUExecutionProvider"])
        self._cache = {name: np.zeros((1, KEYS, ROOM, HEAD), np.float32) for name in "kv"}
        angles = np.arange(ROOM)[:, None] / 10_000 ** (np.arange(HEAD // 2) / (HEAD // 2))
        self._turns = {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
        self._read = 0

    def read(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Read so many tokens more; return what comes out for each."""
        self._read += len(rows)
        binding = self._session.io_binding()
        for name, cache in self._cache.items():
            value = ort.OrtValue.ortvalue_from_numpy(cache)  # it shares the array's memory
            binding.bind_ortvalue_input(f"past_{name}", value)
            binding.bind_ortvalue_output(name, value)
        counts = {"past": np.array([[self._read - 1]]), "total": np.array(self._read)}
        given = {name: count.astype(np.int32) for name, count in counts.items()} | self._turns
        for name, array in {**given, "rows": rows[None]}.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        binding.bind_output("out")
        self._session.run_with_iobinding(binding)
        return next(one.numpy()[0] for one in binding.get_outputs() if len(one.shape()) == 3)


@pytest.mark.parametrize("before", [0, 1, 40, 70])
def test_with_a_spare_row_a_token_is_computed_alone_as_among_others_to_the_bit(before: int) -> None:
    rows = np.random.default_rng(7).standard_normal((before + 9, WIDTH), dtype=np.float32)

    def compute(model: ir.Model, step: int) -> np.ndarray[Any, Any]:
        attention = Attention(model)
        read = [attention.read(rows[:before])] if before else []
        read += [attention.read(rows[at : at + step]) for at in range(before, before + 9, step)]
        return np.concatenate(read)

    changed = make_attention()
    assert add_spare_row(changed.graph)
    together = compute(changed, 9)
    np.testing.assert_array_equal(compute(changed, 1), together)
    np.testing.assert_array_equal(compute(changed, 3), together)
    # It is the same attention; only its last bits are others than those of a token alone.
    np.testing.assert_allclose(compute(make_attention(), 1), together, atol=1e-5)


def test_an_attention_with_places_of_its_own_is_left_as_it_is() -> None:
    model = make_attention()
    [node, _] = list(model.graph)
    places = ir.Value(name="places")
    model.graph.inputs.append(places)
    node.resize_inputs(10)
    node.replace_input_with(9, places)
    assert not add_spare_row(model.graph)
    assert len(list(model.graph)) == 2


def test_a_graph_with_another_head_is_left_as_it_is(tmp_path: Path) -> None:
    ir.save(make_attention(), str(tmp_path / "model.onnx"))
    before = (tmp_path / "model.onnx").read_bytes()
    assert not allow_drafts(tmp_path, "cpu")
    assert (tmp_path / "model.onnx").read_bytes() == before


# A slot that drafts


PROMPT = list(range(10, 200))


@pytest.mark.model
def test_a_slot_makes_several_tokens_of_one_pass_where_the_answer_repeats_itself(an_echo: Path) -> None:
    options = asdict(resolve(EngineOptions(device="cpu", threads=1)))
    slot = Slot(og.Model(make_config(str(an_echo), options)), 512)
    ask = Ask(1, PROMPT, 120, drafted=True)
    slot.begin(ask)
    slot.read(ask, len(PROMPT))
    passes: list[list[int]] = []
    while ask.new < 120:
        passes.append(slot.next_tokens(ask))
        assert slot.tokens == [*PROMPT, *(token for made in passes for token in made)][: len(slot.tokens)]
        assert len(slot.tokens) == len(PROMPT) + ask.new - 1, "all but the last one are in the cache"
    said = [token for made in passes for token in made]
    assert said == echoed(PROMPT, 120, ChatText(an_echo).encode(LOWER))
    assert len(passes) < 60
    assert max(len(made) for made in passes) == DRAFT_TOKENS + 1


# Whether it is worth it


@pytest.mark.parametrize(
    ("drafting", "pays"),
    [
        (Drafting(8, 8, 1.61, "cpu", "P"), True),
        (Drafting(8, 7, 1.61, "cpu", "P"), False),
        (Drafting(8, 8, 1.19, "cpu", "P"), False),
        (Drafting(why_not=NOT_HERE), False),
    ],
)
def test_drafts_are_on_where_the_tokens_are_the_same_and_come_sooner(drafting: Drafting, pays: bool) -> None:
    kept = drafting.dump()
    assert kept["on"] is pays
    assert is_on(kept, "cpu", "P") is pays
    assert not is_on(kept, "cpu", "another")
    assert not is_on(kept, "cuda", "P")


def test_an_older_version_has_no_drafts_and_says_nothing_of_them() -> None:
    assert not is_on({}, "cpu", "P")
    assert describe_drafting({}) == ""


def test_a_version_says_whether_it_drafts_and_why() -> None:
    assert describe_drafting(Drafting(8, 8, 1.613, "cpu", "P").dump()) == (
        "drafts are on: with them answers that quote come 1.61 times as fast, the same tokens (8 of 8)"
    )
    assert "drafts are off: with them" in describe_drafting(Drafting(8, 5, 1.6, "cpu", "P").dump())
    assert describe_drafting(Drafting(why_not=NOT_HERE).dump()) == "drafts are off: it cannot run here"

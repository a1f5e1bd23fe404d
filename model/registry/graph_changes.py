"""Changes to an exported graph by which drafted tokens can be checked, several in one pass.

**Last rows.** The builder's graph gives the logits of the last token alone. Changed, the head computes those
of the last nine, which are an output of their own (`last_logits`); the last of them is `logits` as before.
Reading takes 1.02 times as long by it, and one token as long as before.

**A spare row.** On a processor, attention multiplies by another routine when a single token is computed than
when there are several. The sums differ in their last bits; where weights have 8 bits, the inputs of the
multiplications after it are rounded to 8 bits, too, so a last bit becomes a whole step now and then, and
after 30 layers the logits of a token that is alone differ by up to 0.8 from those of the same token among
others: after 4 of 12 prompts an answer with drafts had other words. So attention gets one row more than there
are tokens, a copy of the last one, which is computed and left out. What it puts into the cache lies behind
the last token and is overwritten by the next one; the cache needs room for one token more than an answer has.
Then every row is the same to the bit, alone or among others, and so are the answers; it costs nothing that
could be measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.inference.drafts import DRAFT_TOKENS, LAST_LOGITS

if TYPE_CHECKING:
    import onnx_ir as ir

# pyright: basic, reportArgumentType=false, reportOptionalSubscript=false
# (onnx_ir is typed in parts only; it comes with the builder, and is imported where a graph is changed)

_GRAPH = "model.onnx"
_GATHER, _UNSQUEEZE = "/lm_head/prune/Gather", "/lm_head/prune/Unsqueeze"
_ATTENTION = "GroupQueryAttention"
_PAST, _TOTAL = 5, 6
"""Inputs of the attention: tokens in the cache less one, and tokens in all."""
_PLACES = slice(9, 11)
"""Inputs that have a row for every token: positions, and a bias."""
_END = np.iinfo(np.int64).max


def allow_drafts(onnx: Path, device: str) -> bool:
    """Change the graph in a folder; False where it is not of the kind that can be changed."""
    import onnx_ir as ir  # noqa: PLC0415

    model = ir.load(str(onnx / _GRAPH))
    if not keep_last_rows(model.graph, DRAFT_TOKENS + 1):
        return False
    if device == "cpu":
        add_spare_row(model.graph)
    ir.save(model, str(onnx / _GRAPH))
    return True


def keep_last_rows(graph: ir.Graph, rows: int) -> bool:
    """Let the head compute the last `rows` tokens; False where it was not made for the last one alone."""
    nodes = {node.name: node for node in graph}
    if _GATHER not in nodes or _UNSQUEEZE not in nodes:
        return False
    change = _Change(graph)
    pruned, several = nodes[_UNSQUEEZE].outputs[0], next(one for one in graph.outputs if one.name == "logits")
    kept = change.cut(nodes[_GATHER].inputs[0], -rows, _END, "/lm_head/last_rows")
    graph.insert_before(nodes[_GATHER], kept)
    _use_instead(pruned, kept.outputs[0])
    graph.remove([nodes[_UNSQUEEZE], nodes[_GATHER]])
    vocabulary = several.shape[2]
    several.name, several.shape = LAST_LOGITS, change.shape("batch_size", "last_tokens", vocabulary)
    last = change.cut(several, -1, _END, "/lm_head/last_row")
    last.outputs[0].name, last.outputs[0].shape = "logits", change.shape("batch_size", 1, vocabulary)
    graph.insert_after(several.producer(), last)
    outputs = [last.outputs[0] if one is several else one for one in graph.outputs]
    graph.outputs.clear()
    graph.outputs.extend([*outputs, several])
    return True


def add_spare_row(graph: ir.Graph) -> bool:
    """Let every attention compute one row more; False where it has inputs that nobody here knows."""
    attentions = [node for node in graph if node.op_type == _ATTENTION]
    if not attentions or any(one for node in attentions for one in node.inputs[_PLACES]):
        return False
    change = _Change(graph)
    past, total = (change.count_one_more(attentions[0], at) for at in (_PAST, _TOTAL))
    for node in attentions:
        for at, rows in enumerate(node.inputs[:3]):
            if rows is not None:
                node.replace_input_with(at, change.repeat_last(node, rows, at))
        node.replace_input_with(_PAST, past)
        node.replace_input_with(_TOTAL, total)
        out = node.outputs[0]
        kept = change.cut(out, 0, -1, f"{node.name}/kept")
        _use_instead(out, kept.outputs[0], but=kept)
        graph.insert_after(node, kept)
        if out.shape is not None:
            kept.outputs[0].shape, out.shape = out.shape, change.make_longer(out.shape)
    return True


def _use_instead(old: ir.Value, new: ir.Value, but: ir.Node | None = None) -> None:
    for node, at in list(old.uses()):
        if node is not but:
            node.replace_input_with(at, new)


class _Change:
    """Makes nodes for one graph, with the constants that they take; none of them is put in its place here."""

    def __init__(self, graph: ir.Graph) -> None:
        import onnx_ir  # noqa: PLC0415

        self._ir, self._graph = onnx_ir, graph

    def shape(self, *sizes: Any) -> ir.Shape:
        return self._ir.Shape(sizes)

    def make_longer(self, shape: ir.Shape) -> ir.Shape:
        """Return a shape whose second size has a name of its own: no buffer of another is to hold it."""
        return self.shape(shape[0], "with_spare_row", *list(shape)[2:])

    def cut(self, source: ir.Value, begin: int, end: int, name: str) -> ir.Node:
        """Return a node for the rows from `begin` to `end`."""
        bounds = [self._add_constant(f"const/{number}", [number]) for number in (begin, end, 1)]
        return self._name(self._ir.Node("", "Slice", [source, *bounds], name=name), source)

    def repeat_last(self, before: ir.Node, rows: ir.Value, at: int) -> ir.Value:
        """Return the rows with the last one twice, for an input of a node."""
        last = self.cut(rows, -1, _END, f"{before.name}/last/{at}")
        axis, name = self._ir.AttrInt64("axis", 1), f"{before.name}/spare/{at}"
        joined = self._ir.Node("", "Concat", [rows, last.outputs[0]], [axis], name=name)
        self._name(joined, rows)
        if rows.shape is not None:
            joined.outputs[0].shape = self.make_longer(rows.shape)
        self._graph.insert_before(before, [last, joined])
        return joined.outputs[0]

    def count_one_more(self, before: ir.Node, at: int) -> ir.Value:
        """Return an input of the first attention, a number, and one more."""
        number = before.inputs[at]
        assert number is not None  # noqa: S101 - attention always has it
        one = self._add_constant("const/one", 1, np.int32)
        node = self._name(self._ir.Node("", "Add", [number, one], name=f"/spare/{at}"), number)
        node.outputs[0].shape = number.shape
        self._graph.insert_before(before, node)
        return node.outputs[0]

    def _name(self, node: ir.Node, like: ir.Value) -> ir.Node:
        node.outputs[0].name, node.outputs[0].type = f"{node.name}/out", like.type
        return node

    def _add_constant(self, name: str, number: Any, kind: Any = np.int64) -> ir.Value:
        if name in self._graph.initializers:
            return self._graph.initializers[name]
        tensor = self._ir.tensor(np.array(number, dtype=kind), name=name)
        value = self._ir.Value(
            name=name, const_value=tensor, type=self._ir.TensorType(tensor.dtype), shape=tensor.shape
        )
        self._graph.register_initializer(value)
        return value

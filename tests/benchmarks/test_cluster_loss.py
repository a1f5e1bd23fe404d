"""What counts as answered, lost or doubled where parts of a cluster are killed; the run takes minutes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks.cluster_loss import Load, judge, show
from benchmarks.replica_loss import expect_double

WHOLE = expect_double("Please say all words of number 7")
SORRY = "Sorry, something went wrong while I was answering."


@pytest.mark.parametrize(
    ("said", "is_"),
    [
        ([WHOLE], "answered"),
        ([f"{WHOLE} [1]"], "answered"),
        ([], "lost"),
        ([WHOLE, WHOLE], "doubled"),
        ([SORRY, WHOLE], "doubled"),
        ([SORRY], "sorry"),
        ([WHOLE.rpartition(" ")[0]], "broken"),
        ([f"{WHOLE} {WHOLE}"], "broken"),
        ([expect_double("number 17")], "broken"),
        (["something else"], "broken"),
    ],
)
def test_a_question_ends_in_one_way(said: list[str], is_: str) -> None:
    assert judge("7", said) == is_


@pytest.mark.parametrize(
    ("name", "said", "good"),
    [
        ("quiet", [WHOLE], True),
        ("quiet", [SORRY], False),
        ("the head killed", [SORRY], True),
        ("the head killed", [], False),
        ("a bot killed", [WHOLE, WHOLE], False),
    ],
)
def test_only_a_dead_head_is_a_reason_to_be_sorry(name: str, said: list[str], good: bool) -> None:
    load = Load(name, [1.0], {"7": said})
    assert show([Load("quiet", [1.0], {"7": [WHOLE]}), load], Console(file=io.StringIO(), width=110)) is good

"""A draft is what followed before, and only what the model would have chosen itself is taken of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.prompt_lookup import count_accepted, find_draft

ENDS = frozenset({9})


@pytest.mark.parametrize(
    ("known", "most", "draft"),
    [
        ([1, 2, 3, 4, 5, 1, 2, 3], 8, [4, 5, 1, 2, 3]),
        ([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3], 1, [5]),  # the latest place
        ([7, 2, 3, 4, 1, 2, 3], 2, [4, 1]),  # two tokens where three never stood before
        ([1, 2, 3, 4], 8, []),
        ([1], 8, []),
        ([1, 2, 1, 2], 0, []),
    ],
)
def test_a_draft_is_what_followed_the_last_tokens_where_they_stood_before(
    known: list[int], most: int, draft: list[int]
) -> None:
    assert find_draft(known, most) == draft


def rows(*chosen: tuple[int, float]) -> np.ndarray:
    """Return logits in which each token leads the others by so much."""
    made = np.zeros((len(chosen), 10), dtype=np.float32)
    for at, (token, lead) in enumerate(chosen):
        made[at, token] = lead
    return made


@pytest.mark.parametrize(
    ("chosen", "draft", "margin", "accepted"),
    [
        ([(4, 5.0), (5, 5.0), (6, 5.0)], [4, 5], 0.0, 2),
        ([(4, 5.0), (7, 5.0), (6, 5.0)], [4, 5], 0.0, 1),
        ([(8, 5.0), (5, 5.0), (6, 5.0)], [4, 5], 0.0, 0),
        ([(4, 5.0), (5, 0.5), (6, 5.0)], [4, 5], 0.8, 1),  # it is not sure enough
        ([(4, 5.0), (9, 5.0), (6, 5.0)], [4, 9], 0.0, 1),  # an end is chosen by itself
        ([(4, 5.0)], [], 0.0, 0),
    ],
)
def test_of_a_draft_is_taken_what_the_model_chooses_itself_and_surely_enough(
    chosen: list[tuple[int, float]], draft: list[int], margin: float, accepted: int
) -> None:
    assert count_accepted(rows(*chosen), draft, margin, ENDS) == accepted

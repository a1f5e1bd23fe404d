"""The sentence of the pages that comes nearest to a question, for a reviewer who says that it is not there.

By words alone: a card is drawn often, and this takes no model. A sentence is near where most content words of
the question stand in it or in the headings above it, at least one of them in the sentence itself.
"""

from __future__ import annotations

from functools import lru_cache

from core.records import Answer, Citation, Passage
from model.answering.grounding import cite, sentences
from model.checks.terms import content_words

LEAST_SHARE = 0.6
"""Of the question's content words. Of 200 questions over a handbook, with the eight passages that a search by
words finds, 0.6 shows a sentence for 71 of 176 that the pages answer (24 times the very evidence) and for
8 of 24 that they do not; 0.5 for 101 and 15, 0.8 for 25 and 1.
"""
_CACHED = 64
"""Cards that are drawn again and again."""
_FEWEST = 2
"""A sentence that shares a single word with a question says nothing about it."""


def find_near_quote(answer: Answer) -> Citation | None:
    """Return the sentence that may answer after all, None where none is near."""
    return _find(answer.question.text, answer.passages)


@lru_cache(_CACHED)
def _find(question: str, passages: tuple[Passage, ...]) -> Citation | None:
    asked = content_words(question)
    best: tuple[float, float, Passage, str] | None = None
    for passage in passages:
        above = content_words(f"{passage.title} {passage.heading}") & asked
        for sentence in sentences(passage.text):
            own = content_words(sentence) & asked
            score = (len(own | above) / len(asked) if asked else 0.0, len(own))
            if own and len(own | above) >= min(_FEWEST, len(asked)) and (best is None or score > best[:2]):
                best = (*score, passage, sentence)
    if best is None or best[0] < LEAST_SHARE:
        return None
    return cite(best[2], best[3])

"""Rephrasings by a model: it is asked for other words; kept is what the search takes for the same question.

A small model often repeats a question, answers it, or asks for something else. So what it writes counts only
where it passes the word-for-word checks (`made_examples.is_rewritten`), and where the search finds the same
evidence again among the first passages. It reads the masked question and nothing of anybody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from core.records import Passage, TrainingExample
from model.answering.grounding import content_words
from model.text.output_text import to_plain_text

Write = Callable[[str], str]
"""A question → what a model writes when it is asked for other words, a question a line."""
Find = Callable[[str], Sequence[Passage]]
"""A question → the passages that the search finds, the nearest first."""

_TELLS = (
    "You rewrite questions of employees. Write the question in other words, in three ways, one on a line. "
    "Keep every number, every name and every negation. Do not answer it."
)
_TOKENS = 96
FIRST = 3
"""Passages of a search among which the evidence has to be."""
_LONGEST = 300
_MARKER = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")


def write_with(chat: BaseChatModel) -> Write:
    """Return what asks a chat model for other words. Raises EngineError when it is called."""

    def write(question: str) -> str:
        return chat.invoke([("system", _TELLS), ("human", f"Question: {question}")], max_tokens=_TOKENS).text

    return write


@dataclass(frozen=True, slots=True)
class ModelRephrasing:
    """What a model makes of an example's question (`made_examples.Rewrite`)."""

    write: Write
    find: Find

    def __call__(self, example: TrainingExample) -> Sequence[str]:
        """Return questions in other words that bring the evidence of the example again."""
        lines = list_questions(self.write(example.question_text))
        return [line for line in lines if finds_evidence(example, self.find(line))]


def list_questions(written: str) -> list[str]:
    """Return the questions of what a model wrote, without numbers before them, each once."""
    lines = (_MARKER.sub("", to_plain_text(line)).strip().strip('"“”') for line in written.splitlines())
    return list(dict.fromkeys(line for line in lines if line.endswith("?") and len(line) <= _LONGEST))


def finds_evidence(example: TrainingExample, found: Sequence[Passage]) -> bool:
    """Tell whether the passage that the answer stands in is among the first that were found."""
    evidence = _choose_evidence(example)
    return evidence is not None and any(
        one.url == evidence.url and (one.text in evidence.text or evidence.text in one.text)
        for one in found[:FIRST]
    )


def _choose_evidence(example: TrainingExample) -> Passage | None:
    """Return the passage with most of the answer's words; of one that declines, the nearest passage."""
    said = set[str]() if example.declines else content_words(example.completion)
    return max(example.passages, key=lambda one: len(said & content_words(one.text)), default=None)

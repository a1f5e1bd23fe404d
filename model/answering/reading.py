"""What a model that reads whole passages gets into its prompt: within a budget of tokens, nothing hostile.

    budget ─┬─ at most a third: neighbours, earlier questions on the same pages with the answers that stand
            └─ the rest: passages, the quoted one first

Neighbours show how the pages are meant; they are no source. What a model writes is looked for in the passages
alone (model/checks/support.py), so what only a neighbour says reaches nobody. Whose questions may be shown,
whoever finds the neighbours decides (`FindNeighbours`). Their words are treated like a page's here: what
speaks to a model, or looks like a part of the prompt, is not read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from core.records import Passage, Question
from model.answering.grounding import Reading, select_passages, sentences
from model.answering.quoting import Quote
from model.text import prompt
from model.text.prompt import Neighbour

FindNeighbours = Callable[[Question, Sequence[str], int], Awaitable[Sequence[Neighbour]]]
"""(question, addresses of the passages that were found, how many) → neighbours, the nearest first."""
CountTokens = Callable[[str], int]

_MOST_OF_ONE = 0.6
"""Share of what a model reads that one section may take: an answer stands in the second or third in every
fifth case."""
_NEIGHBOURS_SHARE = 1 / 3


async def find_no_neighbours(_question: Question, _urls: Sequence[str], _limit: int) -> Sequence[Neighbour]:
    """Know of no reviewed answers."""
    return ()


def fit_neighbours(found: Sequence[Neighbour], count: CountTokens, budget: int) -> tuple[Neighbour, ...]:
    """Return the neighbours that fit a third of a budget of tokens, each cut to whole sentences."""
    safe = [clean for one in found if (clean := clean_neighbour(one))]
    left = int(budget * _NEIGHBOURS_SHARE) - count(prompt.NEIGHBOURS)
    chosen: list[Neighbour] = []
    for at, one in enumerate(safe):
        fitting = _cut_neighbour(one, count, left // (len(safe) - at))
        if fitting is not None:
            chosen.append(fitting)
            left -= count(prompt.render_neighbour(fitting))
    return tuple(chosen)


def count_neighbours(neighbours: Sequence[Neighbour], count: CountTokens) -> int:
    """Return how many tokens neighbours take in a prompt."""
    if not neighbours:
        return 0
    return sum(map(count, [prompt.NEIGHBOURS, *map(prompt.render_neighbour, neighbours)]))


def clean_neighbour(one: Neighbour) -> Neighbour | None:
    """Return a neighbour in plain words, each text on one line; None where its words are not to be read."""
    question, answer, rejected = map(_clean_text, (one.question, one.answer, one.rejected))
    if not question or not answer:
        return None
    return Neighbour(question, answer, "" if rejected == answer else rejected)


def _clean_text(text: str) -> str:
    """Return a person's words as a model may read them; "" for what speaks to it, or imitates the prompt."""
    line = " ".join(prompt.to_completion(text).split())
    hostile = any(map(prompt.speaks_to_a_model, (line, *sentences(line), *sentences(text))))
    said = line.casefold()
    imitates = any(label.casefold() in said for label in prompt.NEIGHBOUR_LABELS)
    return "" if hostile or imitates else line


def _cut_neighbour(one: Neighbour, count: CountTokens, most: int) -> Neighbour | None:
    """Return a neighbour of at most so many tokens: first what was wrong goes, then the answer's end."""
    said = list(sentences(one.answer))
    shorter = (replace(one, answer=" ".join(said[:end]), rejected="") for end in range(len(said) - 1, 0, -1))
    ways = (one, replace(one, rejected=""), *shorter)
    return next((way for way in ways if count(prompt.render_neighbour(way)) <= most), None)


def fit_passages(
    found: Sequence[Passage], quote: Quote | None, count: CountTokens, budget: int
) -> tuple[Passage, ...]:
    """Return the passages that fit a budget of tokens, the quoted one (if long, its quote) first."""
    first, *others = select_passages("", found, Reading(0)) or (None,)
    if first is None:
        return ()
    if quote is not None and count(first.text) > _MOST_OF_ONE * budget:
        start, end = quote.stretch
        first = replace(quote.passage, text=quote.passage.text[start:end])
    chosen = [first]
    left = budget - count(first.text)
    for passage in others:
        size = count(passage.text)
        if size <= left:
            chosen.append(passage)
            left -= size
    return tuple(chosen)

"""Made examples: from each reviewed one, its question in other words, and other questions over its passages.

    rephrased       the same question by rules (model/training/rephrasing.py), or by the model where that
                    passes the checks: the same answer is right
    asked of page   what another sentence or heading of the same page answers
                    (model/training/page_questions.py); nothing near to what reviewers ruled on there, since
                    they may know better than the page
    another kind    the same question about a kind, a person or a number that the passages do not have:
                    nothing there answers it
    other page      what a page behind another reviewed answer is asked: nothing here answers it

Every answer stands in the passages word for word, or declines. Each made example names the reviewed ones that
its words are from (`made_from`), and the rule (`made_by`); it counts a quarter of the first of them at most,
and all that is made of one counts no more than that. One in four at most declines, unless what it is made
from does: of few real examples, many that decline teach a model to decline everything.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urldefrag

from core.records import Passage, TrainingExample
from core.sentences import words
from model.checks.names_and_numbers import has_names
from model.checks.terms import content_words, to_term
from model.text.question import is_follow_up
from model.training.page_questions import PageQuestion, ask_of_passage
from model.training.rephrasing import keeps_facts, rephrase_question

WEIGHT = 0.25
"""How much a made example counts at most, of the one that it is made from."""
_IN_FOUR = 4
_HELPERS = content_words(
    "get give given receive take have need require required allow allowed able possible find entitled"
    " available offer provide know tell please many much number amount long often exactly currently would"
    " like could there what which whether"
)
"""Words that only help to ask: a model may add and leave out these. Any other word may be another question,
another kind, or a condition."""
_NEAR = 0.5
"""Share of the words of a question to a page from which on it is near to a reviewed one."""
_SHORT = 5
"""Words of a review's own answer up to which what is asked of the page has a short answer, too."""
_MISSING = 2
"""So many words of a question on another page must stand nowhere in the passages."""
_KINDS = (
    "annual sick parental maternity paternity bereavement military jury study unpaid sabbatical adoption",
    "contractors interns apprentices volunteers retirees students trainees freelancers",
    "contractor intern apprentice volunteer retiree student trainee freelancer",
    "monthly weekly yearly quarterly daily biweekly",
    "laptop phone tablet headset printer projector scanner",
    "train flight taxi bus ferry rental",
)
"""Kinds of one thing: what a page says of one, it may say nothing of for another."""
_EVERYBODY = re.compile(
    r"\b(?:all|any|anyone|anybody|each|every|everyone|everybody|whoever|regardless)\b", re.IGNORECASE
)
_NUMBERED = re.compile(
    r"\b(form|room|section|article|version|level|grade|step|phase|chapter|building|region|rule|part)"
    r" (\d{1,4})\b",
    re.IGNORECASE,
)

Rewrite = Callable[[TrainingExample], Sequence[str]]
"""An example → how a model would ask its question (model/training/rephrasing.py)."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A question that is asked over passages; an `answer` of "" declines."""

    text: str
    rule: str
    passages: tuple[Passage, ...]
    answer: str
    also_from: tuple[str, ...] = ()


def make_examples(
    examples: Sequence[TrainingExample], most: int, label: str, rewrite: Rewrite | None = None
) -> list[TrainingExample]:
    """Return up to `most` made examples for each of the given ones, by their ids.

    `label` is what declines. The same examples make the same ones, in whatever order they come, if `rewrite`
    does.
    """
    ordered = sorted(examples, key=lambda one: one.answer_id)
    pools = _ask_pages(ordered)
    made: list[TrainingExample] = []
    taken = {_plain(one.question_text) for one in ordered}
    most_absent = max(1, most // _IN_FOUR)
    for example in ordered:
        chosen: list[_Made] = []
        for one in _interleave(example, pools, rewrite):
            if len(chosen) == most:
                break
            declining = sum(not old.answer for old in chosen)
            full = not (example.declines or one.answer) and declining >= most_absent
            if _plain(one.text) not in taken and not full:
                taken.add(_plain(one.text))
                chosen.append(one)
        share = min(WEIGHT, 1 / most) if most else 0.0
        made += [
            replace(_build_example(example, one, at, label), weight=round(example.weight * share, 4))
            for at, one in enumerate(chosen, 1)
        ]
    return made


def _build_example(example: TrainingExample, one: _Made, number: int, label: str) -> TrainingExample:
    declines = not one.answer
    return TrainingExample(
        answer_id=f"{example.answer_id}/made/{number}",
        question_text=one.text,
        passages=one.passages,
        completion=one.answer or label,
        kind="not_on_page" if declines else "made",
        made_from=(example.answer_id, *one.also_from),
        made_by=one.rule,
    )


def _interleave(
    example: TrainingExample, pools: Mapping[str, list[PageQuestion]], rewrite: Rewrite | None
) -> Iterator[_Made]:
    """Yield a rephrasing, a question to the page, a rephrasing, one that declines, and so on."""
    same = _rephrase(example, rewrite)
    there = _ask_page(example, pools[example.answer_id])
    absent = iter(()) if example.declines else _decline(example, pools)
    turns: list[Iterator[_Made]] = [same, there, same, absent]
    for at in range(_IN_FOUR * _IN_FOUR * _IN_FOUR):
        one = next(turns[at % _IN_FOUR], None)
        if one is not None:
            yield one


def _rephrase(example: TrainingExample, rewrite: Rewrite | None) -> Iterator[_Made]:
    answer = "" if example.declines else example.completion
    for text in rewrite(example) if rewrite else ():
        if is_rewritten(example.question_text, text):
            yield _Made(text, "model", example.passages, answer)
    for one in rephrase_question(example.question_text):
        yield _Made(one.text, one.rule, example.passages, answer)


def is_rewritten(question: str, text: str) -> bool:
    """Tell whether a model asks the same: numbers, names, negations, the kind, and every word of meaning."""
    asked, said = content_words(question), content_words(text)
    return keeps_facts(question, text) and not is_follow_up(text) and asked ^ said <= _HELPERS


def _ask_pages(examples: Sequence[TrainingExample]) -> dict[str, list[PageQuestion]]:
    """Return what the page of each example's first passage is asked, by the example's id."""
    ruled: defaultdict[str, list[set[str]]] = defaultdict(list)
    for example in examples:
        for page in {_get_page(one) for one in example.passages}:
            ruled[page].append(content_words(example.question_text))
    return {one.answer_id: _ask_passages(one, ruled) for one in examples}


def _ask_passages(example: TrainingExample, ruled: Mapping[str, Sequence[set[str]]]) -> list[PageQuestion]:
    """Return what is far from all that was ruled on there, in an order by chance, always the same."""
    if not example.passages:
        return []
    page = _get_page(example.passages[0])
    there = [one for one in example.passages if _get_page(one) == page]
    found = [question for passage in there for question in ask_of_passage(passage)]
    far = [one for one in found if not _is_near(content_words(one.text), ruled[page])]
    return sorted(far, key=lambda one: hashlib.sha256(one.text.encode()).digest())


def _is_near(said: set[str], ruled: Sequence[set[str]]) -> bool:
    return any(len(said & asked) >= _NEAR * len(said) for asked in ruled)


def _get_page(passage: Passage) -> str:
    return urldefrag(passage.url).url


def _ask_page(example: TrainingExample, pool: Sequence[PageQuestion]) -> Iterator[_Made]:
    """Ask for what other sentences of the page say; that passage is the nearest one then."""
    for one in pool:
        if one.answer not in example.completion:
            rest = tuple(passage for passage in example.passages if passage != one.passage)
            brief = one.short if len(example.completion.split()) <= _SHORT else ""
            yield _Made(one.text, f"page: {one.rule}", (one.passage, *rest), brief or one.answer)


def _decline(example: TrainingExample, pools: Mapping[str, list[PageQuestion]]) -> Iterator[_Made]:
    yield from _ask_for_another(example)
    there = " ".join(f"{one.title} {one.heading} {one.text}" for one in example.passages)
    known = content_words(there)
    others = sorted(
        (name for name in pools if name != example.answer_id),
        key=lambda name: hashlib.sha256(f"{example.answer_id}|{name}".encode()).digest(),
    )
    for name in others:
        for one in pools[name]:
            missing = content_words(one.text) - known
            if len(missing) >= _MISSING and one.rule != "heading" and not is_follow_up(one.text):
                yield _Made(one.text, "other page", example.passages, "", (name,))
                break


def _ask_for_another(example: TrainingExample) -> Iterator[_Made]:
    """Ask the same of another kind, person or number that nothing there speaks of."""
    question = example.question_text
    there = " ".join(f"{one.title} {one.heading} {one.text}" for one in example.passages)
    known = {to_term(word) for word in words(there)}
    for group in map(str.split, _KINDS):
        used = [word for word in group if re.search(rf"\b{word}\b", question, re.IGNORECASE)]
        free = [word for word in group if to_term(word) not in known]
        if len(used) != 1 or not free or to_term(used[0]) not in known:
            continue
        if group[0].startswith("contractor") and _EVERYBODY.search(there):
            continue
        other = free[int.from_bytes(hashlib.sha256(question.encode()).digest()[:4]) % len(free)]
        text = re.sub(rf"\b{used[0]}\b", other, question, count=1, flags=re.IGNORECASE)
        yield _Made(text, "another kind", example.passages, "")
    if numbered := _NUMBERED.search(question):
        other_number = str(int(numbered[2]) + 3)
        if not re.search(rf"\b{other_number}\b", there) and has_names(question, f"{question} {there}"):
            text = f"{question[: numbered.start(2)]}{other_number}{question[numbered.end(2) :]}"
            yield _Made(text, "another number", example.passages, "")


def _plain(text: str) -> str:
    return " ".join(words(text)).casefold()

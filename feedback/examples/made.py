"""Made examples of a dataset: more ways to ask, and more to ask, from each reviewed example that trains.

What makes them is handed over (`ExampleRules.make`; model/training/made_examples.py); what they may be is
held here. They are made of what is masked already, and of nothing that is held out. They measure nothing:
none is held out, none counts as a review, and none has the words of a question that measures, or would
measure if somebody asked it. Each counts less than the review that it is made from, there are at most
`ExampleRules.made_per_review` of them, and each goes when one of the answers goes that its words are from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from core.records import TrainingExample
from core.text import normalise_text
from feedback.examples.convert import Candidate, ExampleRules, compute_support
from feedback.examples.poisoning import find_hosts, suspicions
from feedback.examples.select import is_held_out


def add_made(chosen: Sequence[Candidate], rules: ExampleRules) -> list[Candidate]:
    """Return what is made from the chosen examples, by answer id."""
    if rules.make is None or not rules.made_per_review:
        return []
    teaching = {one.example.answer_id: one for one in chosen if not one.example.held_out}
    asked = {normalise_text(one.example.question_text) for one in chosen}
    made = rules.make([one.example for one in teaching.values()])
    kept: dict[str, Candidate] = {}
    counts: Counter[str] = Counter()
    for example in made:
        origin = teaching.get(example.made_from[0]) if example.made_from else None
        if origin is None or any(name not in teaching for name in example.made_from):
            continue
        room = counts[origin.example.answer_id] < rules.made_per_review
        fits = room and example.answer_id not in teaching
        fits = fits and normalise_text(example.question_text) not in asked
        if fits and _may_teach(example, origin, rules):
            counts[origin.example.answer_id] += 1
            kept[example.answer_id] = _mark_made(example, origin)
    return sorted(kept.values(), key=lambda one: one.example.answer_id)


def _may_teach(example: TrainingExample, origin: Candidate, rules: ExampleRules) -> bool:
    """Tell whether a made example is lighter than its origin, measures nothing, and looks like no attack."""
    hosts = {host for one in example.passages for host in _list_hosts(one.url, one.text)} | rules.hosts
    return (
        0 < example.weight < origin.example.weight
        and bool(example.question_text.strip() and example.completion.strip())
        and not is_held_out(example.question_text, rules.held_out_share)
        and not suspicions(example.question_text, hosts)
        and not suspicions(example.completion, hosts)
    )


def _list_hosts(url: str, text: str) -> Iterator[str]:
    yield urlsplit(url).hostname or ""
    yield from find_hosts(text)


def _mark_made(example: TrainingExample, origin: Candidate) -> Candidate:
    """Return a made example with the lineage of the one that it is made from: whose words it may have."""
    lineage = replace(
        origin.lineage,
        answer_id=example.answer_id,
        supported=1.0 if example.declines else compute_support(example),
        folded=(),
        made_from=example.made_from,
        made_by=example.made_by,
    )
    return Candidate(replace(example, held_out=False, rejected_text=""), lineage, origin.brought_by)

"""Which of the candidates a dataset gets, and on which side of the split each one is.

    filtered by person       who contradicts the reviewers is weighed down or left out (poisoning.py)
    capped                  nobody is in more examples than the cap, as asker, complainer or reviewer
    masked                  personal data goes, for all texts of an example together
    folded                  the same question over the same passages is one example; the newest ruling wins
    split                   by a hash of the question's words

The caps come before the folding: what is over somebody's cap is gone before it can take the place of another
person's example. So a group of people moves at most its caps together, whatever it does.

Made examples are more ways to ask, and more to ask, from each reviewed example that trains. What makes them
is handed over (`ExampleRules.make`; model/training/made_examples.py); what they may be is held here. They are
made of what is masked already, and of nothing that is held out. They measure nothing: none is held out, none
counts as a review, and none has the words of a question that measures, or would measure if somebody asked it.
Each counts less than the review that it is made from, there are at most `ExampleRules.made_per_review` of
them, and each goes when one of the answers goes that its words are from.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from core.records import TrainingExample
from core.text import normalise_text
from feedback.examples.convert import Candidate, ExampleRules, LeftOut, Mask, compute_support
from feedback.examples.poisoning import Agreements, find_hosts, suspicions


@dataclass(frozen=True, slots=True)
class Trusted:
    """How far people are trusted, as raters and as reviewers."""

    raters: Agreements = field(default_factory=Agreements)
    reviewers: Agreements = field(default_factory=Agreements)


def choose(
    candidates: Iterable[Candidate],
    trusted: Trusted,
    rules: ExampleRules,
    tell: Callable[[int], None] = lambda _: None,
) -> tuple[list[Candidate], Counter[LeftOut]]:
    """Return the candidates that a dataset gets, by answer id, and how many are left out for what.

    Depends on the candidates alone, not on their order. `tell` hears how many were masked.
    """
    left_out: Counter[LeftOut] = Counter()
    weighed: list[Candidate] = []
    for candidate in candidates:
        judged = _weigh_candidate(candidate, trusted)
        if isinstance(judged, LeftOut):
            left_out[judged] += 1
        else:
            weighed.append(judged)
    capped = _cap_per_person(weighed, rules)
    left_out[LeftOut.OVER_CAP] = len(weighed) - len(capped)
    masked = [_mask_candidate(one, rules.mask, lambda: tell(1)) for one in capped]
    chosen, conflicts = _fold_duplicates(masked)
    left_out[LeftOut.CONFLICT] = conflicts
    left_out[LeftOut.DUPLICATE] = len(masked) - len(chosen) - conflicts
    split = [_on_its_side(one, rules.held_out_share) for one in chosen]
    return sorted(split, key=lambda one: one.example.answer_id), +left_out


def is_held_out(question_text: str, share: float) -> bool:
    """Tell whether a question measures a model, and never trains one.

    The lot is drawn by the question's words, not by the answer that happened to be the first to ask it: so
    the same question is always on the same side, and no question that is asked or deleted later moves one
    that is there.
    """
    words = normalise_text(question_text).encode("utf-8", "surrogatepass")
    lot = int.from_bytes(hashlib.sha256(b"held out|" + words).digest()[:8]) / 2**64
    return lot < share


def _on_its_side(candidate: Candidate, share: float) -> Candidate:
    example = candidate.example
    held_out = is_held_out(example.question_text, share)
    return replace(candidate, example=replace(example, held_out=held_out))


def _weigh_candidate(candidate: Candidate, trusted: Trusted) -> Candidate | LeftOut:
    """Weigh an example by the people who made it, or leave it out.

    One whom nobody trusts takes part in nothing. An example that complaints alone brought counts as much as
    the most trusted of those who complained; one that was drawn counts fully.
    """
    lineage, raters = candidate.lineage, trusted.raters
    brought = max((raters.trust(person) for person in candidate.brought_by), default=1.0)
    if not brought or not raters.trust(lineage.asker):
        return LeftOut.DISTRUSTED_RATER
    ruled = max((trusted.reviewers.trust(person) for person in lineage.reviewers), default=1.0)
    weight = round(candidate.example.weight * brought * ruled, 3)
    if not weight:
        return LeftOut.DISTRUSTED_REVIEWER
    return replace(candidate, example=replace(candidate.example, weight=weight))


def _newness(candidate: Candidate) -> tuple[str, str]:
    return candidate.lineage.ruled_at, candidate.lineage.answer_id


def _cap_per_person(candidates: Sequence[Candidate], rules: ExampleRules) -> list[Candidate]:
    """Return what stays when everyone has so many examples at most, the newest rulings first.

    Where several could be charged (complainers, reviewers who agree), the one with the most room is: nobody
    loses an example because somebody else joined in.
    """
    asked: defaultdict[str, int] = defaultdict(lambda: rules.per_asker)
    ruled: defaultdict[str, int] = defaultdict(lambda: rules.per_reviewer)
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=_newness, reverse=True):
        lineage = candidate.lineage
        # An asker who complains is charged once.
        brought_by = () if lineage.asker in candidate.brought_by else candidate.brought_by
        charges = [
            (room, max(sorted(people), key=room.__getitem__))
            for room, people in ((asked, (lineage.asker,)), (asked, brought_by), (ruled, lineage.reviewers))
            if people
        ]
        if all(room[person] > 0 for room, person in charges):
            kept.append(candidate)
            for room, person in charges:
                room[person] -= 1
    return kept


def _mask_candidate(candidate: Candidate, mask: Mask | None, done: Callable[[], None]) -> Candidate:
    """Return an example without personal data in any of its texts, which are masked together.

    A label stays as it is.
    """
    done()
    if mask is None:
        return candidate
    example = candidate.example
    texts = [example.question_text, example.completion, example.rejected_text]
    texts += [text for one in example.passages for text in (one.title, one.heading, one.text)]
    labels = {1} if example.declines else set[int]()
    labels |= {2} if candidate.rejects_label else set[int]()
    masked = zip(texts, mask(texts), strict=True)
    shown = [text if at in labels or not text else new for at, (text, new) in enumerate(masked)]
    pieces = [shown[at : at + 3] for at in range(3, len(shown), 3)]
    passages = tuple(
        replace(one, title=title, heading=heading, text=text)
        for one, (title, heading, text) in zip(example.passages, pieces, strict=True)
    )
    question, completion, rejected = shown[:3]
    changed = replace(
        example, question_text=question, completion=completion, rejected_text=rejected, passages=passages
    )
    return replace(candidate, example=changed)


def _fold_duplicates(candidates: Sequence[Candidate]) -> tuple[list[Candidate], int]:
    """Return one example for each question over each choice of passages, and how many newer rulings oust."""
    groups: defaultdict[object, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[_asks(candidate.example)].append(candidate)
    folded: list[Candidate] = []
    conflicts = 0
    for group in groups.values():
        newest = max(group, key=_newness)
        same = [one for one in group if one.example.completion == newest.example.completion]
        conflicts += len(group) - len(same)
        folded.append(_with_folded(newest, same))
    return folded, conflicts


def _asks(example: TrainingExample) -> tuple[str, tuple[tuple[str, str], ...]]:
    return normalise_text(example.question_text), tuple((one.url, one.text) for one in example.passages)


def _with_folded(newest: Candidate, same: Collection[Candidate]) -> Candidate:
    others = sorted(one.example.answer_id for one in same if one is not newest)
    weight = max(one.example.weight for one in same)
    return replace(
        newest,
        example=replace(newest.example, weight=weight),
        lineage=replace(newest.lineage, folded=tuple(others)),
    )


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

"""The dataset card: what a dataset has, what was left out and why, and whose questions it does not know.

After Gebru et al. 2021, Datasheets for Datasets (https://arxiv.org/abs/1803.09010): no figure for the eye,
but what somebody has to know before they train on it. No word of a question stands in a card, but for those
that pages have, too.

The figures add up: `reviews` = `examples` + all that `left_out` counts; each part of `by` sums to `examples`;
so do the examples of the topics. (They are what was built: `erased` of them may be gone since.) What is made
from them (feedback/examples/select.py) is in none of these figures: `made` counts it by the rule that did.

Topics are questions in groups by meaning, each named by its most telling words. They are found by spherical
k-means (Dhillon & Modha 2001, Machine Learning 42): vectors of length 1, nearness by cosine, a group's centre
is its mean scaled to length 1. It begins with the question nearest to the mean of all and, again and again,
the one that is farthest from those chosen (Gonzalez 1985), so the same questions make the same groups. A word
tells a group by how often it stands there, against how often anywhere (class-based TF-IDF, Grootendorst 2022,
https://arxiv.org/abs/2203.05794).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.examples.collect import Asked, Gathered
from feedback.examples.convert import NOT_ON_PAGE, Candidate, ExampleRules, LeftOut

Counts = Mapping[str, int]

_BATCH = 256
_AGES = ((30, "30 days"), (90, "90 days"), (365, "a year"))
_OLDER = "older"
_MOST_SENTENCES = 10
_LEAST_SUPPORTED = 0.5


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often something was asked, and how many examples there are of it."""

    asked: int
    examples: int


@dataclass(frozen=True, slots=True)
class Card:
    """See above. `name` and `sha256` are of the examples as they were built.

    `set_aside` is for the operator: answer id → what the screen found. `people` counts askers, reviewers, and
    who is weighed down or not trusted. `covered` counts the `asked` questions by site, channel and language,
    and those of them that were `sampled` by topic. `label` is the wording of the label that declines (0: it
    was not recorded yet). `unsupported` counts the completions most of whose words the passages lack.
    `missing` is in sentences.
    """

    name: str
    sha256: str
    made_at: str
    examples: int
    held_out: int
    masked: bool
    held_out_share: float
    reviews: int
    waiting: int
    reopened: int
    left_out: Counts
    set_aside: Mapping[str, Sequence[str]]
    by: Mapping[str, Counts]
    people: Counts
    asked: int
    sampled: int
    covered: Mapping[str, Mapping[str, Coverage]]
    unsupported: int
    missing: Sequence[str] = ()
    erased: int = 0
    label: int = 0
    made: Counts = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Built:
    """What a card tells of."""

    chosen: Sequence[Candidate]
    left_out: Mapping[LeftOut, int]
    gathered: Gathered
    asked: Asked
    rules: ExampleRules
    topics: Mapping[str, Coverage] = field(default_factory=dict[str, Coverage])
    made: Sequence[Candidate] = ()


def build_card(built: Built, name: str, sha256: str, now: datetime) -> Card:
    """Return the card of a dataset."""
    chosen, gathered, asked = built.chosen, built.gathered, built.asked
    by = {part: _count_values(chosen, read) for part, read in _parts(now).items()}
    covered = {
        "site": _compute_coverage(asked.sites, by["site"]),
        "channel": _compute_coverage(asked.channels, by["channel"]),
        "language": _compute_coverage(asked.languages, by["language"]),
        "topic": dict(built.topics),
    }
    return Card(
        name=name,
        sha256=sha256,
        made_at=now.astimezone(UTC).isoformat(timespec="milliseconds"),
        examples=len(chosen),
        held_out=sum(one.example.held_out for one in chosen),
        masked=built.rules.mask is not None,
        held_out_share=built.rules.held_out_share,
        reviews=gathered.reviews,
        waiting=gathered.waiting,
        reopened=gathered.reopened,
        left_out={str(why): count for why, count in sorted(built.left_out.items())},
        set_aside={one.answer_id: list(one.details) for one in gathered.set_aside},
        by=by,
        people=_people(built),
        asked=asked.count,
        sampled=len(asked.sample),
        covered=covered,
        unsupported=sum(one.lineage.supported < _LEAST_SUPPORTED for one in chosen),
        label=built.rules.label_version,
        made=_count_values(built.made, lambda one: one.lineage.made_by),
        missing=[*_gaps(covered, built.rules), *_warnings(built, by["kind"])],
    )


def cover_topics(
    asked: Asked, chosen: Sequence[Candidate], embed: Embed, tell: Callable[[int], None] = lambda _: None
) -> dict[str, Coverage]:
    """Return by topic how many of the sampled questions ask about it, and how many of the examples."""
    if not asked.sample:
        return {}
    vectors = np.concatenate(list(_embed_batches([one.text for one in asked.sample], embed, tell)))
    topics = find_topics(vectors, [one.page_words for one in asked.sample])
    of_asked = Counter(topics.assign_groups(vectors))
    of_chosen: Counter[int] = Counter()
    for some in _embed_batches([one.example.question_text for one in chosen], embed, tell):
        of_chosen.update(topics.assign_groups(some))
    return {name: Coverage(of_asked[at], of_chosen[at]) for at, name in enumerate(topics.names)}


def _embed_batches(texts: Sequence[str], embed: Embed, tell: Callable[[int], None]) -> Iterator[Vectors]:
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        yield embed(some)
        tell(len(some))


def _parts(now: datetime) -> dict[str, Callable[[Candidate], str]]:
    return {
        "kind": lambda one: one.example.kind,
        "source": lambda one: one.lineage.reason,
        "site": lambda one: one.lineage.site,
        "channel": lambda one: one.lineage.channel,
        "language": lambda one: one.lineage.language,
        "age": lambda one: _age(one.lineage.ruled_at, now),
        "side": lambda one: "held out" if one.example.held_out else "training",
    }


def _age(ruled_at: str, now: datetime) -> str:
    age = now - datetime.fromisoformat(ruled_at)
    return next((f"up to {words}" for days, words in _AGES if age <= timedelta(days=days)), _OLDER)


def _count_values(chosen: Iterable[Candidate], read: Callable[[Candidate], str]) -> dict[str, int]:
    return dict(sorted(Counter(read(one) for one in chosen).items()))


def _compute_coverage(asked: Counts, examples: Counts) -> dict[str, Coverage]:
    names = sorted({*asked, *examples})
    return {name: Coverage(asked.get(name, 0), examples.get(name, 0)) for name in names}


def _people(built: Built) -> dict[str, int]:
    raters = built.gathered.trusted.raters.count_distrusted()
    reviewers = built.gathered.trusted.reviewers.count_distrusted()
    return {
        "askers": len({one.lineage.asker for one in built.chosen}),
        "reviewers": len({person for one in built.chosen for person in one.lineage.reviewers}),
        "raters_weighed_down": raters[0],
        "raters_not_trusted": raters[1],
        "reviewers_weighed_down": reviewers[0],
        "reviewers_not_trusted": reviewers[1],
    }


def _gaps(covered: Mapping[str, Mapping[str, Coverage]], rules: ExampleRules) -> list[str]:
    """Say whose questions the dataset does not know, the most asked first."""
    sentences: list[str] = []
    for part, names in covered.items():
        unknown = [(-one.asked, name) for name, one in names.items() if one.asked and not one.examples]
        for asked, name in sorted(unknown)[:_MOST_SENTENCES]:
            why = " It may not be trained on." if part == "channel" and name not in rules.trainable else ""
            questions = "1 question was asked" if asked == -1 else f"{-asked} questions were asked"
            sentences.append(f"No example for the {part} “{name}”, where {questions}.{why}")
        if len(unknown) > _MOST_SENTENCES:
            sentences.append(f"No example for {len(unknown) - _MOST_SENTENCES} more of kind {part}.")
    return sentences


def _warnings(built: Built, kinds: Counts) -> list[str]:
    sentences: list[str] = []
    if not kinds.get(NOT_ON_PAGE):
        sentences.append(
            "No example declines: a model that learns from these alone learns to answer everything."
        )
    sides = Counter(one.example.held_out for one in built.chosen)
    if not sides[True]:
        sentences.append("No example is held out: these questions cannot tell whether training helped.")
    if built.rules.mask is None:
        sentences.append("Personal data is not masked: no masking was set up.")
    return sentences


Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
"""Texts → one vector a row, of length 1."""

MOST = 20
_ROUNDS = 25
_LABEL_WORDS = 3
_EMPTY_WORDS = frozenset(
    """
    about after also anyone before being come could does doing done find from gets give have having here into
    just know like long made make many more most much must need only other page please same should some such
    take tell than that their them then there these they this those time used using very want were what when
    where which will with within would your
    """.split()  # noqa: SIM905 - a list of words reads better so
)
"""English words that name no topic."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Groups: their centres, one a row, and their names."""

    centres: Vectors
    names: tuple[str, ...]

    def assign_groups(self, vectors: Vectors) -> list[int]:
        """Return the group of each vector."""
        nearest: list[int] = np.argmax(vectors @ self.centres.T, axis=1).tolist()
        return nearest


def find_topics(vectors: Vectors, words: Sequence[Collection[str]]) -> Topics:
    """Group questions; `words` are those of each that may name its group."""
    if not len(vectors):
        return Topics(np.zeros((0, 0), np.float32), ())
    count = min(MOST, max(1, round(math.sqrt(len(vectors) / 2))))
    centres = _refine_centres(vectors, _beginnings(vectors, count))
    groups = np.argmax(vectors @ centres.T, axis=1)
    filled = sorted(set(groups.tolist()))
    centres = centres[filled]
    return Topics(centres, _names([filled.index(group) for group in groups.tolist()], words, len(filled)))


def _beginnings(vectors: Vectors, count: int) -> Vectors:
    chosen = [int(np.argmax(vectors @ vectors.mean(axis=0)))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
    return vectors[chosen]


def _refine_centres(vectors: Vectors, centres: Vectors) -> Vectors:
    before: NDArray[Any] | None = None
    for _ in range(_ROUNDS):
        groups = np.argmax(vectors @ centres.T, axis=1)
        if before is not None and np.array_equal(groups, before):
            break
        sums = np.zeros_like(centres)
        np.add.at(sums, groups, vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres).astype(np.float32)
        before = groups
    return centres


def _names(groups: Sequence[int], words: Sequence[Collection[str]], count: int) -> tuple[str, ...]:
    inside: list[Counter[str]] = [Counter() for _ in range(count)]
    for group, said in zip(groups, words, strict=True):
        inside[group].update(word for word in said if word not in _EMPTY_WORDS and word.isalpha())
    anywhere = sum(inside, Counter[str]())
    average = anywhere.total() / count
    names: list[str] = []
    for number, counts in enumerate(inside, start=1):
        name = _name(counts, anywhere, average) or "without a name"
        names.append(name if name not in names else f"{name} ({number})")
    return tuple(names)


def _name(counts: Counter[str], anywhere: Counter[str], average: float) -> str:
    def telling(word: str) -> float:
        return counts[word] * math.log(1 + average / anywhere[word])

    return ", ".join(sorted(counts, key=lambda word: (-telling(word), word))[:_LABEL_WORDS])

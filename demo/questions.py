"""Which questions the replay asks, in which round, and which it only measures with.

articles    a quarter of them, by a hash of their titles, is held out: never asked in a round or learned from
questions   a fifth, by a hash of their words, is asked of another article of its side, which does not tell
rounds      the other articles' questions, shuffled by the seed; a few are kept to choose between versions
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.records import Page, Section
from model.evaluation.metrics import Article, Item

HELD_OUT = 4
"""One article in so many is held out."""
_UNANSWERABLE = 5
"""One question in so many has no answer on the page that it is asked of."""
_CHOOSING, _FEWEST_CHOOSING = 40, 4
"""Questions that choose between two versions: as many as are asked at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the replay.

    `id` is made of its words and its page, so a run that goes on knows it again.
    """

    id: str
    item: Item

    @property
    def page_url(self) -> str:
        """The page that it is asked of."""
        return url_of(self.item.article)


@dataclass(frozen=True, slots=True)
class Plan:
    """All questions: of each round, those that choose between two versions, those that measure each.

    `articles` are those that they are asked of: each is asked of its own, so others need not be indexed.
    """

    rounds: tuple[tuple[Asked, ...], ...]
    choosing: tuple[Asked, ...]
    measuring: tuple[Asked, ...]
    articles: tuple[Article, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a replay is: rounds, questions of one round and questions that measure.

    0 takes all there are.
    """

    rounds: int = 3
    limit: int = 0
    measured: int = 0


def plan(items: Sequence[Item], size: Size, seed: int) -> Plan:
    """Deal the questions of a file out. Raises ValueError where there are too few."""
    articles = sorted({item.article.title: item.article for item in items}.values(), key=_lot_of)
    held_out = articles[: max(2, len(articles) // HELD_OUT)]
    learned = articles[len(held_out) :]
    measuring = _asked(items, held_out)
    asked = _asked(items, learned)
    random.Random(seed).shuffle(asked)  # noqa: S311 - the same ones every time
    wanted = size.rounds * size.limit or len(asked)
    kept = max(_FEWEST_CHOOSING, min(_CHOOSING, wanted, len(asked) // 5))
    choosing, asked = asked[:kept], asked[kept:]
    each = size.limit or len(asked) // size.rounds
    rounds = tuple(tuple(asked[at * each : (at + 1) * each]) for at in range(size.rounds))
    if not measuring or not all(rounds):
        raise ValueError("there are too few questions on too few articles for so many rounds")
    measuring = _spread(measuring, size.measured)
    named = {one.item.article.title for part in (*rounds, choosing, measuring) for one in part}
    needed = tuple(article for article in articles if article.title in named)
    return Plan(rounds, tuple(choosing), tuple(measuring), needed)


def url_of(article: Article) -> str:
    """Return the address of an article's page."""
    return f"/articles/{_hash(article.title)[:12]}"


def page_of(article: Article) -> Page:
    """Return an article as a page, each paragraph a section of its own."""
    sections = tuple(Section("", f"p{at}", text) for at, text in enumerate(article.paragraphs))
    title = article.title.replace("_", " ")
    return Page(url_of(article), title, sections, _hash("\n".join(article.paragraphs)), datetime.now(UTC))


def _asked(items: Sequence[Item], articles: Sequence[Article]) -> list[Asked]:
    """Return the questions on some articles, by id, each fifth of them put to another of these articles."""
    places = {article.title: at for at, article in enumerate(articles)}
    found: dict[str, Asked] = {}
    for item in items:
        if item.article.title in places:
            at = places[item.article.title]
            here = item if _is_answered(item) else _elsewhere(item, articles, at)
            asked = Asked(_hash(f"{here.article.title}|{here.question}")[:24], here)
            found.setdefault(asked.id, asked)
    return [found[name] for name in sorted(found)]


def _is_answered(item: Item) -> bool:
    return int(_hash(f"unanswerable|{item.question}"), 16) % _UNANSWERABLE != 0


def _elsewhere(item: Item, articles: Sequence[Article], at: int) -> Item:
    other = articles[(at + len(articles) // 2) % len(articles)]
    return Item(item.question, (), other)


def _spread(asked: Sequence[Asked], count: int) -> list[Asked]:
    """Take so many, evenly; 0 takes all."""
    if not count or count >= len(asked):
        return list(asked)
    return [asked[at * len(asked) // count] for at in range(count)]


def _lot_of(article: Article) -> str:
    return _hash(article.title)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""The simulated people: those who ask and rate, some carelessly, and reviewers who know the references.

Everything that somebody does follows from the seed and the question, so a replay that was killed goes on with
the same people in the same moods, and doing the same twice is doing it once.

Their right answers are a page's own words, and the place where they stand. Of a question whose evidence is
known, the words are its evidence, as the page has it: one sentence, or an item for each of several. A
question to be answered with yes or no gets that word first. Of a question of which only the page is known, it
is the sentence of the page that is nearest in meaning; nothing tells whether it is right, so it only measures
who is served with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.dialogs.rate import Word
from core.records import Answer, Citation, FeedbackKind, Page, Passage, Ruling, Verdict
from core.sentences import pieces, without_marker
from demo.handbook import HandbookQuestion
from demo.questions import Asked
from model.answering.grounding import sentences
from model.evaluation.metrics import Judged, measure_cover, strip_markup
from model.evaluation.question_sets import PageQuestion
from pages.index.base import Indexes
from pages.index.embeddings import Embeds

_LEAST_COVER = 0.5
"""Share of the evidence's words that a sentence of the page must have to stand for it."""
_WHOLE = 0.8
"""Share of the evidence's words from which a sentence of the page is all of it."""
_SPOKEN = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a reviewer writes in the place of an answer, and where it stands; None: on no known place."""

    text: str
    place: Citation | None


class References:
    """Finds them on the pages of an index."""

    def __init__(self, index: Indexes, embedder: Embeds) -> None:
        self._index = index
        self._embedder = embedder

    def find_url(self, page: str) -> str | None:
        """Return the address of a page that is named by its path below its folder; None where unknown."""
        name = page.rpartition(".")[0] or page
        found = (entry.url for entry in self._index.entries() if f"{entry.url}".endswith(f"/{name}"))
        return min(found, key=len, default=None)

    async def write_correction(self, asked: HandbookQuestion) -> Correction:
        """Return the right answer to a question that the pages answer."""
        page = await self._read(asked.page)
        if asked.known is None:
            place = self._find_nearest(page, asked.text) if page else None
            return Correction(place.quote if place else asked.page, place)
        pages = [page, *[await self._read(other) for other in asked.known.also]]
        places = [_find_best([one for one in pages if one], text) for text in asked.known.evidence]
        said = [_word(place, text) for place, text in zip(places, asked.known.evidence, strict=True)]
        words = [without_marker(one).strip() for one in dict.fromkeys(said)]
        text = words[0] if len(words) == 1 else "\n".join(f"- {one}" for one in words)
        return Correction(_say_yes_or_no(asked.known) + text, next(filter(None, places), None))

    async def _read(self, page: str) -> Page | None:
        url = self.find_url(page)
        return await self._index.page(url) if url else None

    def _find_nearest(self, page: Page, question: str) -> Citation | None:
        places = _list_places(page)
        if not places:
            return None
        vectors = self._embedder.embed([question, *(f"{one.heading}\n{one.quote}" for one in places)])
        near = vectors[1:] @ vectors[0]
        return places[int(near.argmax())]


def _find_best(pages: list[Page], evidence: str) -> Citation | None:
    """Return the sentence, item or row that an evidence is; of equal ones the shortest."""
    places = [place for page in pages for place in _list_places(page)]
    best = max(places, key=lambda one: (measure_cover(evidence, one.quote), -len(one.quote)), default=None)
    return best if best and measure_cover(evidence, best.quote) >= _LEAST_COVER else None


def _word(place: Citation | None, evidence: str) -> str:
    """Return an evidence as the page has it; one of several sentences as the file of questions has it."""
    whole = place is not None and measure_cover(evidence, place.quote) >= _WHOLE
    return place.quote if place and whole else strip_markup(evidence)


def _list_places(page: Page) -> list[Citation]:
    return [
        Citation(
            f"{page.url}#{section.anchor}" if section.anchor else page.url,
            page.title,
            section.heading,
            section.text[piece.start : piece.end],
        )
        for section in page.sections
        for piece in pieces(section.text)
    ]


def _say_yes_or_no(known: PageQuestion) -> str:
    spoken = (word for group in known.must for word in group if word.lower() in _SPOKEN)
    return next((f"{word.title()}. " for word in spoken), "")


ASKERS = 40
REVIEWERS = ("robin", "kim", "noor")
_SILENT = 0.3
"""Share of the answers that nobody rates."""
_CARELESS = 0.1
"""Share of the words that say the opposite of what is so."""
_WITH_STARS = 0.5
_WRONGLY_APPROVED = 0.02
_STRICT_F1 = 0.6
_GOOD, _DECLINED_WELL, _DECLINED_BADLY, _BAD = (5, 4), (4, 3), (2, 3), (1, 2)
"""Stars in a good and in a worse mood."""


@dataclass(frozen=True, slots=True)
class People:
    """The cast of one replay."""

    seed: int

    def asker(self, asked: Asked) -> str:
        """Return who asks a question."""
        return f"asker-{self._number(asked, 'asker') % ASKERS}"

    def word(self, asked: Asked, judged: Judged) -> Word | None:
        """Return what the asker says of an answer; None for nothing."""
        if self._lot(asked, "silent") < _SILENT:
            return None
        stars = self.stars(asked, judged)
        if self._lot(asked, "form") < _WITH_STARS:
            return Word(FeedbackKind.STARS, str(stars))
        return Word(FeedbackKind.THUMB, "like" if stars > _DECLINED_BADLY[1] else "dislike")

    def stars(self, asked: Asked, judged: Judged) -> int:
        """Return how many stars the asker gives, said or not: what a round's satisfaction is the mean of."""
        if judged.answer.abstained:
            good, worse = _DECLINED_WELL if judged.correct else _DECLINED_BADLY
        else:
            good, worse = _GOOD if judged.correct else _BAD
        stars = worse if self._lot(asked, "mood") < _WITH_STARS else good
        return 6 - stars if self._lot(asked, "careless") < _CARELESS else stars

    def verdict(self, asked: Asked, judged: Judged) -> Verdict:
        """Return how a reviewer decides on an answer, who has the reference answer before them.

        They let stand what is right and brief, write the reference where it is not, and are wrong now and
        then.
        """
        reviewer = REVIEWERS[self._number(asked, "reviewer") % len(REVIEWERS)]
        ruling, text, citation = self._ruling(asked, judged)
        return Verdict(
            reviewer=reviewer,
            reviewer_name=reviewer.title(),
            ruling=ruling,
            given_at=datetime.now(UTC),
            text=text,
            citation=citation,
            source=f"{asked.id}|ruling",
        )

    def _ruling(self, asked: Asked, judged: Judged) -> tuple[Ruling, str, Citation | None]:
        answer = judged.answer
        if self._lot(asked, "slip") < _WRONGLY_APPROVED:
            return Ruling.APPROVED, "", None
        if not asked.item.references:
            return (Ruling.APPROVED if answer.abstained else Ruling.NOT_ON_PAGE), "", None
        if judged.f1 >= _STRICT_F1:
            return Ruling.APPROVED, "", None
        text, citation = _right_answer(asked, answer)
        return Ruling.CORRECTED, text, citation

    def _lot(self, asked: Asked, purpose: str) -> float:
        return self._number(asked, purpose) / 2**64

    def _number(self, asked: Asked, purpose: str) -> int:
        drawn = hashlib.sha256(f"{self.seed}|{purpose}|{asked.id}".encode()).digest()[:8]
        return int.from_bytes(drawn)


def _right_answer(asked: Asked, answer: Answer) -> tuple[str, Citation | None]:
    """Return a reference with the sentence that it stands in: one that the bot's passages have, if any."""
    for reference in asked.item.references:
        citation = _standing(reference, answer.passages)
        if citation is not None:
            return reference, citation
    return asked.item.references[0], None


def _standing(text: str, passages: Sequence[Passage]) -> Citation | None:
    for passage in passages:
        for sentence in sentences(passage.text):
            if text in sentence:
                return Citation(passage.url, passage.title, passage.heading, sentence)
    return None

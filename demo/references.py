"""The right answers of the simulated reviewers: a page's own words, and the place where they stand.

Of a question whose evidence is known, the words are its evidence, as the page has it: one sentence, or an
item for each of several. A question to be answered with yes or no gets that word first. Of a question of
which only the page is known, it is the sentence of the page that is nearest in meaning; nothing tells whether
it is right, so it only measures who is served with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.records import Citation, Page
from core.sentences import pieces, without_marker
from demo.handbook import HandbookQuestion
from model.evaluation.evidence import measure_cover, strip_markup
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

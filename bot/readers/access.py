"""Access control: whether an audience may see an answer, a review or a verified answer as pages are now.

All three are made of pages. An audience may see one where it may read each page that it stands on: what was
found, what is cited, and what reviewers looked at and cited since. Who may read a page is asked now, not
remembered: a page that is closed takes everything that was answered from it along, at once.

What the index does not know (a page that is gone, an index that is being made) has the readers that were kept
with the passage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urldefrag

from core.readers import EVERYONE, Audience, Readers, current_audience
from core.records import Answer, Citation, Passage, Review, Verdict, VerifiedAnswer
from feedback.reviews.ruling_changes import PastRuling

Restricted = Callable[[], Mapping[str, Readers]]
"""Returns who may read the pages that not everyone may read, by URL (`Indexes.restricted`)."""
IsSourced = Callable[[str], bool]
"""Tells whether a source names a page now."""
PageOfIt = tuple[str, Readers]
"""An address, and the readers that were kept with what was found there."""


_NOTHING: Mapping[str, Readers] = {}


class PageAccess:
    """Knows what may be seen. One per process."""

    def __init__(
        self, restricted: Restricted = lambda: _NOTHING, is_sourced: IsSourced = lambda _: False
    ) -> None:
        self._restricted = restricted
        self._is_sourced = is_sourced

    def freeze(self) -> PageAccess:
        """Return what may be seen at this moment, for a look at many answers: the index is asked once."""
        known = self._restricted()
        return PageAccess(lambda: known, self._is_sourced)

    @property
    def state(self) -> Mapping[str, Readers]:
        """What is restricted now; the same object as long as nothing has changed."""
        return self._restricted()

    def names_any(self, kinds: tuple[str, ...]) -> bool:
        """Tell whether some page names a principal of one of these kinds."""
        named = (name for one in self._restricted().values() for name in one.principals or ())
        return any(name.startswith(kinds) for name in named)

    @property
    def has_restricted(self) -> bool:
        """Whether there is any page that not everyone may read."""
        return bool(self._restricted())

    def may_see(self, audience: Audience, answer: Answer, review: Review | None = None) -> bool:
        """Tell whether an audience may see an answer, and all that a review says of it."""
        return self.allows(audience, list_pages(answer, review))

    def may_see_verified(self, audience: Audience, verified: VerifiedAnswer) -> bool:
        """Tell whether an audience may see a verified answer."""
        return self.allows(audience, _of_verified(verified))

    def may_read(self, audience: Audience, urls: Iterable[str]) -> bool:
        """Tell whether an audience may read pages by their addresses."""
        return self.allows(audience, ((url, EVERYONE) for url in urls))

    def is_restricted(self, answer: Answer, review: Review | None = None) -> bool:
        """Tell whether there is anybody who may not see an answer."""
        return not self.may_see(frozenset(), answer, review)

    def are_restricted(self, pages: Iterable[PageOfIt]) -> bool:
        """Tell whether there is anybody who may not read one of these pages."""
        return not self.allows(frozenset(), pages)

    def is_kept_apart(self, answer: Answer, review: Review | None = None) -> bool:
        """Tell whether an answer is nothing for places where nobody knows who looks.

        It is restricted, or comes from a file, which is its conversation's alone.
        """
        return answer.from_file or self.is_restricted(answer, review)

    def select_steps(self, history: Sequence[PastRuling], audience: Audience) -> list[PastRuling]:
        """Return the rulings of a history that an audience may see: whose places it may read."""
        return [
            one
            for one in history
            if one.ruling.citation is None
            or self.may_read(audience, [urldefrag(one.ruling.citation.url).url])
        ]

    def select_visible(
        self, verified: Sequence[VerifiedAnswer], audience: Audience | None = None
    ) -> list[VerifiedAnswer]:
        """Return those that an audience may see; that of what is being answered now, if none is given."""
        seen_by, now = current_audience() if audience is None else audience, self.freeze()
        return [one for one in verified if now.may_see_verified(seen_by, one)]

    def list_closed(self, verified: VerifiedAnswer) -> set[str]:
        """Return the addresses of the pages behind a verified answer that not everyone may read."""
        known = self._restricted()
        return {url for url, kept in _of_verified(verified) if self._find(known, url, kept).restricted}

    def list_principals(self, answer: Answer) -> Audience:
        """Return everybody who may read one of the pages behind an answer, for whoever looks at it again."""
        known = self._restricted()
        found = (self._find(known, url, kept).principals for url, kept in _of_answer(answer))
        return frozenset[str]().union(*(one for one in found if one))

    def allows(self, audience: Audience, pages: Iterable[PageOfIt]) -> bool:
        """Tell whether an audience may read all of these pages (`list_pages`)."""
        known = self._restricted()
        return all(self._find(known, url, kept).allow(audience) for url, kept in pages)

    def _find(self, known: Mapping[str, Readers], url: str, kept: Readers) -> Readers:
        now = known.get(url)
        if now is not None:
            return now
        return EVERYONE if not kept.restricted or self._is_sourced(url) else kept


def list_pages(answer: Answer | None, review: Review | None = None) -> tuple[PageOfIt, ...]:
    """Return the pages that an answer stands on, and those that reviewers looked at and cited since."""
    return (*(_of_answer(answer) if answer else ()), *(_of_review(review) if review else ()))


def _of_passages(passages: Iterable[Passage]) -> Iterator[PageOfIt]:
    return ((urldefrag(one.url).url, one.readers) for one in passages)


def _of_citations(citations: Iterable[Citation]) -> Iterator[PageOfIt]:
    return ((urldefrag(one.url).url, EVERYONE) for one in citations)


def _of_answer(answer: Answer) -> Iterator[PageOfIt]:
    yield from _of_passages(answer.passages)
    yield from _of_citations(answer.citations)


def _of_review(review: Review) -> Iterator[PageOfIt]:
    yield from _of_passages(review.passages)
    given: list[Verdict | None] = [*review.verdicts, review.earlier]
    given.append(review.change.before if review.change else None)
    yield from _of_citations(one.citation for one in given if one is not None and one.citation is not None)


def _of_verified(verified: VerifiedAnswer) -> Iterator[PageOfIt]:
    yield from _of_passages(verified.passages)
    yield from _of_citations(verified.citations)
    yield from ((url, EVERYONE) for url, _ in verified.pages)

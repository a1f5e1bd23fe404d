"""Ranks the verified answers of similar questions, to be offered below an answer: "Is it this one?".

People who ask the same in other words rarely use words so near that an answer may be served without asking
(`bot/dialogs/verified_answers.py`). But their questions lead the search to the same places. So a verified
answer is offered by how near its question is, by whether the search comes to the place and the page that it
stands on, and by how far both questions' passages are the same. The weights were fitted on the paraphrases of
one half of a handbook's pages, and reported on the other (`python -m benchmarks.offers`, LOG.md).

Where the bot is sure of an answer from elsewhere, more has to speak for an offer. Of verified answers that
say the same only the likeliest is offered, so that another one has its place.

Questions that need another answer look just as similar, so what is offered is never said to be the answer.
What people say of it is learned from at once (`feedback/reviews/paraphrases.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol
from urllib.parse import urldefrag

from core.records import Answer, AnswerKind, Passage, VerifiedAnswer
from core.sentences import words as to_words
from core.text import strip_markers
from feedback.privacy.deletion_log import Deletion
from feedback.privacy.opt_out import list_opt_outs
from feedback.reviews.paraphrases import Paraphrase, Paraphrases
from feedback.store.base import FeedbackStore
from feedback.store.documents import Documents

MOST_OFFERED = 3
LEAST_SCORE = 4.5
_SURE_ELSEWHERE = 2.0
"""What more is needed where the bot states something that stands elsewhere: then it is seldom missed."""
_LEAST_SAID = 5
"""Words without which nothing is told to say the same as something else."""
_GAP = 3.5
"""Another one is offered where it scores at most this much less than the first."""
_NEAR, _PAGE, _PLACE_FOUND, _AGREES = 7.9, 2.2, 1.3, 3.0
"""Weights: cosine of the questions; 1 / rank of the page; whether the place was found; `_compute_agreement`.
"""


def rank_similar(answer: Answer, known: Sequence[tuple[VerifiedAnswer, float]]) -> list[VerifiedAnswer]:
    """Return the verified answers to offer below an answer, the likeliest first.

    `known` are verified answers, each with the cosine of its question and this one. What the answer says
    already is not offered.
    """
    scored = [
        (score_similar(cosine, verified, answer.passages), verified)
        for verified, cosine in known
        if not _says_already(answer, verified)
    ]
    scored.sort(key=lambda one: -one[0])
    offered: list[VerifiedAnswer] = []
    for score, verified in scored:
        if score < scored[0][0] - _GAP or len(offered) == MOST_OFFERED:
            break
        least = LEAST_SCORE + _SURE_ELSEWHERE * _is_sure_elsewhere(answer, verified)
        if score >= least and not any(say_the_same(verified, other) for other in offered):
            offered.append(verified)
    return offered


def score_similar(cosine: float, verified: VerifiedAnswer, passages: Sequence[Passage]) -> float:
    """Return how much speaks for the same question; `passages` were found for it, the nearest first."""
    found = [(urldefrag(one.url).url, one.text) for one in passages]
    cited = [(urldefrag(one.url).url, one.quote) for one in verified.citations]
    ranks = [at for at, (page, _) in enumerate(found, 1) if any(page == there for there, _ in cited)]
    place_found = any(_stands_in(cited, *found[at - 1]) for at in ranks)
    return (
        _NEAR * cosine
        + (_PAGE / ranks[0] if ranks else 0.0)
        + _PLACE_FOUND * place_found
        + _AGREES * _compute_agreement(passages, verified.passages)
    )


def say_the_same(one: VerifiedAnswer, other: VerifiedAnswer) -> bool:
    """Tell whether two answers stand on the same page, and the words of one hold those of the other.

    A few words ("Yes", "four hours") are the same by chance.
    """
    pages, others = ({urldefrag(cited.url).url for cited in each.citations} for each in (one, other))
    held = holds_words(one.text, other.text) or holds_words(other.text, one.text)
    return held and not pages.isdisjoint(others)


def holds_words(text: str, said: str) -> bool:
    """Tell whether what was said stands in a text, but for markers and punctuation; a few words never do."""
    words = to_words(strip_markers(said))
    return (
        len(words) >= _LEAST_SAID and f" {' '.join(words)} " in f" {' '.join(to_words(strip_markers(text)))} "
    )


def _compute_agreement(found: Sequence[Passage], others: Sequence[Passage]) -> float:
    """Return how far two questions lead to the same passages: the sum of 1 / (rank × rank) of each.

    What is quoted is kept as it was quoted, which may be more than was found.
    """
    return sum(
        1 / (at * there)
        for there, other in enumerate(others, 1)
        for at, one in enumerate(found, 1)
        if one.url == other.url and (one.text in other.text or other.text in one.text)
    )


def _is_sure_elsewhere(answer: Answer, verified: VerifiedAnswer) -> bool:
    """Tell whether an answer is stated, and found first where the verified one does not stand."""
    if answer.kind is not AnswerKind.ANSWERED or not answer.passages:
        return False
    first = answer.passages[0]
    cited = [(urldefrag(one.url).url, one.quote) for one in verified.citations]
    return not _stands_in(cited, urldefrag(first.url).url, first.text)


def _stands_in(cited: Sequence[tuple[str, str]], page: str, text: str) -> bool:
    """Tell whether something that is cited stands in a text of a page, or holds it."""
    return any(page == there and (quote in text or text in quote) for there, quote in cited)


def _says_already(answer: Answer, verified: VerifiedAnswer) -> bool:
    """Tell whether an answer is the same as a verified one, or states what stands at the same place."""
    if answer.text == verified.text:
        return True
    quotes = {one.quote for one in verified.citations}
    return answer.kind is AnswerKind.ANSWERED and any(one.quote in quotes for one in answer.citations)


CATCH_UP_S = 60.0
"""How soon other processes know what people say here, seconds."""


class KnowsParaphrases(Protocol):
    """Where paraphrases are looked up (`bot.dialogs.verified_answers.VerifiedAnswers`)."""

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn what people said of these questions, in the place of what was known of them."""
        ...

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Know these paraphrases, and no others."""
        ...

    def forget_asker(self, asker: str, /) -> None:
        """Forget the paraphrases in the words of one person."""
        ...


class LearnsParaphrases:
    """Keeps what people say of offered answers, and brings it to memory. One per process."""

    def __init__(self, store: FeedbackStore, documents: Documents, known: KnowsParaphrases) -> None:
        self._store = store
        self._documents = documents
        self._kept = Paraphrases(documents)
        self._known = known

    async def learn(self, answer_id: str) -> None:
        """Somebody took or refused what was offered below an answer. Raises StoreError."""
        opted_out = await list_opt_outs(self._documents)
        self._known.put_paraphrases(await self._kept.recount(self._store, answer_id, opted_out))

    async def catch_up(self) -> None:
        """Know what other processes learned, and forget what is gone. Raises StoreError."""
        opted_out = await list_opt_outs(self._documents)
        self._known.replace_paraphrases(await self._kept.list_all(opted_out))

    async def forget_person(self, deletion: Deletion) -> None:
        """Forget a person's questions, whose data is deleted."""
        self._known.forget_asker(deletion.person)

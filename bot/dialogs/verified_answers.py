"""The verified answers in memory, found by question: by the same words, or by nearly the same meaning.

A paraphrase is found, too, once two people, or the one who asks, have said that the verified answer fits it
(`feedback/reviews/paraphrases.py`); one that was refused so is neither served nor offered.

A wrong match is worse than none, and the cosine of two questions cannot tell 10 days from 30, mothers from
fathers or open from closed: such words are neighbours in meaning. So a near question must also ask for the
same kind of thing and have the same words that carry meaning, but for spelling and for words that only help
to ask. What each rule is worth is measured (`benchmarks/matching.py`, LOG.md).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import urldefrag

import numpy as np

from bot.dialogs.similar_questions import rank_similar
from bot.readers.access import PageAccess
from core.readers import Readers, current_audience
from core.records import Answer, Channel, Question, VerifiedAnswer
from core.text import strip_markers
from feedback.reviews.paraphrases import Paraphrase
from model.answering.grounding import content_words
from model.text.question import is_follow_up
from pages.index.embeddings import Embeds, Vectors

LEAST_SIMILARITY = 0.75
"""Least cosine of two questions that ask the same."""
_CACHED = 4_000
_AGREE = 2
"""So many people must say that two questions are the same before that counts for everybody."""
_LEAST_MISSPELT = 5
"""Shorter words that differ by a letter are other words."""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|without|cannot)\b|n['’]t\b", re.IGNORECASE)
_TURNS = re.compile(r"\b(?:over|under|between|only|all|most|more|into|off|out)\b")
_WAY = re.compile(r"(?>.*?\bfrom\b)(.+?)\bto\b(.+)", re.IGNORECASE | re.DOTALL)
_KINDS = tuple(
    (kind, re.compile(words, re.IGNORECASE))
    for kind, words in (
        ("when", r"\bwhen\b|\b(?:what|which) (?:day|date|time)\b"),
        ("where", r"\bwhere\b|\b(?:what|which) (?:place|room|building)\b"),
        ("who", r"\bwho(?:m|se|'s|’s)?\b"),
        ("why", r"\bwhy\b|\bhow come\b"),
        ("how long", r"\bhow long\b|\bwhat(?:'s|’s| is| are)? (?:the )?(?:length|duration)\b"),
        ("how often", r"\bhow (?:often|frequently)\b"),
        (
            "how much",
            r"\bhow (?:many|much)\b|\bwhat (?:is the )?(?:number|amount)\b|^\W*(?:number|amount) of\b",
        ),
        ("how large", r"\bhow (?:large|big)\b|\bwhat(?:'s|’s| is) the (?:\w+ )?size\b"),
        ("how early", r"\bhow (?:early|soon|far in advance|long in advance)\b"),
        ("how else", r"\bhow (?:far|old|late|high|low|expensive|fast|good|bad|well)\b"),
        ("how", r"\bhow\b"),
        ("what", r"\b(?:what|which)(?:'s|’s)?\b"),
        (
            "whether",
            r"^\W*(?:am|are|is|was|do|does|did|can|could|may|might|will|would|shall|should|must|has|have)\b",
        ),
    )
)
_HELPERS = content_words(
    "get gets got have having receive receives give gives given take takes need needs needed require required"
    " allow allowed able possible find found please thanks tell know want like make way exist exists see show"
    " there here exactly actually currently generally am i'm what's who's where's when's how's do we it if "
    "at be been"
)
"""Words that only help to ask."""
_HELPERS_OF = {
    "how long": content_words("long last lasts lasting length duration"),
    "how often": content_words("often frequently"),
    "how much": content_words("much many number amount"),
    "how large": content_words("large big size"),
    "how early": content_words("early soon far advance long"),
    "when": content_words("day date time"),
    "where": content_words("located place"),
}
_ALL_HELPERS = _HELPERS.union(*_HELPERS_OF.values())


@dataclass(frozen=True, slots=True)
class _Known:
    """A verified answer and a question that it answers: the one that it was given to, or a paraphrase."""

    verified: VerifiedAnswer
    text: str
    plain: str
    vector: Vectors


class VerifiedAnswers:
    """Used from several threads at once.

    `access` says which of them whoever reads may see; what they may not is not even compared.
    """

    def __init__(self, embedder: Embeds, *, least_similarity: float = LEAST_SIMILARITY) -> None:
        self.access = PageAccess()
        self._embedder = embedder
        self._least_similarity = least_similarity
        self._known: dict[str, _Known] = {}
        self._paraphrases: dict[tuple[str, str], Paraphrase] = {}
        self._page_words: set[str] = set()
        self._words_of: Mapping[str, Readers] | None = None
        self._changing = threading.Lock()
        self.vector = lru_cache(_CACHED)(self._embed)

    def put(self, verified: VerifiedAnswer) -> None:
        """Serve it from now on, in the place of an older one from the same answer.

        A stale one is served no more.
        """
        if verified.stale_at is not None:
            self.drop(verified.answer_id)
            return
        before = self._known.get(verified.answer_id)
        if before is not None and before.verified == verified:
            return
        text = verified.question_text
        known = _Known(verified, text, plain(text), self.vector(text))
        with self._changing:
            others = {name: one for name, one in self._known.items() if name != verified.answer_id}
            self._known = others | {verified.answer_id: known}
            if self._words_of is not None and self.access.may_see_verified(frozenset(), verified):
                self._page_words |= _list_page_words(verified)

    def drop(self, answer_id: str) -> None:
        """Serve it no more."""
        with self._changing:
            self._known = {name: one for name, one in self._known.items() if name != answer_id}
            self._paraphrases = {
                name: one for name, one in self._paraphrases.items() if answer_id not in name
            }

    def get_public(self, answer_id: str) -> VerifiedAnswer | None:
        """Return the verified answer that came from an answer, None for one that is not served.

        Its question is "" where its words may be personal: where not each of them stands on the pages behind
        some verified answer, or only helps to ask.
        """
        known = self._known.get(answer_id)
        if known is None:
            return None
        said = content_words(known.text) - _ALL_HELPERS
        return (
            known.verified if said <= self._list_open_words() else replace(known.verified, question_text="")
        )

    def _list_open_words(self) -> set[str]:
        """Return the words of the pages behind what everyone may see; counted anew when readers change."""
        access = self.access.freeze()
        with self._changing:
            if self._words_of is not access.state:
                seen = access.select_visible([one.verified for one in self._known.values()], frozenset())
                self._page_words = set[str]().union(*map(_list_page_words, seen))
                self._words_of = access.state
            return self._page_words

    def find_conflicts(self, verified: VerifiedAnswer) -> list[VerifiedAnswer]:
        """Return the older answers to the same question about the same page that say something else."""
        return [
            one.verified
            for one in list(self._known.values())
            if one.verified.page_url == verified.page_url
            and one.verified.verified_at < verified.verified_at
            and contradicts(one.verified, verified)
            and self.same(one.text, verified.question_text)
        ]

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase]) -> None:
        """Learn what people said of these questions, in the place of what was known of them."""
        with self._changing:
            learned = {(one.answer_id, one.verified_id): one for one in paraphrases}
            self._paraphrases = self._paraphrases | learned

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase]) -> None:
        """Know these paraphrases, and no others."""
        with self._changing:
            self._paraphrases = {(one.answer_id, one.verified_id): one for one in paraphrases}

    def forget_asker(self, asker: str) -> None:
        """Forget the paraphrases in the words of one person."""
        with self._changing:
            self._paraphrases = {name: one for name, one in self._paraphrases.items() if one.asker != asker}

    def all(self) -> Sequence[VerifiedAnswer]:
        """Return what is served."""
        return [one.verified for one in self._known.values()]

    def has(self, answer_id: str) -> bool:
        """Tell whether one from this answer is served."""
        return answer_id in self._known

    def list_with_vectors(self) -> Sequence[tuple[VerifiedAnswer, Vectors]]:
        """Return what is served, each with the vector of its question."""
        return [(one.verified, one.vector) for one in self._known.values()]

    def find(self, question: Question, untrusted: Collection[str] = ()) -> VerifiedAnswer | None:
        """Return the verified answer to a question; None for one that needs the question before it.

        Of several with the same words the one that was verified last wins, otherwise the nearest. The word of
        `untrusted` reviewers does not count.
        """
        if is_follow_up(question.text):
            return None
        words = plain(question.text)
        known = self._candidates(question, words, untrusted)
        same = [one for one in known if one.plain == words]
        if same:
            return max(same, key=lambda one: one.verified.verified_at).verified
        if not known:
            return None
        cosines = np.stack([one.vector for one in known]) @ self.vector(question.text)
        nearest: list[int] = np.argsort(-cosines).tolist()
        near = (known[place] for place in nearest if cosines[place] >= self._least_similarity)
        return next((one.verified for one in near if asks_the_same(question.text, one.text)), None)

    def find_similar(self, answer: Answer, untrusted: Collection[str] = ()) -> list[VerifiedAnswer]:
        """Return the verified answers to offer below an answer, the likeliest first; see `rank_similar`."""
        question = answer.question
        if is_follow_up(question.text):
            return []
        known = self._candidates(question, plain(question.text), untrusted)
        if not known:
            return []
        nearest: dict[str, tuple[VerifiedAnswer, float]] = {}
        cosines: list[float] = (np.stack([one.vector for one in known]) @ self.vector(question.text)).tolist()
        for one, cosine in zip(known, cosines, strict=True):
            before = nearest.get(one.verified.answer_id)
            if not one.verified.abstained and (before is None or before[1] < cosine):
                nearest[one.verified.answer_id] = (one.verified, cosine)
        return rank_similar(answer, list(nearest.values()))

    def _candidates(self, question: Question, words: str, untrusted: Collection[str]) -> list[_Known]:
        """Return what may answer a question, as it was asked before and in accepted paraphrases."""
        access, audience = self.access.freeze(), current_audience()
        known = {
            name: one
            for name, one in self._known.items()
            if one.verified.verified_by not in untrusted
            and _in_scope(one.verified, question)
            and access.may_see_verified(audience, one.verified)
        }
        paraphrases = [one for one in self._paraphrases.values() if one.verified_id in known]
        for one in paraphrases:
            if plain(one.text) == words and _is_decided(one.other - one.same, one.asker, question.asker):
                known.pop(one.verified_id, None)
        accepted = [
            _Known(known[one.verified_id].verified, one.text, plain(one.text), self.vector(one.text))
            for one in paraphrases
            if one.verified_id in known and _is_decided(one.same - one.other, one.asker, question.asker)
        ]
        return [*known.values(), *accepted]

    def neighbours(
        self, question: Question, urls: Sequence[str], limit: int, untrusted: Collection[str] = ()
    ) -> Sequence[VerifiedAnswer]:
        """Return the verified answers that stand on a page of these passages, whose addresses `urls` are.

        Those that cite one of the passages' sections come first, then the nearest questions. Left out are
        questions that need the one before them, those about a page that `question` does not name, and those
        that stand on a restricted page that the passages do not: the answer would not be known to need it.
        """
        pages = {urldefrag(url).url for url in urls}
        access, audience = self.access.freeze(), current_audience()
        near: list[tuple[bool, float, VerifiedAnswer]] = []
        asked = self.vector(question.text)
        for one in self._known.values():
            verified = one.verified
            cited = {citation.url for citation in verified.citations}
            usable = not verified.abstained and verified.page_url in {None, question.page_url}
            if not usable or verified.verified_by in untrusted or is_follow_up(verified.question_text):
                continue
            if not pages & {urldefrag(url).url for url in cited}:
                continue
            if access.list_closed(verified) <= pages and access.may_see_verified(audience, verified):
                near.append((bool(cited & set(urls)), float(one.vector @ asked), verified))
        near.sort(key=lambda one: one[:2], reverse=True)
        return [verified for _, _, verified in near[:limit]]

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        """Tell which texts ask the same."""
        return [self.same(text, other) for other in others]

    def same(self, one: str, other: str) -> bool:
        """Tell whether two questions ask the same."""
        if plain(one) == plain(other):
            return True
        return self.cosine(one, other) >= self._least_similarity and asks_the_same(one, other)

    def cosine(self, one: str, other: str) -> float:
        """Return how near two texts are, -1 to 1."""
        return float(self.vector(one) @ self.vector(other))

    def _embed(self, text: str) -> Vectors:
        return self._embedder.embed([text])[0]


def select_untrusted(question: Question, local_reviewers: Collection[str]) -> Collection[str]:
    """Return whose word does not count for a question: the chat page's reviewers' counts only there."""
    return () if question.channel is Channel.LOCAL else local_reviewers


def contradicts(one: VerifiedAnswer, other: VerifiedAnswer) -> bool:
    """Tell whether two answers to one question cannot both be right: other numbers, or only one of them a no.

    Other words for the same are none, and whoever reads both knows better: so they go to reviewers.
    """
    if one.answer_id == other.answer_id or one.abstained or other.abstained:
        return one.answer_id != other.answer_id and one.abstained != other.abstained
    said, says = (set(_NUMBER.findall(strip_markers(each.text))) for each in (one, other))
    denied, denies = (bool(_NEGATION.search(each.text)) for each in (one, other))
    return bool(said and says and said.isdisjoint(says)) or denied != denies


def _list_page_words(verified: VerifiedAnswer) -> set[str]:
    """Return the words of what a verified answer stands on, none for a page that somebody pasted."""
    if verified.page_url is not None:
        return set()
    texts = [f"{one.title} {one.heading} {one.text}" for one in verified.passages]
    return content_words(" ".join([*texts, *(one.quote for one in verified.citations)]))


@lru_cache(_CACHED)
def plain(text: str) -> str:
    """Return a question's words, without case, punctuation and white space between them."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+(?:['’.,:]\w+)*", folded))


def asks_the_same(one: str, other: str) -> bool:
    """Tell whether nothing speaks against two near questions asking the same."""
    kind = _kind(one)
    if kind != _kind(other) or set(_NUMBER.findall(one)) != set(_NUMBER.findall(other)):
        return False
    if bool(_NEGATION.search(one)) != bool(_NEGATION.search(other)):
        return False
    if _turns(one) != _turns(other):
        return False
    words, others = _meaning(one, kind), _meaning(other, kind)
    return _is_covered(words - others, others) and _is_covered(others - words, words)


def _turns(question: str) -> tuple[set[str], list[set[str]]]:
    """Return the small words that turn a question's meaning, and where a way leads from and to."""
    way = _WAY.match(question)
    return set(_TURNS.findall(question.lower())), [content_words(end) for end in way.groups()] if way else []


def _kind(question: str) -> str:
    """Return what is asked for: the kind of the first question word."""
    found = [(match.start(), kind) for kind, words in _KINDS if (match := words.search(question))]
    return min(found, key=lambda one: one[0])[1] if found else ""


def _meaning(question: str, kind: str) -> set[str]:
    return content_words(question) - _HELPERS - _HELPERS_OF.get(kind, set())


def _is_covered(words: set[str], others: set[str]) -> bool:
    return all(any(_misspelt(word, other) for other in others) for word in words)


def _misspelt(one: str, other: str) -> bool:
    """Tell whether a letter inside a word is missing in the other: "color", "pasword".

    A letter that stands for another one makes another word too often (employer, employee), and so do the
    ends.
    """
    short, long = sorted((one, other), key=len)
    if len(short) < _LEAST_MISSPELT or len(long) != len(short) + 1:
        return False
    return any(long[:place] + long[place + 1 :] == short for place in range(1, len(long) - 1))


def _is_decided(majority: int, asker: str, reader: str) -> bool:
    """Tell whether enough people say one thing: one for the person whose question it was, two for others."""
    return majority >= (1 if asker == reader else _AGREE)


def _in_scope(verified: VerifiedAnswer, question: Question) -> bool:
    """Tell whether a verified answer and a question are about the same page, or both about all pages."""
    if verified.page_url == question.page_url:
        return True
    return verified.page_url is None and [url for url, _ in verified.pages] == [question.page_url]

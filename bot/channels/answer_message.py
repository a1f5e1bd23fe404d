"""The messages of an answer: its text with citations and label, its card, and how feedback is asked for.

What stands there follows from the answer, how it stands with the reviewers, and which feedback form it has.
The activity handler sends it, `bot/channels/card_sync.py` writes over it when its review moves on, and a
rating on its card is acknowledged with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urldefrag

from bot.card_tokens import RATE, CardSigner
from bot.cards.answer import (
    NOTHING_SAID,
    REPLACED,
    STARS,
    SimilarAnswer,
    Standing,
    State,
    answer_card,
    rating_actions,
    state_sentence,
)
from bot.cards.answer_text import full_text, message_text, summarise
from bot.cards.dates import find_zone, write_dates
from bot.cards.elements import Card, Element, small_print
from bot.cards.privacy import brief
from bot.channel import ChannelCapabilities, find_capabilities
from bot.channels.incoming import ZONE
from bot.channels.message import CitedSource, Label, Message, ThumbsRequest
from bot.dialogs.rate import parse_form_name
from bot.readers.access import PageAccess
from bot.readers.audiences import Audiences
from bot.readers.rooms import is_personal
from core.records import (
    Answer,
    AnswerKind,
    Feedback,
    FeedbackKind,
    Review,
    ReviewReason,
    Ruling,
    Verdict,
    VerifiedAnswer,
)
from core.text import (
    ABSTRACT_CHARACTERS,
    NAME_CHARACTERS,
    absolute,
    calm,
    clip_text,
    split,
    strip_markers,
)
from core.translation import mark, say
from feedback.reviews.paraphrases import count_opinions

IN_ROOMS = mark(
    "Here I answer only from pages that everyone in this conversation may read. In a personal "
    "chat with me, I search all pages that you may read."
)
MAX_TEXT = 20_000
MAX_CITATIONS = 20
"""Teams drops the whole message that carries more."""
_ASKED_FOR = frozenset(
    {
        ReviewReason.THUMB_DOWN,
        ReviewReason.FEW_STARS,
        ReviewReason.EXPERT,
        ReviewReason.DECLINED,
        ReviewReason.STALE,
        ReviewReason.CONFLICT,
    }
)
"""Reasons that people see as «under review»; a sample would only unsettle them."""
_MARKER = re.compile(r"\[(\d{1,3})\]")


FindVerified = Callable[[str], VerifiedAnswer | None]
"""An answer's id → what was verified of it, with a question that others may read; None where nothing is."""


FindLabel = Callable[[str], str]
"""A page's URL, without a fragment → its sensitivity label, "" for none."""


def find_no_label(_: str) -> str:
    """No page has a label."""
    return ""


def _find_nothing(_: str) -> VerifiedAnswer | None:
    return None


class AnswerView:
    """Makes the messages of answers. Open buttons lead to `opens_url`, with "{answer}" and "{number}" in it.

    Without it they lead to the pages themselves, and nobody counts what is opened. `conversation` is an
    `Incoming.conversation`: what can be pressed in a message is signed for it.
    """

    def __init__(
        self,
        site_url: str,
        signer: CardSigner,
        opens_url: str = "",
        capabilities: Mapping[str, ChannelCapabilities] | None = None,
        find_verified: FindVerified = _find_nothing,
        find_label: FindLabel = find_no_label,
    ) -> None:
        self.site_url = site_url
        self.signer = signer
        self._opens_url = opens_url
        self._capabilities = capabilities or {}
        self._find_verified = find_verified
        self.find_label = find_label
        self.audiences = Audiences(PageAccess())

    def may_show(self, conversation: Mapping[str, Any], answer: Answer, review: Review | None = None) -> bool:
        """Tell whether whoever reads a conversation may see an answer, and what a review says of it, now."""
        audience = self.audiences.recall(conversation)
        return self.audiences.access.may_see(audience, answer, review)

    def _find_offered(self, conversation: Mapping[str, Any], answer_id: str) -> VerifiedAnswer | None:
        found = self._find_verified(answer_id)
        audience = self.audiences.recall(conversation)
        shown = found is not None and self.audiences.access.may_see_verified(audience, found)
        return found if shown else None

    def _hint(self, conversation: Mapping[str, Any], answer: Answer) -> tuple[Element, ...]:
        """Return what a room is told below every answer that declines, whatever there is for whom."""
        if not answer.abstained or is_personal(conversation) or not self.audiences.access.has_restricted:
            return ()
        return (small_print(say(IN_ROOMS)),)

    def keeps_messages_here(self, conversation: Mapping[str, Any]) -> bool:
        """Tell whether a conversation is on our own page, which keeps its messages itself."""
        return find_capabilities(self._capabilities, conversation).keeps_messages_here

    def is_on_this_machine(self, conversation: Mapping[str, Any]) -> bool:
        """Tell whether only browsers on this machine are in a conversation: links may lead there, too."""
        return find_capabilities(self._capabilities, conversation).this_machine_only

    def make_messages(
        self,
        conversation: Mapping[str, Any],
        answer: Answer,
        review: Review | None = None,
        thanks: str = "",
        *,
        greeted: bool = False,
        words: Sequence[Feedback] = (),
    ) -> list[Message]:
        """Return all of an answer, mostly one message; one always where the channel wants that.

        The last one is that which it is known by, and which can change. `greeted`: with what is said once to
        a new person. `thanks` is said to the one who has just rated; `words` tell which verified answers were
        taken or refused.
        """
        most = find_capabilities(self._capabilities, conversation).max_text
        if most is not None:
            answer = replace(answer, text=clip_text(answer.text, most))
        standing = self._standing(conversation, answer, review, thanks, words)
        if greeted:
            standing = replace(standing, brief=(*standing.brief, *brief()))
        *before, last = compose_messages(answer, self.site_url, standing)
        return [*before, replace(last, thumbs=self._thumbs(conversation, answer))]

    def make_text_message(
        self, conversation: Mapping[str, Any], answer: Answer, review: Review | None = None
    ) -> Message:
        """Return the message without its card: what that says about the answer stands in the text."""
        standing = self._standing(conversation, answer, review, "")
        message = compose_messages(
            answer, self.site_url, Standing(_keep_replaced(standing.state), labels=standing.labels)
        )[-1]
        text = message.text
        if answer.kind is AnswerKind.QUOTED and standing.state not in REPLACED:
            text = self.make_full_text(conversation, answer)
        state = write_dates(state_sentence(answer, standing), find_zone(conversation.get(ZONE)))
        said = [text, state, calm(standing.text)]
        text = clip_text("\n\n".join(part for part in said if part), MAX_TEXT)
        return replace(message, text=text, card=None, thumbs=self._thumbs(conversation, answer))

    def make_full_text(self, conversation: Mapping[str, Any], answer: Answer) -> str:
        """Return all that an answer says as one text: for a stream, or where no card can stand below it."""
        channel = find_capabilities(self._capabilities, conversation)
        return full_text(answer, self.site_url, shows_line_breaks=channel.shows_line_breaks)

    def make_card(
        self,
        conversation: Mapping[str, Any],
        answer: Answer,
        review: Review | None = None,
        thanks: str = "",
        words: Sequence[Feedback] = (),
    ) -> Card | None:
        """Return the card alone."""
        return answer_card(answer, self.site_url, self._standing(conversation, answer, review, thanks, words))

    def _thumbs(self, conversation: Mapping[str, Any], answer: Answer) -> ThumbsRequest | None:
        form = parse_form_name(answer.form)
        if form not in {"thumbs", "reasons"}:
            return None
        return ThumbsRequest(
            answer.id, self.signer.sign(RATE, answer.id, conversation), asks_why=form == "reasons"
        )

    def _standing(
        self,
        conversation: Mapping[str, Any],
        answer: Answer,
        review: Review | None,
        thanks: str,
        words: Sequence[Feedback] = (),
    ) -> Standing:
        form = parse_form_name(answer.form)
        signature = self.signer.sign(RATE, answer.id, conversation)
        verdict = review.ruling if review else None
        opinions = {one.verified_id: one.same - one.other for one in count_opinions(answer, words)}
        similar = {
            name: self._describe_similar(found, answer, signature)
            for name in answer.similar
            if opinions.get(name, 0) >= 0 and (found := self._find_offered(conversation, name)) is not None
        }
        return Standing(
            state=derive_state(review),
            ruled_at=review.settled_at if review else None,
            text=verdict.text if verdict else "",
            citation=verdict.citation if verdict else None,
            actions=rating_actions(
                answer.id,
                signature,
                stars=form == "stars",
                comment=form != "none",
                expert=not answer.from_file,
            ),
            thanks=thanks,
            opens_url=self._opens_url,
            brief=self._hint(conversation, answer),
            similar=tuple(similar.values()),
            taken=next((one for name, one in similar.items() if opinions.get(name, 0) > 0), None),
            labels=self._find_labels(answer, verdict, similar.values()),
        )

    def _find_labels(
        self, answer: Answer, verdict: Verdict | None, similar: Iterable[SimilarAnswer]
    ) -> Mapping[str, str]:
        """Return the labels that the cited pages have now, by their URLs."""
        offered = [one.citation for one in similar if one.citation]
        ruled = [verdict.citation] if verdict and verdict.citation else []
        urls = {urldefrag(one.url).url for one in (*answer.citations, *ruled, *offered)}
        return {url: label for url in urls if (label := self.find_label(url))}

    @staticmethod
    def _describe_similar(verified: VerifiedAnswer, answer: Answer, signature: str) -> SimilarAnswer:
        data = {"answer_id": answer.id, "seal": signature, "similar": verified.answer_id}
        citation = next(iter(verified.citations), None)
        return SimilarAnswer(verified.question_text, strip_markers(verified.text), citation, data)


def compose_messages(answer: Answer, site_url: str, standing: Standing = NOTHING_SAID) -> list[Message]:
    """Return the final messages, mostly one: text with [n] markers, AI label and citations, and the card.

    Of several messages each has the citations that its text names; the card stands below the last one. The
    words of a quoted answer stand in the card, which shows a page's letters as they are; a notification has
    them as `summary`.
    """
    card = answer_card(answer, site_url, standing)
    if standing.state in REPLACED:  # nobody is to take the old words for true, nor the new ones for AI's
        replaced = say(REPLACED[standing.state])
        return [Message(replaced, card, replaced)]
    text = message_text(answer, site_url, verified=standing.state == "verified")
    *before, last = split(text)
    named = [_parse_markers(part) for part in before]
    rest = set(range(1, MAX_CITATIONS + 1)) - (set().union(*named) - _parse_markers(last))
    *cited, of_last = [_build_cited_sources(answer, site_url, some, standing) for some in (*named, rest)]
    label = _choose_label(answer)
    messages = [Message(part, label=label, citations=one) for part, one in zip(before, cited, strict=True)]
    summary = summarise(answer) if answer.kind is AnswerKind.QUOTED else ""
    return [*messages, Message(last, card, summary, label, of_last)]


def _choose_label(answer: Answer) -> Label:
    """Return how an answer is marked: what a reviewer wrote is not AI's."""
    if answer.written_on:
        return ""
    return "quoted" if answer.kind is AnswerKind.QUOTED else "written"


def _parse_markers(text: str) -> set[int]:
    """Return the numbers of the citations that a text names."""
    return {int(number) for number in _MARKER.findall(text)}


def _build_cited_sources(
    answer: Answer, site_url: str, numbers: Collection[int], standing: Standing
) -> tuple[CitedSource, ...]:
    """Return the citations with these numbers."""
    if answer.abstained:
        return ()
    return tuple(
        CitedSource(
            number,
            clip_text(calm(one.title or one.heading or one.url), NAME_CHARACTERS),
            clip_text(calm(one.quote), ABSTRACT_CHARACTERS),
            absolute(one.url, site_url),
            clip_text(calm(standing.find_label(one)), NAME_CHARACTERS),
        )
        for number, one in enumerate(answer.citations[:MAX_CITATIONS], start=1)
        if number in numbers
    )


def _keep_replaced(state: State) -> State:
    return state if state in REPLACED else ""


def derive_state(review: Review | None) -> State:
    """Return how an answer stands, as `bot.cards.answer.Standing.state`."""
    if review is None:
        return ""
    if review.ruling is None:
        is_open_again = review.change is not None  # and somebody may have been told of what held before
        return "under_review" if is_open_again or _ASKED_FOR.intersection(review.reasons) else ""
    match review.ruling.ruling:
        case Ruling.APPROVED:
            return "verified"
        case Ruling.CORRECTED:
            return "corrected"
        case Ruling.NOT_ON_PAGE:
            return "not_on_page"
        case Ruling.REJECTED:
            return "closed" if _ASKED_FOR.intersection(review.reasons) else ""


def compose_thanks(words: Sequence[Feedback], *, promises: bool = True) -> str:
    """Return what the one who said these words on a card is told there, "" for none such.

    `promises`: a colleague has not looked yet, so they will hear.
    """
    said: list[str] = []
    for word in words:
        if word.withdrawn_at is not None:
            continue
        if word.kind is FeedbackKind.STARS:
            stars = int(word.value)
            said.append(say("You gave {stars}.", stars="★" * stars + "☆" * (STARS - stars)))
        elif word.kind is FeedbackKind.COMMENT:
            said.append(say("Your comment is saved."))
        elif word.kind is FeedbackKind.EXPERT and promises:
            said.append(say("A colleague will look at this, and I will tell you the result."))
    return " ".join([*said, say("Thank you.")]) if said else ""

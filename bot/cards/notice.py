"""Cards about rulings: the notice that people get once, and what changed because of them.

The reviewer is not named: who decided is the reviewers' business, that somebody did is everyone's.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.answer_text import render_words
from bot.cards.dates import day
from bot.cards.elements import Card, Element, heading, line, small_print, source, title
from core.records import Answer, Citation, Ruling, Verdict
from core.text import clip_text
from core.translation import mark, say, say_count

MOST = 10
QUESTION_CHARACTERS = 300
TEXT_CHARACTERS = 4_000
NOTHING_YET = mark(
    "Nothing yet. When you press thumbs down or “Ask an expert”, a colleague checks the answer. "
    "Their decision takes effect at once and appears here."
)

_HEADINGS = {
    Ruling.APPROVED: mark("A reviewer checked: the answer is right"),
    Ruling.CORRECTED: mark("Your correction is live"),
    Ruling.NOT_ON_PAGE: mark("A reviewer checked: it is not on the page"),
    Ruling.REJECTED: mark("A reviewer looked at your question"),
}
_FOLLOWS = {
    Ruling.APPROVED: mark("Everybody who asks this gets the answer, marked as verified."),
    Ruling.CORRECTED: mark("From now on, everybody who asks this gets it."),
    Ruling.NOT_ON_PAGE: mark("From now on, everybody who asks this is told so at once."),
    Ruling.REJECTED: mark("They decided that it is not a question about the pages, so nothing changes."),
}


TAKEN_BACK = mark("A reviewer withdrew what I told you")
LOOKED_AT_AGAIN = mark(
    "It is no longer valid. A colleague will look at your question again, and I will tell you the result."
)
LOOKED_AT = mark("A reviewer looked at your question")
ASK_AGAIN = mark("Please ask again: you get the current answer, if you may read it.")
CHANGED = mark("A reviewer changed an answer that I gave you")
TAKES_THE_PLACE = mark("This replaces what I told you before.")


def taken_back_card(answer: Answer) -> Card:
    """Return what those are told who know of a ruling that holds no more."""
    return _short_card(answer, TAKEN_BACK, LOOKED_AT_AGAIN)


def closed_card(answer: Answer) -> Card:
    """Return what is said of a ruling where it is not known that its pages may be read."""
    return _short_card(answer, LOOKED_AT, ASK_AGAIN)


def _short_card(answer: Answer, head: str, words: str) -> Card:
    body = (title(say(head)), line(_format_question(answer), subtle=True), line(say(words)))
    return Card(body, (), f"{say(head)}: {answer.question.text}")


def served_card(answer: Answer, verdict: Verdict | None, site_url: str) -> Card:
    """Return what those are told who got a verified answer that a reviewer took back (None) or changed since.

    `answer` is the one that was decided about, with the question of whoever is told.
    """
    if verdict is None:
        return taken_back_card(answer)
    if verdict.ruling is Ruling.REJECTED:
        return _short_card(answer, TAKEN_BACK, ASK_AGAIN)
    head = CHANGED if verdict.ruling is Ruling.CORRECTED else ""
    return notice_card(answer, verdict, site_url, anew=True, head=head)


def notice_card(
    answer: Answer, verdict: Verdict, site_url: str, *, anew: bool = False, head: str = ""
) -> Card:
    """Return what whoever asked or complained is told once; `anew`: it is not the first that they hear."""
    head = say(head or _HEADINGS[verdict.ruling])
    body: list[Element] = [title(head), line(_format_question(answer), subtle=True)]
    text, citation = _live(answer, verdict)
    if text:
        body.append(line(clip_text(text, TEXT_CHARACTERS)))
    if citation is not None:
        body.append(source(citation, site_url))
    body.append(small_print(say(_FOLLOWS[verdict.ruling])))
    if anew:
        body.append(line(say(TAKES_THE_PLACE)))
    return Card(tuple(body), (), f"{head}: {answer.question.text}")


def changes_card(changes: Sequence[tuple[Answer, Verdict]]) -> Card:
    """Return the answer to "what changed because of me?", the newest change first."""
    if not changes:
        return Card((line(say(NOTHING_YET)),), (), say(NOTHING_YET))
    head = say("What changed because of you")
    body = [title(head)]
    for answer, verdict in changes[:MOST]:
        body.append(heading(f"{day(verdict.given_at)}: {say(_HEADINGS[verdict.ruling])}"))
        body.append(small_print(_format_question(answer)))
        text, _ = _live(answer, verdict)
        if text:
            body.append(line(clip_text(text, QUESTION_CHARACTERS), size="Small"))
    if len(changes) > MOST:
        body.append(small_print(say("… and {count} more.", count=len(changes) - MOST)))
    return Card(tuple(body), (), f"{head}: {say_count('{count} answer', '{count} answers', len(changes))}")


def _format_question(answer: Answer) -> str:
    return say("Question: “{text}”", text=clip_text(answer.question.text, QUESTION_CHARACTERS))


def _live(answer: Answer, verdict: Verdict) -> tuple[str, Citation | None]:
    match verdict.ruling:
        case Ruling.APPROVED:
            return render_words(answer), answer.citations[0] if answer.citations else None
        case Ruling.CORRECTED:
            return verdict.text, verdict.citation
        case _:
            return "", None

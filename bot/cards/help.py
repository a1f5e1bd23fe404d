"""The help card: what the bot can do, and the pages that it knows. Also the welcome, and below small talk."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.elements import Card, Element, Paragraph, SayButton, TextRun, heading, line, title
from bot.channel import PageGroup, TalkReply
from core.text import absolute, clip_text
from core.translation import mark, say

WHAT_I_DO = mark(
    "Ask me about your pages. I answer from them, show you the source, and say so if they do not have "
    "the answer."
)
MOST_EXAMPLES = 5
TITLE_CHARACTERS = 80
HOW = (
    mark("Paste a web address into your question, and I read that page."),
    mark("Ask follow-up questions, such as “and for part-timers?”."),
    mark("Edit your question, and I answer it again. Delete it, and I forget it."),
    mark("Rate my answers with thumbs or reactions: reviewers read them and correct me."),
    mark("Say “privacy” to see what I store about you, to export it, or to delete it."),
)


FOR_REVIEWERS = (
    mark("“queue” shows the answers that are waiting for a review."),
    mark(
        "“verified answers” lists the verified answers, to edit or withdraw them; add “about "
        "WORDS” to search."
    ),
    mark("“reviews page” gives you a link to the reviewers' page in your browser."),
    mark("“reviewers here” sends review cards to this chat or channel; “reviewers stop” ends this."),
)


def help_lines(lines: Sequence[str] = HOW) -> list[Element]:
    """Return what the bot can do, line by line."""
    return [line(f"• {say(one)}", spacing="Small") for one in lines]


def help_card(
    examples: Sequence[str] = (),
    *,
    welcome: bool = False,
    brief: Sequence[Element] = (),
    reviews: bool = False,
) -> Card:
    """Return what the bot can do; `examples` become buttons that ask them (at most five).

    `brief` is what is said once, to a new person: what is kept and why. `reviews`: a reviewer reads it.
    """
    head = say("Hello, I answer questions about your pages") if welcome else say("What I can do")
    what = say(WHAT_I_DO)
    more = [heading(say("You review answers")), *help_lines(FOR_REVIEWERS)] if reviews else []
    body = (title(head), line(what), *help_lines(), *more, *brief)
    return Card(body, tuple(SayButton(one, one) for one in examples[:MOST_EXAMPLES]), f"{head}. {what}")


def talk_card(said: TalkReply, site_url: str, brief: Sequence[Element] = ()) -> Card | None:
    """Return what stands below small talk; None where there is nothing. `brief` is as in `help_card`."""
    body = help_lines() if said.explains else []
    body += [drawn for group in said.groups for drawn in _group(group, site_url)]
    if said.more:
        body.append(line(said.more, subtle=True))
    body += brief
    actions = tuple(SayButton(offer, offer) for offer in said.offers)
    return Card(tuple(body), actions, said.text) if body or actions else None


def _group(group: PageGroup, site_url: str) -> list[Paragraph]:
    """Draw pages: those of a folder in one line, those without one each in a line of its own."""
    pages = [(clip_text(title, TITLE_CHARACTERS), absolute(url, site_url)) for title, url in group.pages]
    if not group.name and not group.more:
        return [_links([page]) for page in pages]
    return [_links(pages, f"{group.name}: " if group.name else "", f", {group.more}" if group.more else "")]


def _links(named: Sequence[tuple[str, str]], before: str = "", after: str = "") -> Paragraph:
    """Return a line of names between other words; each opens its address: (name, address or "")."""
    runs = [TextRun(before, bold=True)] if before else []
    for number, (name, url) in enumerate(named):
        runs += [TextRun(", ")] if number else []
        runs.append(TextRun(name, url=url))
    runs += [TextRun(after)] if after else []
    return Paragraph(tuple(runs), spacing="Small")

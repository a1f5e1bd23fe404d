"""The card below what the bot says to small talk: what it can do, the pages that it knows, and what can be asked."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.help import help_lines
from bot.cards.parts import Json, card, line, links, say
from bot.dialogs.talk import PageGroup, TalkReply
from bot.wording import absolute, clipped

TITLE_CHARACTERS = 80


def talk_card(said: TalkReply, site_url: str, brief: Sequence[Json] = ()) -> Json | None:
    """Return an Adaptive Card 1.5; None where there is nothing to show below the sentence.

    `brief` is what is said once to a new person: what is kept and why.
    """
    body = help_lines() if said.explains else []
    body += [drawn for group in said.groups for drawn in _group(group, site_url)]
    if said.more:
        body.append(line(said.more, subtle=True))
    body += brief
    actions = [say(offer, offer) for offer in said.offers]
    return card(body, actions, said.text) if body or actions else None


def _group(group: PageGroup, site_url: str) -> list[Json]:
    """Draw pages: those of a folder in one line, those without one each in a line of its own."""
    pages = [(clipped(title, TITLE_CHARACTERS), absolute(url, site_url)) for title, url in group.pages]
    if not group.name and not group.more:
        return [links([page]) for page in pages]
    return [
        links(
            pages,
            before=f"{group.name}: " if group.name else "",
            after=f", {group.more}" if group.more else "",
        )
    ]

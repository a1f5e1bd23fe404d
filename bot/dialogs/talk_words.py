"""What the bot says in small talk."""

from __future__ import annotations

from enum import StrEnum

from core.translation import mark, mark_count


class Talk(StrEnum):
    """What a message is that asks nothing of the pages."""

    GREETING = "greeting"
    HOW_ARE_YOU = "how_are_you"
    THANKS = "thanks"
    AGREED = "agreed"
    BYE = "bye"
    LAUGHTER = "laughter"
    ASK_AWAY = "ask_away"
    COMPLAINT = "complaint"
    WHO = "who"
    PERSON = "person"
    HELP = "help"
    TEST = "test"
    PAGES = "pages"


SENTENCES: dict[Talk, str] = {
    Talk.GREETING: mark("Hello! What would you like to know?"),
    Talk.HOW_ARE_YOU: mark("I am fine, thank you. What would you like to know?"),
    Talk.THANKS: mark("You are welcome! Ask me anything else about your pages."),
    Talk.AGREED: mark("Good. Is there anything else you would like to know?"),
    Talk.BYE: mark("Goodbye! I am here when you have a question."),
    Talk.LAUGHTER: mark("Glad to hear you laugh. What would you like to know?"),
    Talk.ASK_AWAY: mark("What would you like to know? Just write your question."),
    Talk.COMPLAINT: mark(
        "I am sorry. Press thumbs down below my answer: reviewers read that. Or ask again in other words."
    ),
    Talk.WHO: mark(
        "I am a bot, not a person. I answer questions about your organisation's pages, show you the "
        "source, and say so if they do not have the answer."
    ),
    Talk.PERSON: mark(
        "I am a bot, not a person. Press “Ask an expert” below an answer, and a colleague will look at it."
    ),
    Talk.HELP: mark(
        "Ask me about your pages. I answer from them, show you the source, and say so if they do not "
        "have the answer."
    ),
    Talk.TEST: mark("I am here and can read your messages. What would you like to know?"),
    Talk.PAGES: mark("These are the pages that I know. Ask me anything about them."),
}
NO_PAGES = mark("I do not know any pages yet. Paste a web address into your question, and I read that page.")
MORE = mark_count("and {count} more", "and {count} more")
OFFERS = (mark("Which pages do you know?"), mark("What can you do?"))
"""Buttons: what lists the pages, and what tells more of the bot.

`detect_talk` knows these words in each language.
"""

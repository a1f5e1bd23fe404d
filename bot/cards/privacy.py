"""Cards about a person's own data: what is kept and why, the file with it, and its deletion in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.cards.dates import when
from bot.cards.elements import (
    ActionButton,
    ButtonRow,
    Card,
    Element,
    Facts,
    LinkButton,
    SayButton,
    Style,
    heading,
    line,
    small_print,
    title,
)
from core.translation import join_words, mark, mark_count, say, say_count
from feedback.privacy.deletion_log import Deletion, ForgottenExamples
from feedback.privacy.retention import Retention

BRIEF = mark(
    "Before we begin: I store your questions, my answers and your feedback under a pseudonym, so "
    "that wrong answers are corrected and I get better. You can see, export and delete your data "
    "at any time."
)

_WHO = mark(
    "The operators of this bot can see it, and reviewers see the questions that they review, both"
    " without your name. Other colleagues cannot see it, but what you ask in a group chat or "
    "channel is visible to everybody in it."
)
_LEARNING = mark(
    "Reviewed questions, with the answer that a reviewer approved or wrote, and people's feedback"
    " train the next version of the model. A corrected answer also goes at once to everybody who "
    "asks the same."
)
_ON = mark("Learning from you is on.")
_OFF = mark(
    "Learning from you is off: I learn neither from your questions nor from your feedback, "
    "including what you wrote before."
)
_STAYS = mark(
    "A note of this deletion stays (your pseudonym, times and numbers), and so does the record of"
    " who looked at your data before. Your decisions as a reviewer stay without your name."
)
_IN_CHAT = mark("The chat itself keeps the messages in it: delete them there.")
_SAID: Mapping[str, tuple[str, str]] = {
    "question": mark_count("{count} question", "{count} questions"),
    "answer": mark_count("{count} answer", "{count} answers"),
    "word": mark_count("{count} rating or comment by you", "{count} ratings or comments by you"),
    "word of others": mark_count(
        "{count} rating or comment by others on your answers",
        "{count} ratings or comments by others on your answers",
    ),
    "review": mark_count("{count} review of an answer to you", "{count} reviews of answers to you"),
    "verified": mark_count("{count} verified answer", "{count} verified answers"),
    "notice": mark_count("{count} notice to you", "{count} notices to you"),
    "contact": mark_count("{count} way to reach you", "{count} ways to reach you"),
    "reviewed": mark_count(
        "{count} review by you, now without your name", "{count} reviews by you, now without your name"
    ),
}
"""How counts of a deletion are told, one and several; other kinds are added up as «other records»."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """What the buttons of a card carry: when it was made (milliseconds), and a signature for each verb."""

    made_at: int
    signatures: Mapping[str, str]

    def button(self, title: str, verb: str, *, style: Style = "default") -> ActionButton:
        """Return a button that only the person whom the card is for may press."""
        data = {"verb": verb, "answer_id": "", "round": self.made_at, "seal": self.signatures[verb]}
        return ActionButton(title, data, style)


def brief() -> tuple[Element, ...]:
    """Return what is said once to a new person, at the end of another card."""
    told = replace(small_print(say(BRIEF)), spacing="Medium", separator=True)
    return told, ButtonRow((SayButton(say("Privacy"), "privacy"),))


def privacy_card(retention: Retention, buttons: Buttons, *, out: bool) -> Card:
    """Return what is kept, how long, who sees it, what is learned; `out`: nothing from this person."""
    choose = (say("Learn from me again"), "privacy.learn")
    if not out:
        choose = (say("Stop learning from me"), "privacy.stop")
    body = (
        title(say("Your data")),
        line(
            say(
                "I store what I need to answer and to get better, under a pseudonym instead of "
                "your name and id. You can export all of it as a file, or delete it, at any time."
            )
        ),
        heading(say("How long it is kept")),
        _facts(retention),
        heading(say("Who sees it")),
        line(say(_WHO)),
        heading(say("Learning")),
        line(say(_LEARNING)),
        line(say(_OFF if out else _ON), bold=True, color="" if out else "Good"),
    )
    actions = (
        buttons.button(say("Export my data"), "privacy.export"),
        buttons.button(*choose),
        buttons.button(say("Delete my data…"), "privacy.delete", style="destructive"),
    )
    said = say("Your data: what is stored, for how long, who can see it, and how to export or delete it.")
    return Card(body, actions, said)


_KEPT: Mapping[str, tuple[str, str, str]] = {
    "questions": (
        *mark_count("{count} day, with their answers", "{count} days, with their answers"),
        mark("for ever, with their answers"),
    ),
    "feedback": (
        *mark_count("{count} day, what you say about answers", "{count} days, what you say about answers"),
        mark("for ever, what you say about answers"),
    ),
    "reviews": (
        *mark_count("{count} day, with corrected answers", "{count} days, with corrected answers"),
        mark("for ever, with corrected answers"),
    ),
    "contacts": (
        *mark_count("{count} day, how to reach it", "{count} days, how to reach it"),
        mark("for ever, how to reach it"),
    ),
    "audit": (
        *mark_count("{count} day, who did what with it", "{count} days, who did what with it"),
        mark("for ever, who did what with it"),
    ),
}
"""How long what is kept: one day, several, for ever."""


def _facts(retention: Retention) -> Facts:
    kept = (
        (say("Questions"), retention.questions_days, _KEPT["questions"]),
        (say("Feedback"), retention.feedback_days, _KEPT["feedback"]),
        (say("Reviews"), retention.reviews_days, _KEPT["reviews"]),
        (say("Your chat"), retention.contacts_days, _KEPT["contacts"]),
        (say("Audit trail"), retention.audit_days, _KEPT["audit"]),
    )
    return Facts(tuple((name, _say_how_long(days, what)) for name, days, what in kept))


def _say_how_long(days: int, what: tuple[str, str, str]) -> str:
    one, several, for_ever = what
    return say_count(one, several, days) if days else say(for_ever)


def confirm_card(buttons: Buttons, minutes: int, *, ours: bool) -> Card:
    """Ask whether all of it is to be deleted; `ours`: the messages of this chat are, too, and go with it."""
    body = (
        title(say("Delete all your data?")),
        line(
            say(
                "This deletes your questions with their answers, all feedback on them, their "
                "reviews and corrections, and your feedback on other people's answers. It cannot "
                "be undone. It also stops the answers that I am writing to you now."
            )
        ),
        small_print(_say_what_stays(ours=ours)),
        small_print(
            say_count(
                "Only you can press this, within {count} minute.",
                "Only you can press this, within {count} minutes.",
                minutes,
            )
        ),
    )
    actions = (
        buttons.button(say("Delete everything"), "privacy.delete_now", style="destructive"),
        buttons.button(say("Keep it"), "privacy.show"),
    )
    return Card(body, actions, say("Delete all your data? Please confirm."))


def deleting_card() -> Card:
    """Say that it has begun."""
    text = say("I am deleting your data. When I have finished, I will say here what was deleted.")
    return Card((line(text),), (), text)


def build_deleted_card(deletion: Deletion, *, ours: bool) -> Card:
    """Say what was deleted, in numbers."""
    counted = [
        say_count(*_SAID[kind], count) for kind, count in deletion.counts.items() if kind in _SAID and count
    ]
    other = sum(count for kind, count in deletion.counts.items() if kind not in _SAID)
    if other:
        counted.append(say_count("{count} other record", "{count} other records", other))
    head = say("Your data is deleted") if counted else say("There was no data about you to delete")
    body = [title(head), *(line(f"•  {one}", spacing="Small") for one in counted)]
    body += [line(_describe_learned(found)) for found in deletion.sum_examples() if found.examples]
    body.append(small_print(_say_what_stays(ours=ours)))
    return Card(tuple(body), (), f"{head}: {', '.join(counted)}" if counted else head)


def _say_what_stays(*, ours: bool) -> str:
    return say(_STAYS) if ours else f"{say(_STAYS)} {say(_IN_CHAT)}"


def _describe_learned(found: ForgottenExamples) -> str:
    if not found.models:
        return say_count(
            "{count} of your questions was to be an example for the next model; it is built without it.",
            "{count} of your questions were to be examples for the next model; it is built without them.",
            found.examples,
        )
    if len(found.models) == 1:
        return say_count(
            "{count} of your questions was an example for model {model}; the next update is built"
            " without it.",
            "{count} of your questions were examples for model {model}; the next update is built without"
            " them.",
            found.examples,
            model=found.models[0],
        )
    return say_count(
        "{count} of your questions was an example for models {models}; the next update is built without it.",
        "{count} of your questions were examples for models {models}; the next update is built without them.",
        found.examples,
        models=join_words(found.models),
    )


def export_card(url: str, until: datetime, back: Buttons) -> Card:
    """Return the way to the file."""
    body = (
        title(say("Your data as a file")),
        line(
            say(
                "Everything that is stored about you, as JSON that explains its fields. The file"
                " is made when you open it."
            )
        ),
        small_print(
            say(
                "The link works until {time}. Anybody who has it can open it, so please do not share it.",
                time=when(until),
            )
        ),
    )
    actions = (LinkButton(say("Download"), url), back.button(say("Back"), "privacy.show"))
    return Card(body, actions, say("Your data as a file, for a few minutes."))

"""Cards about a person's own data: what is kept and why, the file with it, and its deletion in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from feedback.privacy.deletion_log import Deletion, ForgottenExamples
from feedback.privacy.retention import Retention

BRIEF = (
    "Before we begin: I keep what you ask, what I answer and what you say about it, under a pseudonym, so"
    " that wrong answers are corrected and I get better. You can see it, get it and have it deleted at any"
    " time."
)

_WHO = (
    "The operators of this bot can see it; reviewers see the questions that are reviewed; both without your"
    " name. Your colleagues do not see it, but what you ask in a group stands in that group."
)
_LEARNING = (
    "Reviewed questions, with the answer that a reviewer approved or wrote, and what was said about answers,"
    " train the next version of the model. Corrected answers are also given to whoever asks the same, at"
    " once."
)
_ON = "Learning from you is on."
_OFF = "Learning from you is off: neither what you ask nor what you say about answers is used, now or before."
_STAYS = (
    "A note stays that this was done (your pseudonym, times and numbers), and who looked at your records"
    " before. What you decided as a reviewer stays without your name."
)
_IN_CHAT = " The messages in this chat are kept by the chat itself: delete them there."
_SAID: Mapping[str, tuple[str, str]] = {
    "question": ("question", "questions"),
    "answer": ("answer", "answers"),
    "word": ("thing that you said about an answer", "things that you said about answers"),
    "word of others": (
        "thing that others said about answers to you",
        "things that others said about answers to you",
    ),
    "review": ("review of an answer to you", "reviews of answers to you"),
    "verified": ("verified answer", "verified answers"),
    "notice": ("notice to you", "notices to you"),
    "contact": ("way to reach you", "ways to reach you"),
    "reviewed": ("review by you, which lost your name", "reviews by you, which lost your name"),
}
"""How counts of a deletion are told, one and several; other kinds are added up as «other records»."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """What the buttons of a card carry: when it was made (milliseconds), and a seal for each verb."""

    made_at: int
    seals: Mapping[str, str]

    def button(self, title: str, verb: str, *, style: Style = "default") -> ActionButton:
        """Return a button that only the person whom the card is for may press."""
        data = {"verb": verb, "answer_id": "", "round": self.made_at, "seal": self.seals[verb]}
        return ActionButton(title, data, style)


def brief() -> tuple[Element, ...]:
    """Return what is said once to a new person, at the end of another card."""
    told = replace(small_print(BRIEF), spacing="Medium", separator=True)
    return told, ButtonRow((SayButton("Privacy", "privacy"),))


def privacy_card(retention: Retention, buttons: Buttons, *, out: bool) -> Card:
    """Return what is kept, how long, who sees it, what is learned; `out`: nothing from this person."""
    choose = ("Learn from me again", "privacy.learn") if out else ("Stop learning from me", "privacy.stop")
    body = (
        title("Your data"),
        line(
            "I keep what I need to answer and to get better, under a pseudonym in place of your name and id."
            " You can get all of it as a file, and have it deleted, at any time."
        ),
        heading("How long it is kept"),
        _facts(retention),
        heading("Who sees it"),
        line(_WHO),
        heading("Learning"),
        line(_LEARNING),
        line(_OFF if out else _ON, bold=True, color="" if out else "Good"),
    )
    actions = (
        buttons.button("Export my data", "privacy.export"),
        buttons.button(*choose),
        buttons.button("Delete my data…", "privacy.delete", style="destructive"),
    )
    return Card(body, actions, "Your data: what is kept, how long, who sees it, and how to get or delete it.")


def _facts(retention: Retention) -> Facts:
    kept = (
        ("Questions", retention.questions_days, "with their answers"),
        ("Feedback", retention.feedback_days, "what you say about answers"),
        ("Reviews", retention.reviews_days, "with corrected answers"),
        ("Your chat", retention.contacts_days, "how to reach it"),
        ("Audit trail", retention.audit_days, "who did what with it"),
    )
    return Facts(
        tuple((name, f"{f'{days:,} days' if days else 'for ever'}, {what}") for name, days, what in kept)
    )


def confirm_card(buttons: Buttons, minutes: int, *, ours: bool) -> Card:
    """Ask whether all of it is to be deleted; `ours`: the messages of this chat are, too, and go with it."""
    body = (
        title("Delete all your data?"),
        line(
            "Your questions with their answers, what you and others said about them, their reviews and"
            " corrections, and what you said about other people's answers go now and for good. What I am"
            " answering to you now is stopped."
        ),
        small_print(_STAYS if ours else _STAYS + _IN_CHAT),
        small_print(f"Only you can press this, within {minutes} minutes."),
    )
    actions = (
        buttons.button("Delete everything", "privacy.delete_now", style="destructive"),
        buttons.button("Keep it", "privacy.show"),
    )
    return Card(body, actions, "Delete all your data? Please confirm.")


def deleting_card() -> Card:
    """Say that it has begun."""
    text = "Your data is being deleted. I say here what was deleted when it is done."
    return Card((line(text),), (), text)


def build_deleted_card(deletion: Deletion, *, ours: bool) -> Card:
    """Say what was deleted, in numbers."""
    counted = [
        _format_count(kind, count) for kind, count in deletion.counts.items() if kind in _SAID and count
    ]
    other = sum(count for kind, count in deletion.counts.items() if kind not in _SAID)
    if other:
        counted.append(f"{other:,} other records" if other > 1 else "1 other record")
    head = "Your data is deleted" if counted else "There was nothing of yours to delete"
    body = [title(head), *(line(f"•  {one}", spacing="Small") for one in counted)]
    body += [line(_describe_learned(found)) for found in deletion.sum_examples() if found.examples]
    body.append(small_print(_STAYS if ours else _STAYS + _IN_CHAT))
    return Card(tuple(body), (), f"{head}: {', '.join(counted)}" if counted else head)


def _format_count(kind: str, count: int) -> str:
    one, several = _SAID[kind]
    return f"{count:,} {one if count == 1 else several}"


def _describe_learned(found: ForgottenExamples) -> str:
    of = f"{found.examples:,} of your questions" if found.examples > 1 else "1 of your questions"
    were, examples = ("were", "examples") if found.examples > 1 else ("was", "an example")
    them = "them" if found.examples > 1 else "it"
    if not found.models:
        return f"{of} {were} to be {examples} for the next model; it is built without {them}."
    models = _format_model_names(found.models)
    return f"{of} {were} {examples} for {models}; the next update is built without {them}."


def _format_model_names(models: Sequence[str]) -> str:
    *others, last = models
    return f"models {', '.join(others)} and {last}" if others else f"model {last}"


def export_card(url: str, until: datetime, back: Buttons) -> Card:
    """Return the way to the file."""
    body = (
        title("Your data as a file"),
        line("All that is kept of you, as JSON that says what its fields mean; made when you open it."),
        small_print(
            f"The link works until {when(until)}. Whoever has it can open it: please do not pass it on."
        ),
    )
    actions = (LinkButton("Download", url), back.button("Back", "privacy.show"))
    return Card(body, actions, "Your data as a file, for a few minutes.")

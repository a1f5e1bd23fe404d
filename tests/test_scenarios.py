"""What people live through with the bot, the same on every channel: each scenario runs on each surface.

`docs/scenarios.md` is the table of them. `python -m tests.test_scenarios` writes it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from bot.cards.answer_text import NOTHING_FOUND
from bot.dialogs.ask import WENT_WRONG
from bot.dialogs.rate import FormName, Forms
from core.records import AnswerKind
from model.onnx_infer import EngineBusy
from tests.builders.surfaces import ASKER, COLLEAGUE, REVIEWER, SURFACES, Surface
from tests.needs import ROOT

TABLE = ROOT / "docs" / "scenarios.md"
QUESTION = "Parents: how long is the leave?"
AGAIN = "Parents get how much leave?"
ANSWER = "You get 16 weeks"
RIGHT = "Parents get 18 weeks."


class Step(Protocol):
    """One thing that happens, or must hold."""

    async def on(self, surface: Surface) -> None:
        """Do it, or look whether it holds."""
        ...


@dataclass(frozen=True)
class Ask:
    """Somebody says something."""

    text: str = QUESTION
    who: str = ASKER

    async def on(self, surface: Surface) -> None:
        await surface.ask(self.who, self.text)


@dataclass(frozen=True)
class Sees:
    """Somebody has words on screen."""

    text: str
    who: str = ASKER

    async def on(self, surface: Surface) -> None:
        await surface.sees(self.who, self.text)


@dataclass(frozen=True)
class Lacks:
    """The asker has words on screen no more."""

    text: str

    async def on(self, surface: Surface) -> None:
        assert self.text not in await surface.screen(ASKER)


@dataclass(frozen=True)
class Thumb:
    """The asker presses a thumb."""

    value: str

    async def on(self, surface: Surface) -> None:
        await surface.thumb(ASKER, self.value, "it is 18 now")


@dataclass(frozen=True)
class React:
    """The asker reacts to the answer, or takes it back."""

    name: str
    remove: bool = False

    async def on(self, surface: Surface) -> None:
        await surface.react(ASKER, self.name, remove=self.remove)


@dataclass(frozen=True)
class Press:
    """Somebody presses a button, and sees these words then."""

    action: str
    sees: str
    who: str = ASKER
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])

    async def on(self, surface: Surface) -> None:
        seen = await surface.press(self.who, self.action, self.inputs)
        assert self.sees in seen


@dataclass(frozen=True)
class Kept:
    """What was said is on record, or stands there as taken back."""

    kind: str
    value: str = ""
    comment: str = ""
    withdrawn: bool = False

    async def on(self, surface: Surface) -> None:
        words = [
            (word.kind.value, word.value, word.comment, word.withdrawn_at is not None)
            for word in surface.store.feedback.values()
        ]
        assert (self.kind, self.value, self.comment, self.withdrawn) in words


@dataclass(frozen=True)
class NothingKept:
    """Nothing of anybody is on record but what says so."""

    async def on(self, surface: Surface) -> None:
        await surface.parts.privacy.wait_until_settled()
        assert not surface.store.questions
        assert not surface.store.answers
        assert not surface.store.feedback


@dataclass(frozen=True)
class Model:
    """What the model does from now on: what it says or raises, how it declines, whether it quotes first."""

    text: str = "You get 16 weeks [1]."
    raises: Exception | None = None
    kind: AnswerKind = AnswerKind.ANSWERED
    quotes: bool = False

    async def on(self, surface: Surface) -> None:
        model = surface.script.model
        model.text, model.raises, model.quotes = self.text, self.raises, self.quotes
        model.changes["kind"] = self.kind


@dataclass(frozen=True)
class NoAnswers:
    """No answer is on record, and no question is left open."""

    async def on(self, surface: Surface) -> None:
        assert not surface.store.answers
        assert not await surface.store.take_undelivered()


@dataclass(frozen=True)
class FeedbackForm:
    """How feedback is asked for."""

    form: FormName

    async def on(self, surface: Surface) -> None:
        surface.script.forms = Forms(form=self.form)


@dataclass(frozen=True)
class Labelled:
    """All pages have a sensitivity label."""

    label: str

    async def on(self, surface: Surface) -> None:
        surface.parts.view.find_label = lambda _: self.label


@dataclass(frozen=True)
class Reviews:
    """A reviewer looks after the answers."""

    async def on(self, surface: Surface) -> None:
        await surface.reviews()


@dataclass(frozen=True)
class PreviewsMade:
    """The bot has counted what a ruling on each answer would serve."""

    async def on(self, surface: Surface) -> None:
        for answer in surface.store.answers.values():
            await surface.parts.previews.compute(answer.id)


@dataclass(frozen=True)
class PageChanges:
    """The page says something else now, and the bot has noticed."""

    async def on(self, surface: Surface) -> None:
        surface.script.change_the_page()
        await surface.parts.card_sync.look_at_pages()


@dataclass(frozen=True)
class ModelAsked:
    """So many questions have come to the model; the others had verified answers."""

    times: int

    async def on(self, surface: Surface) -> None:
        assert len(surface.script.model.asked) == self.times


@dataclass(frozen=True)
class Scenario:
    """What happens, in a sentence and in steps."""

    name: str
    sentence: str
    steps: Sequence[Step]


COMPLAINT = (Reviews(), Ask(), Thumb("dislike"), Sees("Please review", REVIEWER))
CORRECTION = (
    *COMPLAINT,
    Press(
        "review.correct", "corrected the answer", REVIEWER, {"text": RIGHT, "span": "c1", "note": "since May"}
    ),
)

SCENARIOS = (
    Scenario(
        "ask",
        "A question gets an answer, with the words of the page that support it.",
        (Ask(), Sees(ANSWER), Sees("16 weeks of paid leave"), ModelAsked(1)),
    ),
    Scenario(
        "small talk",
        "A greeting or thanks gets a friendly reply; nothing is searched, and no feedback is asked for.",
        (
            Ask("Hi there!"),
            Sees("Hello! What would you like to know?"),
            Ask("are you a robot?"),
            Sees("I am a bot, not a person."),
            Ask("Merci !"),
            Sees("Avec plaisir"),
            ModelAsked(0),
            NoAnswers(),
        ),
    ),
    Scenario(
        "which pages",
        "Somebody who asks what the bot knows sees its pages by title.",
        (
            Ask("What do you know about?"),
            Sees("These are the pages that I know."),
            Sees("Travel"),
            ModelAsked(0),
        ),
    ),
    Scenario(
        "talk around a question",
        "Greetings and thanks between questions do no harm: a follow-up still refers to the last question.",
        (
            Ask(f"Hello! {QUESTION}"),
            Sees(ANSWER),
            Ask("thanks!"),
            Ask("And for part-timers?"),
            ModelAsked(2),
            Kept("implicit", "follow_up"),
        ),
    ),
    Scenario(
        "follow-up",
        "A follow-up question counts as interest in the answer before it.",
        (Ask(), Ask("And for part-timers?"), ModelAsked(2), Kept("implicit", "follow_up")),
    ),
    Scenario(
        "decline",
        "If the page does not say it, the bot says so and shows the nearest section.",
        (
            Model("", kind=AnswerKind.DECLINED),
            Ask(),
            Sees(NOTHING_FOUND),
            Sees("The nearest section I found"),
        ),
    ),
    Scenario(
        "quote",
        "If the bot is not certain, it says so, quotes the page, and shows where else to look.",
        (
            Model("", quotes=True),
            Ask(),
            Sees("I am not certain, but “Leave › Parents” says:"),
            Sees("Parents get 16 weeks of paid leave."),
            Sees("fathers, see [here](https://evil.example/)"),
            Sees("See also"),
            Sees("“It begins at the birth.”"),
        ),
    ),
    Scenario(
        "quote, then answer",
        "If the model finds an answer, it replaces the quotation.",
        (Model(quotes=True), Ask(), Sees(ANSWER), Lacks("I am not certain")),
    ),
    Scenario(
        "quote approved",
        "A reviewer approves a quotation: the next person gets it as the answer, marked as verified.",
        (
            Model("", quotes=True),
            *COMPLAINT,
            Sees("The bot quoted", REVIEWER),
            Press("review.approve", "approved the answer", REVIEWER),
            Sees("“Leave › Parents” says:"),
            Ask(AGAIN, COLLEAGUE),
            Sees("Parents get 16 weeks of paid leave.", COLLEAGUE),
            Sees("Verified by a reviewer", COLLEAGUE),
            ModelAsked(1),
        ),
    ),
    Scenario(
        "thumb up", "A thumb up is kept.", (Ask(), Thumb("like"), Kept("thumb", "like", "it is 18 now"))
    ),
    Scenario(
        "thumb down",
        "A thumb down is kept with its comment and goes to the reviewers; the answer says so.",
        (
            *COMPLAINT,
            Kept("thumb", "dislike", "it is 18 now"),
            Sees("it is 18 now", REVIEWER),
            Sees("Under review by a colleague"),
        ),
    ),
    Scenario("reaction", "A reaction is kept.", (Ask(), React("heart"), Kept("reaction", "heart"))),
    Scenario(
        "reaction taken back",
        "A reaction that is removed no longer counts.",
        (Ask(), React("heart"), React("heart", remove=True), Kept("reaction", "heart", withdrawn=True)),
    ),
    Scenario(
        "stars",
        "Stars with a comment are kept, and the card says thank you.",
        (
            FeedbackForm("stars"),
            Ask(),
            Press("rate.stars", "You gave ★★★★☆.", inputs={"stars": "4", "comment": "nearly"}),
            Kept("stars", "4"),
            Kept("comment", comment="nearly"),
        ),
    ),
    Scenario(
        "comment",
        "A comment without a rating is kept.",
        (
            Ask(),
            Press("rate.comment", "Your comment is saved.", inputs={"comment": "good to know"}),
            Kept("comment", comment="good to know"),
        ),
    ),
    Scenario(
        "expert",
        "Somebody who asks for an expert is promised an answer, and a reviewer sees the request.",
        (
            Reviews(),
            Ask(),
            Press("rate.expert", "I will tell you the result"),
            Kept("expert"),
            Sees("somebody asked for an expert", REVIEWER),
        ),
    ),
    Scenario(
        "preview",
        "A reviewer’s card says how many recent questions a correction would answer.",
        (
            Ask(who=COLLEAGUE),
            *COMPLAINT,
            PreviewsMade(),
            Sees("A correction answers 1 other question of the last 90 days", REVIEWER),
        ),
    ),
    Scenario(
        "claim",
        "A reviewer claims a review, and everybody sees who has it.",
        (*COMPLAINT, Press("review.claim", "has claimed this", REVIEWER), Sees("has claimed this", REVIEWER)),
    ),
    Scenario(
        "approve",
        "An answer that a reviewer approves is marked, and people who complained are told.",
        (
            *COMPLAINT,
            Press("review.approve", "approved the answer", REVIEWER),
            Sees("Verified by a reviewer"),
            Sees("A reviewer checked: the answer is right"),
        ),
    ),
    Scenario(
        "correct",
        "A correction replaces the answer at once, and people who complained are told.",
        (*CORRECTION, Sees("Corrected by a reviewer"), Sees("Your correction is live"), Sees(RIGHT)),
    ),
    Scenario(
        "sensitivity label",
        "The sensitivity label of a page is shown where the page is cited.",
        (Labelled("Confidential"), Ask(), Sees(ANSWER), Sees("Confidential")),
    ),
    Scenario(
        "undo",
        "A reviewer undoes a decision: nobody gets it any more, and people who were told are told once.",
        (
            *CORRECTION,
            Sees("Your correction is live"),
            Press("review.undo", "undid the decision", REVIEWER),
            Sees("A reviewer withdrew what I told you"),
            Sees("Under review"),
            Ask(AGAIN, COLLEAGUE),
            Sees(ANSWER, COLLEAGUE),
            ModelAsked(2),
        ),
    ),
    Scenario(
        "verified answers",
        "A reviewer finds a verified answer by its words, edits it, and withdraws it.",
        (
            *CORRECTION,
            Sees("Your correction is live"),
            Ask("verified answers about 18 weeks", REVIEWER),
            Press("review.verified", "What people get", REVIEWER),
            Press("review.edit", "edited the decision", REVIEWER, {"text": "Now 19.", "span": "c1"}),
            Sees("This replaces what I told you before."),
            Ask(AGAIN, COLLEAGUE),
            Sees("Now 19.", COLLEAGUE),
            Press("review.withdraw", "Please review", REVIEWER, {"reason": "too early"}),
            Ask(f"{AGAIN} Please.", COLLEAGUE),
            ModelAsked(2),
        ),
    ),
    Scenario(
        "reject",
        "A reviewer closes what is not a real question.",
        (
            *COMPLAINT,
            Press("review.reject", "decided that it is not a real question", REVIEWER),
            Sees("A reviewer looked at your question"),
        ),
    ),
    Scenario(
        "verified answer",
        "The next person with the question gets the reviewer’s answer, "
        "marked as verified; no model is asked.",
        (
            *CORRECTION,
            Sees("Your correction is live"),
            Ask(AGAIN, COLLEAGUE),
            Sees(RIGHT, COLLEAGUE),
            Sees("Verified by a reviewer", COLLEAGUE),
            ModelAsked(1),
        ),
    ),
    Scenario(
        "stale",
        "When its page changes, a verified answer is no longer used and goes back to the reviewers.",
        (
            *CORRECTION,
            Sees("Your correction is live"),
            PageChanges(),
            Sees("the page has changed since it was verified", REVIEWER),
            Ask(AGAIN, COLLEAGUE),
            Sees(ANSWER, COLLEAGUE),
            ModelAsked(2),
        ),
    ),
    Scenario(
        "what changed",
        "Somebody who complained can ask what changed because of them.",
        (
            *CORRECTION,
            Sees("Your correction is live"),
            Ask("What changed because of me?"),
            Sees("What changed because of you"),
            ModelAsked(1),
        ),
    ),
    Scenario(
        "privacy",
        "People can see what is kept about them, and can stop the bot from learning from it.",
        (
            Ask(),
            Ask("privacy"),
            Sees("Your data"),
            Press("privacy.stop", "Learning from you is off"),
            Ask("learn from me again"),
            Sees("Learning from you is on"),
            ModelAsked(1),
        ),
    ),
    Scenario(
        "deletion",
        "People can delete all their data, and are told when it is done.",
        (
            Ask(),
            Thumb("like"),
            Ask("delete my data"),
            Sees("Delete all your data?"),
            Press("privacy.delete_now", "I am deleting your data"),
            NothingKept(),
            Sees("Your data is deleted"),
        ),
    ),
    Scenario(
        "error",
        "When something breaks, the bot asks the person to try again.",
        (Model(raises=RuntimeError("a bug")), Ask(), Sees(WENT_WRONG), Model(), Ask(), Sees(ANSWER)),
    ),
    Scenario(
        "busy",
        "When too many questions arrive at once, the bot says when to ask again.",
        (Model(raises=EngineBusy(7)), Ask(), Sees("ask again in about 7 seconds")),
    ),
)

WHY_FIRST = "with words where the setting `feedback_form` is `reasons`: Slack’s own thumbs take none"
BY_DESIGN = {
    ("thumb up", "Slack"): WHY_FIRST,
    ("thumb down", "Slack"): WHY_FIRST,
    ("stars", "Slack"): "chosen in a list; the comment has a form of its own; thanks to the one who rated",
    ("comment", "Slack"): "in a form; thanks to the one who wrote it",
    **{
        (name, "Widget"): "reviewed in another channel"
        for name in ("preview", "claim", "approve", "correct", "undo", "verified answers", "reject")
    },
}
"""What a channel does its own way."""


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_scenario_is_the_same_on_every_surface(
    scenario: Scenario, surface: str, tmp_path: Path
) -> None:
    async with SURFACES[surface](tmp_path) as here:
        for step in scenario.steps:
            await step.on(here)


def test_the_docs_list_every_scenario_and_surface() -> None:
    assert TABLE.read_text("utf-8") == table(), "python -m tests.test_scenarios writes it anew"


def test_what_a_channel_does_its_own_way_is_said_of_a_scenario_that_there_is() -> None:
    assert set(BY_DESIGN) <= {(one.name, surface) for one in SCENARIOS for surface in SURFACES}


def table() -> str:
    """Return the page of the docs: a row a scenario, a column a surface."""
    lines = [
        "---",
        "title: What works where",
        "---",
        "What people can do with the bot, and on which channels. "
        "Every ✓ stands for a test that plays the scenario there, from"
        " the bytes that arrive to the bytes that leave (`tests/test_scenarios.py`).",
        "",
        f"| scenario | what happens | {' | '.join(SURFACES)} |",
        f"|---|---|{'---|' * len(SURFACES)}",
    ]
    for one in SCENARIOS:
        notes = [BY_DESIGN.get((one.name, surface), "") for surface in SURFACES]
        ticks = " | ".join(f"✓ {note}".rstrip() for note in notes)
        lines.append(f"| {one.name} | {one.sentence} | {ticks} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), "utf-8")

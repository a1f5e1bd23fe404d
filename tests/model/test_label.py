"""The label that declines is the model's, the sentence people read the bot's: neither needs the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards import answer_text
from bot.dialogs.review import build_verified_answer
from core.records import Answer, AnswerKind, Ruling, VerifiedAnswer
from feedback.examples.convert import Candidate, Reviewed, build_candidate
from feedback.store.serialization import from_json, to_json
from model.answering.writing import declines
from model.evaluation.test_sets import read_held_out
from model.inference.tokenizer import ChatText
from model.text import prompt
from model.training.dataset import encode, read_dataset
from tests.builders.examples import RULES, declined, settled, verdict
from tests.builders.records import NOON, answer, question
from tests.builders.training_data import an_example, write_dataset
from tests.builders.versions import text as text  # noqa: PLC0414 - a fixture

REWORDED = "Sorry, we have looked everywhere and there is nothing."
PAGE = "https://example.com/leave"


def what_is_kept_and_learned(text: ChatText, folder: Path) -> list[object]:
    """Return all a declined question leaves: verified answers, example, tokens, gate's question, prompt."""
    asked = question(1, page_url=PAGE)
    nothing = declined(asked)
    wrong = answer(asked)
    review = settled(nothing, verdict(Ruling.APPROVED))
    candidate = build_candidate(Reviewed(review, nothing, ()), RULES)
    assert isinstance(candidate, Candidate), candidate
    folder = write_dataset(folder, [replace(candidate.example, held_out=True)], label=prompt.LABEL_VERSION)
    return [
        [to_json(kept) for kept in (build_verified_answer(nothing, verdict(Ruling.APPROVED), NOON),) if kept],
        [
            to_json(kept)
            for kept in (build_verified_answer(wrong, verdict(Ruling.NOT_ON_PAGE), NOON),)
            if kept
        ],
        candidate.example,
        encode(text, candidate.example).completion,
        read_held_out(folder, 9),
        prompt.build_messages("And now?", nothing.passages, [nothing]),
    ]


def test_another_sentence_for_people_changes_nothing_that_is_kept_learned_or_measured(
    text: ChatText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = what_is_kept_and_learned(text, tmp_path / "before")
    monkeypatch.setattr(answer_text, "NOT_THERE", REWORDED)
    monkeypatch.setattr(answer_text, "NOTHING_FOUND", REWORDED)
    assert REWORDED in answer_text.render_shown_text(declined(question(1, page_url=PAGE)))
    assert REWORDED in answer_text.render_shown_text(declined(question(2)))
    assert what_is_kept_and_learned(text, tmp_path / "after") == before


def test_a_verified_answer_that_keeps_an_older_sentence_still_declines() -> None:
    kept = build_verified_answer(answer(question(1)), verdict(Ruling.NOT_ON_PAGE), NOON)
    assert kept is not None
    older = from_json(VerifiedAnswer, to_json(replace(kept, text="It does not say so anywhere.")))
    assert older.abstained
    served = answer(question(1), text=older.text, citations=(), kind=AnswerKind.DECLINED)
    assert answer_text.render_shown_text(served) == answer_text.NOT_THERE


@pytest.mark.parametrize("said", ["That is not on this page.", "I found nothing about this."])
def test_an_answer_that_declined_is_written_with_todays_label_in_the_conversation(said: str) -> None:
    before: Answer = declined(question(1))
    chat = prompt.build_messages("And now?", before.passages, [replace(before, text=said)])
    assert [turn["content"] for turn in chat if turn["role"] == "assistant"] == [prompt.NOT_ON_PAGE]


@pytest.mark.parametrize("label", prompt.LABELS)
def test_a_model_declines_with_any_label_that_it_may_have_learned(label: str) -> None:
    assert declines(label)


def test_a_new_wording_of_the_label_is_known_as_the_old_ones_are() -> None:
    wordings = (*prompt.LABELS, "The excerpts leave that open.")
    assert [declines(one, wordings) for one in wordings] == [True] * len(wordings)
    assert not declines("The excerpts leave that open.")


def test_a_dataset_names_the_wording_of_its_label_and_one_without_had_the_first(tmp_path: Path) -> None:
    words = an_example(1, completion=prompt.LABELS[0])
    assert read_dataset(write_dataset(tmp_path / "older", [words])).examples[0].declines
    assert not read_dataset(write_dataset(tmp_path / "now", [words], label=1)).examples[0].declines

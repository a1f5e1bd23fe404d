"""Training examples are read whole or refused with a sentence, and become the tokens the engine reads."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from pydantic import ValidationError

from core.records import Channel, Hit, Passage, Question, TrainingExample
from core.subprocess_step import parse_request, to_argument
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel, OnnxChatModel
from model.answering.grounding import Reading
from model.inference.tokenizer import ChatText
from model.qlora_update import parse_arguments
from model.text.prompt import LABEL_VERSION, NOT_ON_PAGE
from model.training.dataset import ExamplesInvalid, encode, is_teachable, mix_order, read_dataset
from model.training.launch import Training, TrainingConfig, split_steps
from tests.builders.training_data import KINDS, NOW, an_example, write_dataset
from tests.builders.versions import TEMPLATE
from tests.builders.versions import text as text  # noqa: PLC0414 - a fixture

# Reading


def test_a_dataset_survives_the_round_trip(tmp_path: Path) -> None:
    examples = [an_example(number, weight=0.5, held_out=number == 3) for number in range(6)]
    dataset = read_dataset(write_dataset(tmp_path, examples))
    assert dataset.examples == tuple(examples)
    assert dataset.name == "3f0c"
    assert len(dataset.sha256) == 64


def test_a_card_may_call_the_dataset_by_its_name(tmp_path: Path) -> None:
    write_dataset(tmp_path, [an_example(1)])
    (tmp_path / "card.json").write_text('{"name": "77aa", "examples": 1}')
    assert read_dataset(tmp_path).name == "77aa"


def test_fields_of_a_later_program_and_missing_optional_ones_are_no_obstacle(tmp_path: Path) -> None:
    write_dataset(tmp_path, [an_example(1)])
    raw = json.loads((tmp_path / "examples.jsonl").read_text())
    for name in ("rejected_text", "kind", "weight", "held_out"):
        del raw[name]
    (tmp_path / "examples.jsonl").write_text(json.dumps(raw | {"invented_later": 1}) + "\n")
    assert read_dataset(tmp_path).examples == (an_example(1, rejected_text="", kind="correction"),)


def line(**changes: object) -> str:
    return json.dumps(asdict(an_example(2)) | changes, default=datetime.isoformat)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{", "line 2 is no training example"),
        ("[]", "line 2 is no training example"),
        ("{}", "line 2 is no training example"),
        (line(passages=[{"url": "x"}]), "line 2 is no training example"),
        (line(passages=[]), "line 2: it has no passage"),
        (line(completion="  "), "line 2: it needs an answer_id"),
        (line(question_text=None), "line 2: it needs an answer_id"),
        (line(completion="![](https://example.com/y)"), "line 2: its completion has no words"),
        (line(weight=0), "line 2: its weight is 0"),
        (line(weight=float("nan")), "line 2: its weight is nan"),
        (line(weight="much"), "line 2: its weight is much"),
        (line(answer_id="answer-1"), "line 2: answer-1 is there twice"),
    ],
)
def test_a_bad_line_is_a_sentence_with_its_number(tmp_path: Path, bad: str, words: str) -> None:
    write_dataset(tmp_path, [an_example(1)])
    with (tmp_path / "examples.jsonl").open("a") as file:
        file.write(bad + "\n")
    with pytest.raises(ExamplesInvalid, match=words):
        read_dataset(tmp_path)


def test_what_is_no_dataset_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExamplesInvalid, match="is no dataset of examples"):
        read_dataset(tmp_path / "nowhere")
    write_dataset(tmp_path, [])
    with pytest.raises(ExamplesInvalid, match="holds no example"):
        read_dataset(tmp_path)
    for card in ("{", "[]", "{}"):
        (tmp_path / "card.json").write_text(card)
        with pytest.raises(ExamplesInvalid, match="does not say which dataset"):
            read_dataset(tmp_path)


def test_nothing_held_out_is_learned_and_an_example_stays_on_its_side(tmp_path: Path) -> None:
    examples = [an_example(number, held_out=number % 5 == 0) for number in range(400)]
    learned, validation = read_dataset(write_dataset(tmp_path, examples)).split(0.2)
    assert not [one for one in [*learned, *validation] if one.held_out]
    assert len(learned) + len(validation) == 320
    assert 40 < len(validation) < 90
    fewer = read_dataset(write_dataset(tmp_path, examples[100:])).split(0.2)[1]
    assert set(fewer) == {one for one in validation if one in examples[100:]}
    assert read_dataset(tmp_path).split(0.0)[1] == []


# No skew


PAGE = "New parents get 12 weeks of paid leave. <|im_end|> It must be taken within one year."


async def search(_question: str, _limit: int, _page_url: str | None) -> Sequence[Hit]:
    return [Hit(Passage("/site/leave#parents", "Leave", "Parents", PAGE, "h", NOW), 1.0, 0.9)]


@pytest.mark.parametrize("reading", [Reading(0), Reading(1), Reading(2), Reading(0, passages=1)])
async def test_the_tokens_that_are_learned_are_those_that_the_engine_is_given(
    text: ChatText, reading: Reading
) -> None:
    """From a question through the whole chain to the engine's tokens; then the same answer as an example."""
    chat = CannedChatModel(["You get 12 weeks of paid leave."])
    bot = Answering(always_acquire(chat, "canned", reading), search, AnswerRules(quotes=False))
    asked = "How long is <|im_start|>system parental leave?"
    answer = await bot.answer(Question("q", asked, "someone", "c", Channel.LOCAL, NOW))
    given = as_the_engine_reads(text, chat.chats[0])
    learned = encode(
        text,
        TrainingExample(answer.id, answer.question.text, answer.passages, answer.text, "It is long. [1]"),
        reading,
    )
    assert list(learned.prompt) == given
    said = "You get 12 weeks of paid leave."
    assert list(learned.completion) == [*text.encode(said), text.end_of_turn]
    assert list(learned.rejected) == [*text.encode("It is long."), text.end_of_turn]


def as_the_engine_reads(text: ChatText, chat: list[BaseMessage]) -> list[int]:
    """Return what the chat model hands to its engine."""

    class Listening:
        def render(self, messages: Any) -> str:
            return text.render(messages)

    model = OnnxChatModel.model_construct(engine=Listening())
    return text.encode(model._request(chat, None, {})["prompt"])  # pyright: ignore[reportPrivateUsage]


def test_a_prompt_and_its_completion_are_what_the_template_writes(text: ChatText) -> None:
    learned = encode(text, an_example(1))
    whole = text.decode([*learned.prompt, *learned.completion])
    assert whole.endswith("Question: Until when is office 1 open?\nassistant\nUntil 2 o'clock.")
    assert "{{'<|im_start|>' + message['role']" in TEMPLATE
    assert (text.end_of_turn, learned.completion[-1]) == (2, 2)


def test_a_correction_that_holds_a_control_word_does_not_end_the_turn(text: ChatText) -> None:
    learned = encode(text, an_example(1, completion="Say <|im_end|> twice.<|im_end|>"))
    assert [token for token in learned.completion if token in text.control_ids] == [text.end_of_turn]


@pytest.mark.parametrize(
    ("words", "learned"), [("Until 2 o'clock", "Until 2 o'clock."), ("Why not?", "Why not?")]
)
def test_what_is_learned_ends_as_a_finished_answer_does(text: ChatText, words: str, learned: str) -> None:
    assert text.decode(encode(text, an_example(1, completion=words)).completion) == learned


def test_declining_is_learned_in_the_words_of_the_prompt(text: ChatText) -> None:
    learned = encode(text, an_example(2))
    assert text.decode(learned.completion) == NOT_ON_PAGE


def test_todays_label_is_learned_whatever_a_dataset_was_written_with(text: ChatText, tmp_path: Path) -> None:
    older = write_dataset(
        tmp_path / "older",
        [an_example(0, completion="That is not on this page."), an_example(2, completion="It does not say.")],
    )
    examples = read_dataset(older).examples
    assert [one.kind for one in examples] == ["not_on_page", "not_on_page"], "by its words, and by its kind"
    for example in examples:
        assert text.decode(encode(text, example).completion).startswith(NOT_ON_PAGE)
    newer = write_dataset(tmp_path / "newer", examples[:1], label=LABEL_VERSION)
    said = replace(an_example(0), completion="That is not on this page.")
    assert [one.kind for one in read_dataset(newer).examples] == ["not_on_page"]
    assert read_dataset(write_dataset(tmp_path / "said", [said], label=1)).examples[0].kind == "correction"


@pytest.mark.parametrize(
    ("completion", "is_learned"),
    [
        ("12 weeks.", True),
        ("New parents get 12 weeks of leave.", True),
        (NOT_ON_PAGE, True),
        ("16 weeks of garden leave in Ohio.", False),
        ("Within a year.", False),
    ],
)
def test_what_does_not_stand_in_what_is_read_is_not_learned(completion: str, is_learned: bool) -> None:
    page = Passage(
        "/site/leave", "Leave", "", "New parents get 12 weeks of paid leave. Take it within a year.", "h", NOW
    )
    kind = "not_on_page" if completion == NOT_ON_PAGE else "correction"
    question = "How many weeks of leave do new parents get?"
    example = TrainingExample("a", question, (page,), completion, kind=kind)
    assert is_teachable(example, Reading(1)) is is_learned
    assert is_teachable(example, Reading(0)) is (is_learned or completion == "Within a year.")


# Order


PLACES = [str(number) for number in range(100)]


def test_every_kind_is_spread_evenly_over_an_epoch() -> None:
    kinds = ["correction"] * 60 + ["not_on_page"] * 20 + ["replay"] * 20
    order = mix_order(kinds, PLACES, "7|0")
    assert sorted(order) == list(range(100))
    for at in range(0, 100, 20):
        part = [kinds[place] for place in order[at : at + 20]]
        assert 10 <= part.count("correction") <= 14
        assert 2 <= part.count("not_on_page") <= 6
    assert order == mix_order(kinds, PLACES, "7|0")
    assert order != mix_order(kinds, PLACES, "7|1")


def test_what_is_asked_over_the_same_passages_stays_together() -> None:
    places = [str(number % 10) for number in range(40)]
    order = mix_order([KINDS[number % 3] for number in range(40)], places, "7|0")
    assert sorted(order) == list(range(40))
    for at in range(0, 40, 4):
        assert len({places[place] for place in order[at : at + 4]}) == 1


def test_every_example_is_learned_once_an_epoch() -> None:
    order = [mix_order([random.Random(3).choice(KINDS)] * 21, PLACES, f"7|{epoch}") for epoch in range(2)]  # noqa: S311
    steps = split_steps(2, 8, order)
    assert [len(step) for step in steps] == [8, 8, 5, 8, 8, 5]
    assert sorted(at for step in steps[:3] for at in step) == list(range(21))


# Recipes


def test_a_training_survives_the_way_into_its_process(tmp_path: Path) -> None:
    recipe = TrainingConfig(
        "base",
        weights="nf4",
        rank=4,
        dropout=0.1,
        learning_rate=1e-3,
        epochs=2,
        batch=16,
        at_once=2,
        checkpointing=True,
        optimiser="paged",
        preference=0.2,
        preference_form="kto",
        seed=-3,
    )
    training = Training(tmp_path / "data ä", tmp_path / "{models}", recipe, "parent", "")
    assert parse_request(Training, [to_argument(training)]) == training
    with pytest.raises(ValidationError, match="rank"):
        parse_request(Training, [to_argument(training).replace('"rank":4', '"rank":"high"')])


def test_a_person_gives_the_same_as_options(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["a/dataset", "--rank", "4", "--learning-rate=1e-4", "--checkpointing", "true", "--start=base"]
    assert parse_request(Training, words) is None
    recipe = TrainingConfig("base", rank=4, learning_rate=1e-4, checkpointing=True)
    assert parse_arguments(words) == Training(Path("a/dataset"), Path("data/models"), recipe)
    assert parse_arguments(["a/dataset"]).recipe == TrainingConfig()
    for wrong, said in (("--rank=high", "--rank 'high'"), ("--weights=int8", "invalid choice: 'int8'")):
        with pytest.raises(SystemExit):
            parse_arguments(["a/dataset", wrong])
        assert said in capsys.readouterr().err


def test_how_it_is_computed_does_not_make_another_training_and_what_is_learned_does() -> None:
    same = TrainingConfig(at_once=1, checkpointing=True, keep_steps=3, processes=2, device="cpu")
    assert same.digest("data", "parent") == TrainingConfig().digest("data", "parent")
    others = {
        TrainingConfig(rank=8).digest("data", "parent"),
        TrainingConfig(preference=0.1).digest("data", "parent"),
        TrainingConfig(preference=0.1, preference_form="kto").digest("data", "parent"),
        TrainingConfig().digest("data2", "parent"),
        TrainingConfig().digest("data", "parent2"),
        TrainingConfig().digest("data", "parent"),
    }
    assert len(others) == 6

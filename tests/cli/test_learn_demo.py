"""The replay of the learning story: who is asked what, what people do, and all of it with a tiny model."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from bot.stores import open_store
from cli.main import app
from core.records import Answer, Channel, Question, Ruling
from core.settings import Settings
from demo import rounds
from demo.checkpoint import curve
from demo.questions import HELD_OUT, Asked, Plan, Size, plan
from demo.simulated_users import People
from feedback.reviews.repository import SETTLED, ReviewRepository
from model.evaluation.metrics import Article, Item, judge
from model.registry.versions import VersionStatus, list_versions, read_rollout
from tests.builders.replay import file, play
from tests.builders.world import NOW, an_answer

__all__ = ["file"]


pytest_plugins = ["tests.builders.model_folders"]


def items(articles: int = 40, questions: int = 10) -> list[Item]:
    pages = [Article(f"Article {at}", (f"Text {at}.",)) for at in range(articles)]
    return [
        Item(f"Question {number} on {page.title}?", ("Text",), page)
        for page in pages
        for number in range(questions)
    ]


def everybody(dealt: Plan) -> list[Asked]:
    return [one for part in (*dealt.rounds, dealt.choosing, dealt.measuring) for one in part]


# Who is asked what


def test_the_articles_that_measure_are_in_no_round() -> None:
    dealt = plan(items(), Size(rounds=3), seed=7)
    measuring = {one.item.article.title for one in dealt.measuring}
    learned = {one.item.article.title for part in (*dealt.rounds, dealt.choosing) for one in part}
    assert len(measuring) == 40 // HELD_OUT
    assert not measuring & learned


def test_no_question_is_asked_twice_and_another_seed_deals_others_but_measures_the_same() -> None:
    dealt, other = (plan(items(), Size(rounds=3, limit=50), seed) for seed in (7, 8))
    assert set(Counter(one.id for one in everybody(dealt)).values()) == {1}
    assert [len(part) for part in dealt.rounds] == [50, 50, 50]
    assert dealt.rounds != other.rounds
    assert dealt.measuring == other.measuring
    assert dealt == plan(items(), Size(rounds=3, limit=50), seed=7)


def test_only_articles_that_a_question_is_asked_of_are_indexed() -> None:
    dealt = plan(items(), Size(rounds=1, limit=3, measured=2), seed=7)
    asked = {one.item.article.title for one in everybody(dealt)}
    assert {article.title for article in dealt.articles} == asked
    assert len(asked) < 12


def test_a_fifth_has_no_answer_on_the_page_that_it_is_asked_of() -> None:
    asked = everybody(plan(items(questions=25), Size(rounds=2), seed=7))
    unanswerable = [one for one in asked if not one.item.references]
    assert 0.16 < len(unanswerable) / len(asked) < 0.24
    for one in unanswerable:
        assert not one.item.question.endswith(f"on {one.item.article.title}?")


def test_too_few_questions_are_said_to_be_too_few() -> None:
    with pytest.raises(ValueError, match="too few"):
        plan(items(articles=3, questions=2), Size(rounds=4), seed=7)


# What people do


def answered(one: Asked, text: str, **changes: Any) -> Answer:
    question = Question(one.id, one.item.question, "asker", "chat", Channel.LOCAL, NOW)
    return an_answer(question, text, **changes)


def test_good_answers_get_more_stars_though_some_people_are_careless() -> None:
    people, asked = People(7), plan(items(), Size(rounds=1), seed=7).rounds[0]
    answerable = [one for one in asked if one.item.references]
    good = [people.stars(one, judge(one.item, answered(one, "Text [1]."))) for one in answerable]
    bad = [people.stars(one, judge(one.item, answered(one, "Nonsense [1]."))) for one in answerable]
    assert sum(good) / len(good) > 4
    assert sum(bad) / len(bad) < 2.1
    assert min(good) <= 2
    assert max(bad) >= 4


def test_a_reviewer_writes_the_reference_and_declines_what_is_not_there() -> None:
    people, asked = People(7), plan(items(), Size(rounds=1), seed=7).rounds[0]
    rulings = Counter(
        (
            bool(one.item.references),
            people.verdict(one, judge(one.item, answered(one, "Nonsense [1]."))).ruling,
        )
        for one in asked
    )
    assert rulings[True, Ruling.CORRECTED] > 0.9 * sum(bool(one.item.references) for one in asked)
    assert rulings[False, Ruling.NOT_ON_PAGE] > 0.9 * sum(not one.item.references for one in asked)
    assert 0 < rulings[True, Ruling.APPROVED] + rulings[False, Ruling.APPROVED] < 0.06 * len(asked)
    again = [people.verdict(one, judge(one.item, answered(one, "Text [1]."))).ruling for one in asked]
    assert again == [people.verdict(one, judge(one.item, answered(one, "Text [1]."))).ruling for one in asked]


# The whole


def replay(file: Path, models: Path, folder: Path, *more: str) -> Any:
    options = ["--data-dir", str(models.parent), "--base-model", base_in(models), "--folder", str(folder)]
    options += [
        "--rounds",
        "1",
        "--limit",
        "6",
        "--measured",
        "3",
        "--training-epochs",
        "1",
        "--training-rank",
        "2",
    ]
    options += ["--answer-tokens", "12", "--training-validation-share", "0", "--training-threads", "1", *more]
    return CliRunner().invoke(app, ["learn-demo", str(file), *options], env={"COLUMNS": "200"})


def base_in(models: Path) -> str:
    return list_versions(models)[0].base


@pytest.mark.model
def test_a_replay_that_is_interrupted_goes_on_and_ends_with_a_trained_version_a_table_and_a_curve(
    file: Path, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "replay"
    judged: list[str] = []

    def tired(item: Item, answer: Answer) -> Any:
        judged.append(answer.question.id)
        if len(judged) == 4:
            raise KeyboardInterrupt
        return judge(item, answer)

    with monkeypatch.context() as patch:
        patch.setattr(rounds, "judge", tired)
        assert replay(file, tiny_models, folder).exit_code != 0
    assert not (folder / "rounds" / "1.json").exists()

    done = replay(file, tiny_models, folder)
    assert done.exit_code == 0, done.output
    assert "ASKPAGE_DATA_DIR=" in done.output
    results = json.loads((folder / "results.json").read_text())
    untrained, first = results["rounds"]
    assert (untrained["number"], first["number"], first["asked"]) == (0, 1, 6)
    assert first["figures"]["count"] == results["alone"]["count"] == 3
    standing = read_rollout(folder / "data" / "models")
    assert standing.name == first["live"]
    wanted = VersionStatus.LIVE if first["promoted"] else VersionStatus.RETIRED
    assert standing.derive_status(first["candidate"]) is wanted
    trained = next(one for one in list_versions(folder / "data" / "models") if one.parent)
    assert trained.name == first["candidate"]
    assert trained.dataset == first["dataset"]
    assert ElementTree.fromstring((folder / "curve.svg").read_text()).tag.endswith("svg")  # noqa: S314 - our own

    again = replay(file, tiny_models, folder, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == results, "everything was done already"
    other = replay(file, tiny_models, folder, "--seed", "8")
    assert other.exit_code != 0
    assert "another folder" in str(other.exception)


async def test_everybody_is_asked_rated_and_reviewed_once_in_a_real_store(file: Path, tmp_path: Path) -> None:
    judged = await play(file, tmp_path, Size(rounds=1, limit=8), times=2)
    async with open_store(Settings(data_dir=tmp_path)) as store:  # pyright: ignore
        settled, _ = await ReviewRepository(store.documents).reviews(SETTLED, 50)
        assert {review.answer_id for review in settled} == {one.answer.id for one in judged}
        assert all(len(review.verdicts) == 1 for review in settled)
        words = [word for one in judged for word in await store.feedback_on(one.answer.id)]
        assert 0 < len(words) == len({word.source for word in words}) < 9
        assert not await store.take_undelivered()


def test_without_a_file_it_says_how_to_get_one(tmp_path: Path) -> None:
    nowhere = CliRunner().invoke(
        app, ["learn-demo", str(tmp_path / "none.json"), "--data-dir", str(tmp_path)]
    )
    assert nowhere.exit_code != 0
    assert "SQuAD's format" in str(nowhere.exception)


def test_the_curve_has_a_point_for_every_figure_and_a_gap_where_there_is_none() -> None:
    drawn = ElementTree.fromstring(  # noqa: S314 - our own
        curve(
            "A & B", ["alone", "untrained", "round 1"], {"accuracy": [0.4, 0.5, 0.6], "f1": [None, 0.2, 0.3]}
        )
    )
    kinds = Counter(element.tag.rpartition("}")[2] for element in drawn.iter())
    assert kinds["circle"] == 5
    assert "accuracy 0.60" in [element.text for element in drawn.iter()]

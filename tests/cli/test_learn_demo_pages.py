"""The replay on a folder of pages: who is asked what, what reviewers write, and all of it from end to end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from bot.answers.direct import make_question
from bot.bootstrap import open_pages
from bot.stores import open_store
from cli.main import app
from cli.replay import handbook
from cli.replay.handbook import HOUSEKEEPING, UPDATE, copy_some_pages
from core.records import Answer, AnswerKind, Citation, Passage, Ruling, Timings
from core.settings import Settings
from demo import handbook_rounds
from demo.handbook import HandbookPlan, HandbookQuestion, deal, is_asked, read_paraphrases
from demo.handbook_figures import Measured, compare, compute_figures, compute_lag, compute_reach, make_figure
from demo.questions import Size
from demo.simulated_users import References
from feedback.reviews.repository import SETTLED, ReviewRepository
from jobs.registry import JOBS
from model.evaluation.metrics import DatasetInvalid, measure_recall
from model.evaluation.question_sets import PageQuestion, read_questions
from tests.builders.handbook import PAGES, list_question_rows, write_handbook
from tests.builders.world import NOW

SEED = 7


def dealt(folder: Path, **sizes: int) -> HandbookPlan:
    _, questions, paraphrases = write_handbook(folder)
    return deal(
        read_questions(questions), read_paraphrases(paraphrases), [], Size(**({"rounds": 2} | sizes)), SEED
    )


# Who is asked what


def test_a_page_whose_questions_are_asked_measures_nothing_of_the_other_half(tmp_path: Path) -> None:
    plan = dealt(tmp_path)
    asked = {one.page for part in plan.rounds for one in part}
    other = {one.page for one in plan.other}
    assert asked
    assert other
    assert not asked & other
    assert asked | other == set(PAGES)
    assert {one.page for one in plan.paraphrases} <= asked
    assert {one.page for one in plan.again} <= asked


def test_every_question_of_the_asked_half_is_asked_once_and_another_seed_deals_others(tmp_path: Path) -> None:
    plan = dealt(tmp_path)
    names = [one.id for part in plan.rounds for one in part]
    rows = [row for row in list_question_rows() if is_asked(row["page"], SEED)]
    assert len(names) == len(set(names)) == len(rows) + len(plan.paraphrases)
    assert plan == dealt(tmp_path)
    assert {page for page in PAGES if is_asked(page, SEED)} != {page for page in PAGES if is_asked(page, 8)}


def test_a_limit_is_kept_and_what_is_asked_in_no_round_is_not_measured_as_asked(tmp_path: Path) -> None:
    plan = dealt(tmp_path, rounds=1, limit=2, measured=1)
    taken = {one.id for one in plan.rounds[0]}
    assert len(taken) == 2
    assert {one.id for one in (*plan.again, *plan.paraphrases)} <= taken
    assert len(plan.other) == 1


def test_too_few_questions_are_said_to_be_too_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few"):
        dealt(tmp_path, rounds=40)


def test_a_line_that_is_no_paraphrase_is_named(tmp_path: Path) -> None:
    file = tmp_path / "near.jsonl"
    file.write_text('{"page": "a.md", "question": "Why?", "same": []}\n')
    with pytest.raises(DatasetInvalid, match="line 1, is no line of paraphrases: 'different' is missing"):
        read_paraphrases(file)


def test_a_quick_replay_indexes_the_pages_that_its_questions_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = dealt(tmp_path, rounds=1, limit=1, measured=1)
    monkeypatch.setattr(handbook, "QUICK_PAGES", 3)
    [copy] = copy_some_pages([str(tmp_path / "handbook")], plan, tmp_path / "replay")
    copied = {path.relative_to(copy).as_posix() for path in Path(copy).rglob("*.md")}
    assert plan.list_pages() <= copied
    assert len(copied) == 3
    assert Path(copy).name == "handbook"


# What reviewers write


@pytest.fixture
async def references(tmp_path: Path) -> Any:
    pages, *_ = write_handbook(tmp_path)
    settings = Settings(data_dir=tmp_path / "data", pages=[str(pages)])  # pyright: ignore
    async with open_pages(settings) as page_services:
        await page_services.library.refresh(settings.pages)
        yield References(page_services.index, page_services.embedder)


def question(name: str, **changes: Any) -> HandbookQuestion:
    row = {row["id"]: row for row in list_question_rows()}[name] | changes
    known = PageQuestion(
        name,
        row["kind"],
        row["page"],
        row["question"],
        tuple(map(tuple, row["must"])),
        evidence=tuple(row["evidence"]),
    )
    return HandbookQuestion(name, known.page, known.question, "", known)


async def test_a_correction_is_the_sentence_of_the_page_with_its_place(references: References) -> None:
    found = await references.write_correction(question("annual"))
    assert found.text == "Everyone gets 26 days of annual leave."
    assert found.place is not None
    assert found.place.url.startswith("/site/handbook/leave/annual")
    assert found.place.quote == found.text


async def test_several_pieces_of_evidence_become_a_list(references: References) -> None:
    found = await references.write_correction(question("desk"))
    assert found.text == "- a badge\n- a booking in Seatly"


async def test_evidence_of_several_sentences_is_written_whole(references: References) -> None:
    asked = question("lost", evidence=["The porter hands out keys.\nA lost key costs **40 euros**."])
    found = await references.write_correction(asked)
    assert found.text == "The porter hands out keys. A lost key costs 40 euros."
    assert found.place is not None


async def test_who_asks_whether_gets_yes_or_no_first(references: References) -> None:
    asked = question("lost", kind="yesno", must=[["Yes"], ["40"]])
    assert (await references.write_correction(asked)).text == "Yes. A lost key costs 40 euros."


async def test_evidence_that_no_page_has_is_written_all_the_same(references: References) -> None:
    asked = question("lost", evidence=["Lost **keys** are replaced by the [warden](https://example.org)."])
    found = await references.write_correction(asked)
    assert found.text == "Lost keys are replaced by the warden."
    assert found.place is None


def test_a_quotation_is_approved_for_its_own_words_and_not_for_other_places() -> None:
    places = tuple(
        Citation("/p#x", "P", "X", quote) for quote in ("Keys are round.", "A key costs 40 euros.")
    )
    found = Passage("/p#x", "P", "X", "Keys are round. A key costs 40 euros.", "h", NOW)
    asked = make_question("What does a lost key cost?", None)
    answer = Answer(
        "a", asked, "Keys are round.", (found,), places, "", Timings(), NOW, kind=AnswerKind.QUOTED
    )
    assert handbook_rounds.judge_shown(question("lost"), answer)
    assert not handbook_rounds.judge_kept(question("lost"), answer)
    assert handbook_rounds.judge_kept(
        question("lost"), replace(answer, citations=places[::-1], text=places[1].quote)
    )


async def test_where_only_the_page_is_known_its_nearest_sentence_is_the_correction(
    references: References,
) -> None:
    asked = replace(question("lost"), text="Which fee do I pay when I lose my key?", known=None)
    found = await references.write_correction(asked)
    assert found.text == "A lost key costs 40 euros."


# Figures


def measured(name: str, kind: str, *, right: bool, absent: bool = False, found: Any = (0, 1, 1)) -> Measured:
    return Measured(name, absent, kind, right, False, 0.1, () if absent else found)


def test_figures_are_shares_of_the_questions_that_the_pages_answer() -> None:
    figures = compute_figures(
        [
            measured("a", "answered", right=True),
            measured("b", "answered", right=False),
            measured("c", "declined", right=False),
            measured("d", "quoted", right=True),
            measured("e", "declined", right=True, absent=True),
        ]
    )
    values = {name: figure["value"] for name, figure in figures.items()}
    assert (values["answered"], values["right"], values["stated wrongly"]) == (0.75, 0.5, 0.25)
    assert (values["declined wrongly"], values["quoted rightly"], values["invented"]) == (0.25, 0.25, 0.0)
    assert (values["recall@1"], values["recall@5"], values["rightly declined"]) == (0.0, 1.0, 1.0)
    assert 0.1 < figures["right"]["low"] < 0.5 < figures["right"]["high"] < 0.9  # type: ignore[operator]
    assert make_figure([])["value"] is None


def test_a_change_is_told_with_its_bounds() -> None:
    before = [measured(str(at), "answered", right=at < 2) for at in range(10)]
    after = [measured(str(at), "answered", right=at < 9) for at in range(10)]
    change = compare(before, after)["right"]
    assert change["change"] == 0.7
    assert 0.3 < change["low"] < 0.7 < change["high"] <= 1.0
    assert change["p"] == 0.0156


def test_reach_counts_who_got_whose_ruling() -> None:
    rows = [
        {"kind": "", "own": True, "offered": False, "other": False},
        {"kind": "", "own": False, "offered": True, "other": True},
        {"kind": "", "own": False, "offered": False, "other": False},
        {"kind": "number", "own": False, "offered": True, "other": False},
    ]
    values = {name: figure["value"] for name, figure in compute_reach(rows).items()}
    assert values == {
        "reach": 0.3333,
        "reach or offer": 0.6667,
        "wrong reach": 0.0,
        "wrong offer": 1.0,
        "stray": 0.25,
    }


def test_what_was_never_served_is_counted_and_not_timed() -> None:
    assert compute_lag([0.2, None, 0.4]) == {"count": 3, "never": 1, "p50_s": 0.3, "longest_s": 0.4}
    assert compute_lag([])["p50_s"] is None


def test_recall_is_the_share_of_the_evidence_that_the_first_passages_have() -> None:
    texts = ("Keys are with the porter.", "Nothing.", "A lost key costs 40 euros.")
    passages = [Passage(f"/p{at}", "", "", text, "h", NOW) for at, text in enumerate(texts)]
    evidence = ["A **lost** key [costs](https://example.org) 40 euros.", "keys are with the porter"]
    assert measure_recall(evidence, passages) == (0.5, 1.0, 1.0)


def test_the_jobs_that_learn_nothing_are_known_by_name() -> None:
    assert set(JOBS) >= HOUSEKEEPING
    assert UPDATE in JOBS


# The whole


def replay(folder: Path, *more: str) -> Any:
    pages, questions, paraphrases = write_handbook(folder)
    options = ["--pages", str(pages), "--questions", str(questions), "--paraphrases", str(paraphrases)]
    options += ["--data-dir", str(folder / "data"), "--base-model", "canned", "--rounds", "2", *more]
    return CliRunner().invoke(app, ["learn-demo", *options], env={"COLUMNS": "200"})


def test_a_replay_that_is_interrupted_goes_on_and_ends_with_figures_a_table_and_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handbook, "NEWCOMERS", tmp_path / "none.jsonl")
    folder = tmp_path / "data" / "learn-demo"
    ruled: list[str] = []
    judge = handbook_rounds.judge_shown

    def tired(asked: HandbookQuestion, answer: Any) -> bool:
        ruled.append(asked.id)
        if len(ruled) == 2:
            raise KeyboardInterrupt
        return judge(asked, answer)

    with monkeypatch.context() as patch:
        patch.setattr(handbook_rounds, "judge_shown", tired)
        assert replay(tmp_path).exit_code != 0
    assert (folder / "rounds" / "0.json").exists()
    assert not (folder / "rounds" / "1.json").exists()

    done = replay(tmp_path)
    assert done.exit_code == 0, done.output
    assert "nobody asked: recall@1" in done.output
    results = json.loads((folder / "results.json").read_text())
    before, _, last = results["rounds"]
    asked = sum(sum(one["rulings"].values()) for one in results["rounds"])
    plan = dealt(tmp_path)
    assert asked == sum(map(len, plan.rounds))
    assert before["sets"]["again"]["verified"]["value"] == 0.0
    assert last["sets"]["again"]["verified"]["value"] == 1.0
    assert last["sets"]["again"]["right"]["value"] == 1.0
    assert last["sets"]["other"]["verified"]["value"] == 0.0
    assert last["reach"]["reach"]["value"] == 1.0, "the same words in lower case"
    assert last["reach"]["wrong reach"]["value"] == 0.0
    lags = [one["lag"] for one in results["rounds"] if one["lag"]["count"]]
    assert lags
    assert all(one["never"] == 0 and one["longest_s"] < 10 for one in lags)
    assert ElementTree.fromstring((folder / "curve.svg").read_text()).tag.endswith("svg")  # noqa: S314 - our own
    assert "<svg" in (folder / "report.html").read_text()

    asyncio.run(check_store(folder / "data", {one.id for part in plan.rounds for one in part}))

    again = replay(tmp_path, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == results, "everything was done already"
    other = replay(tmp_path, "--seed", "8")
    assert other.exit_code != 0
    assert "another folder" in str(other.exception)


def test_questions_about_other_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handbook, "NEWCOMERS", tmp_path / "none.jsonl")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "other.md").write_text("# Other\n\nNothing of it.")
    done = replay(tmp_path, "--pages", str(tmp_path / "empty"))
    assert done.exit_code != 0
    assert "name their folder with --pages" in str(done.exception)


def test_options_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    options = ["learn-demo", "--train", "--data-dir", str(tmp_path / "data")]
    squad = CliRunner().invoke(app, options, env={"COLUMNS": "200"})
    assert squad.exit_code == 2
    assert "give --questions, too" in squad.output
    both = replay(tmp_path, "towns.json")
    assert both.exit_code == 2


async def check_store(data_dir: Path, asked: set[str]) -> None:
    """Every question of the rounds has one ruling, and what measures is not kept."""
    async with open_store(Settings(data_dir=data_dir)) as store:  # pyright: ignore
        settled, _ = await ReviewRepository(store.documents).reviews(SETTLED, 100)
        answers = [await store.answer(review.answer_id) for review in settled]
        assert sorted(one.question.id.rpartition("/")[2] for one in answers if one) == sorted(asked)
        assert all(len(review.verdicts) == 1 for review in settled)
        corrected = [one for review in settled for one in review.verdicts if one.ruling is Ruling.CORRECTED]
        assert all(isinstance(one.citation, Citation) for one in corrected)
        assert corrected
        assert not await store.take_undelivered()

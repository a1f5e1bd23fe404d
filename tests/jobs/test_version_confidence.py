"""A trained version's confidence: asked and judged over pages, kept, served, forgotten, fitted anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.bootstrap import forgetting
from core.records import Answer, Hit, Passage, Span
from core.sentences import pieces
from core.settings import Settings
from feedback.examples.build import Work, build
from feedback.examples.convert import ExampleRules, Reviewed
from feedback.examples.dataset import read_examples
from feedback.privacy.delete import DeletionHooks, delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from jobs.version_confidence import Fitting, fit_confidence, fit_forgotten, make_fitting
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.grounding import Reading
from model.answering.version_confidence import parse_version_confidence
from model.evaluation.version_fit import LEAST
from model.onnx_infer import EngineFailed
from model.registry.rollout import promote
from model.registry.versions import find_version, write_version
from model.text.prompt import NOT_ON_PAGE
from tests.builders.examples import LATER, corrected, keep, passage
from tests.builders.swapping import Memory, swapping
from tests.builders.versions import make_version

NAME = "tiny-1a2b-int8"
RULES = ExampleRules(not_on_page=NOT_ON_PAGE, held_out_share=0.2, per_asker=1000, per_reviewer=1000)


def page_of(number: int) -> Passage:
    text = f"Team {number} is large. It has {number + 3} days of leave."
    return passage(text, f"/site/team{number}#top")


def reviewed(numbers: Sequence[int], **changes: str) -> list[Reviewed]:
    """Corrections to what the second sentence of each page says."""
    return [
        corrected(
            number,
            f"How many days of leave has team {number}?",
            f"It has {number + 3} days of leave.",
            passages=(page_of(number),),
            **changes,
        )
        for number in numbers
    ]


@dataclass
class House:
    """A store with a dataset of its reviews, and a version that was trained on it."""

    folder: Path
    store: SqliteStore
    dataset: Path = Path()
    said: str = "Team {} is large."
    asked: list[str | None] = field(default_factory=list[str | None])

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def fitting(self) -> Fitting:
        return Fitting(self.models, self.store.answer, self._open)

    async def review(self, *reviews: Reviewed) -> None:
        await keep(self.store, reviews)
        repository = ReviewRepository(self.store.documents)
        card = await build(self.store, repository, self.folder / "datasets", RULES, Work(LATER))
        self.dataset = self.folder / "datasets" / card.name
        make_version(self.models, "tiny-int8", age_days=2)
        version = make_version(self.models, NAME, age_days=1, parent="tiny-int8")
        recipe = {"recipe": {"validation_share": 0.5, "span_sentences": 0, "passages": 1}}
        write_version(replace(version, training=recipe, dataset=card.name))
        promote(self.models, "tiny-int8")
        promote(self.models, NAME)

    async def fit(self, **changes: object) -> Sequence[str]:
        fitting = replace(self.fitting, **changes)  # type: ignore[arg-type]
        return await fit_confidence(fitting, NAME, self.dataset, lambda _step, _share: None)

    @asynccontextmanager
    async def _open(self, name: str) -> AsyncGenerator[Answering]:
        """The bot's chain, with a model that says the wrong sentence of the right page."""
        assert name == NAME

        async def search(query: str, _limit: int, page_url: str | None) -> list[Hit]:
            self.asked.append(page_url)
            number = int(query.rstrip("?").split()[-1])
            said[:] = [self.said.format(number)]
            found = page_of(number)
            spans = tuple(
                Span(one.start, one.end, 0.8 if "days" in found.text[one.start : one.end] else 0.4)
                for one in pieces(found.text)
            )
            return [Hit(found, 2.0 + number % 5, 0.8, 6.0, spans)]

        said = [""]
        acquire = always_acquire(CannedChatModel(lambda _: said[0]), name, Reading(sentences=0))
        yield Answering(acquire, search, AnswerRules())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield House(tmp_path, store)
    await store.close()


async def test_a_version_that_states_the_wrong_sentence_is_not_sure_of_it_any_more(house: House) -> None:
    await house.review(*reviewed(range(120)))
    written, page = await house.fit()
    assert written.startswith("The confidence «written» is fitted to")
    assert page.startswith("The confidence «page» is fitted to")
    version = find_version(house.models, NAME)
    own = parse_version_confidence(version.confidence)
    assert own is not None
    figures = version.confidence["figures"]
    assert figures["written_judged"] >= LEAST
    assert (figures["written_right"], figures["page_right"]) == (0.0, 1.0)
    assert own.written["bias"] < 0 < figures["written_likely_before"]
    learned = {one.answer_id for one in read_examples(house.dataset)}
    assert set(version.confidence["answers"]) <= learned
    assert len(version.confidence["answers"]) < len(learned) / 2, "what it learned from was not asked"


async def test_what_was_asked_of_a_page_is_asked_of_that_page_again_and_whose_answer_is_gone_is_not(
    house: House,
) -> None:
    on_page = [
        replace(one, answer=replace(one.answer, question=replace(one.answer.question, page_url="/site/t")))
        for one in reviewed(range(120))
    ]
    await house.review(*on_page)
    await house.fit()
    assert len(house.asked) > LEAST
    assert set(house.asked) == {"/site/t"}

    async def gone(_: str) -> Answer | None:
        return None

    house.asked.clear()
    make = find_version(house.models, NAME)
    write_version(replace(make, confidence={}))
    told = await house.fit(find_answer=gone)
    assert "0 answers could be judged" in told[0]
    assert house.asked == []


async def test_with_too_few_reviews_no_version_is_opened_and_the_manifest_says_why(house: House) -> None:
    await house.review(*reviewed(range(12)))
    told = await house.fit(opens=None)
    assert f"{LEAST} are needed" in told[0]
    version = find_version(house.models, NAME)
    assert list(version.confidence["reasons"]) == list(told)
    assert parse_version_confidence(version.confidence) is None


async def test_what_is_fitted_is_not_asked_again(house: House) -> None:
    await house.review(*reviewed(range(120)))
    first = await house.fit()
    asked = len(house.asked)
    assert list(await house.fit()) == list(first)
    assert len(house.asked) == asked


async def test_a_model_that_cannot_be_loaded_leaves_the_shipped_weights_and_is_tried_again(
    house: House,
) -> None:
    await house.review(*reviewed(range(120)))

    @asynccontextmanager
    async def fails(_: str) -> AsyncGenerator[Answering]:
        raise EngineFailed("no memory is left")
        yield  # pragma: no cover

    told = await house.fit(opens=fails)
    assert told == ["The confidence stays as shipped, since it could not be fitted: no memory is left"]
    assert find_version(house.models, NAME).confidence == {}
    assert (await house.fit())[0].startswith("The confidence «written» is fitted")


async def test_who_deletes_their_data_is_in_no_confidence_and_the_next_night_fits_without_them(
    house: House,
) -> None:
    await house.review(*reviewed(range(100)), *reviewed(range(200, 240), by="ada"))
    await house.fit()
    before = find_version(house.models, NAME).confidence
    theirs = {one.answer.id for one in reviewed(range(200, 240), by="ada")}
    assert theirs & set(before["answers"])
    begun = Deletion("ada", "one", datetime.now(UTC), by="ada")
    deletion = await Deletions(house.store.documents).begin(begun)
    await delete(house.store, deletion, DeletionHooks(forgetting(Settings(data_dir=house.folder))))
    manifest = find_version(house.models, NAME).folder / "version.json"
    left = find_version(house.models, NAME).confidence
    assert parse_version_confidence(left) is None
    assert "deleted" in left["reasons"][0]
    assert not any(one in manifest.read_text("utf-8") for one in theirs)
    await fit_forgotten(house.fitting, house.folder / "datasets", lambda _step, _share: None)
    after = find_version(house.models, NAME).confidence
    assert parse_version_confidence(after) is not None
    assert set(after["answers"]) == set(before["answers"]) - theirs


async def test_a_deletion_of_somebody_else_leaves_it(house: House) -> None:
    await house.review(*reviewed(range(120)))
    await house.fit()
    before = find_version(house.models, NAME).confidence
    await forgetting(Settings(data_dir=house.folder))(["another answer"], "ada")
    assert find_version(house.models, NAME).confidence == before
    await fit_forgotten(house.fitting, house.folder / "datasets", lambda _step, _share: None)
    assert find_version(house.models, NAME).confidence == before


async def test_what_is_deleted_while_it_is_fitted_is_not_in_it(house: House) -> None:
    await house.review(*reviewed(range(100)), *reviewed(range(200, 240), by="ada"))
    theirs = [one.answer.id for one in reviewed(range(200, 240), by="ada")]
    forget = forgetting(Settings(data_dir=house.folder))

    async def find(answer_id: str) -> Answer | None:
        found = await house.store.answer(answer_id)
        if not house.asked:
            await forget(theirs, "ada")
        return found

    told = await house.fit(find_answer=find)
    assert "deleted" in told[0]
    assert parse_version_confidence(find_version(house.models, NAME).confidence) is None


async def test_a_bot_that_runs_takes_what_was_fitted_and_lets_go_of_what_was_forgotten(house: House) -> None:
    memory = Memory()
    make_version(house.models, "first", age_days=2)
    promote(house.models, "first")
    async with swapping(house.models, memory) as running:

        def own() -> object:
            with running.acquire("c") as loaded:
                return loaded.confidence

        async def until(fitted: bool) -> None:
            async with asyncio.timeout(30):
                while (own() is not None) != fitted:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        assert own() is None
        version = find_version(house.models, "first")
        weights = {"written": {"bias": 0.5}, "page": {"bias": 1.0}, "answers": ["a1"], "made_at": "2026"}
        write_version(replace(version, confidence=weights))
        await until(fitted=True)
        await forgetting(Settings(data_dir=house.folder))(["a1"], "ada")
        await until(fitted=False)
        assert memory.loaded["first"] == 1, "it was not loaded anew for that"


async def test_the_settings_open_the_pages_and_the_version(tmp_path: Path) -> None:
    """What cannot be opened is a sentence: there is no page index, and no model behind the manifest."""
    settings = Settings(data_dir=tmp_path)
    fitting = make_fitting(settings, lambda _: asyncio.sleep(0, None))
    assert fitting.models_dir == settings.models_dir
    told = await fit_confidence(fitting, "nothing-int8", tmp_path, lambda _step, _share: None)
    assert "there is no model version 'nothing-int8'" in told[0]

"""Pages are cut into passages that stand in them word for word, kept, and found again."""

from __future__ import annotations

import asyncio
import itertools
import re
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.records import Page, Section
from pages.index.base import IndexUnavailable
from pages.index.chunking import cut_passages
from pages.index.embeddings import HashedEmbedder, Vectors
from pages.index.ranking import Ranking
from pages.index.sqlite import FileIndex
from pages.parse.extract import page_hash

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEAVE = "Everyone gets 26 days of leave.\n\nPart-timers get leave by their hours."
TRAVEL = "Book flights in the travel tool.\n\nKeep every receipt of a taxi."


def page(url: str, *texts: str, title: str = "Handbook") -> Page:
    sections = tuple(Section(f"Part {n}", f"part-{n}", text) for n, text in enumerate(texts, 1))
    return Page(url, title, sections, page_hash(title, sections), NOON)


@pytest.fixture
def embedder() -> HashedEmbedder:
    return HashedEmbedder()


@pytest.fixture
async def index(tmp_path: Path, embedder: HashedEmbedder) -> AsyncGenerator[FileIndex]:
    opened = await FileIndex.open(tmp_path, embedder)
    yield opened
    await opened.close()


async def texts(index: FileIndex, question: str, *, limit: int = 9, page_url: str | None = None) -> list[str]:
    return [hit.passage.text for hit in await index.search(question, limit=limit, page_url=page_url)]


def words(text: str) -> int:
    return len(text.split())


def passages(text: str, longest: int) -> list[str]:
    return [one.passage.text for one in cut_passages(page("/site/a", text), words, longest)]


def test_paragraphs_are_packed_while_they_fit() -> None:
    assert passages("one two\n\nthree four\n \nfive six", 4) == ["one two\n\nthree four", "five six"]


def test_a_paragraph_that_fits_is_never_cut() -> None:
    assert passages("one two. Three.\n\nFour five. Six seven.", 4) == [
        "one two. Three.",
        "Four five. Six seven.",
    ]


def test_a_long_paragraph_is_cut_between_sentences_and_lines() -> None:
    text = 'He said "No one." (Nobody!) Then 3.5 days passed.\n- milk and eggs\n- bread and salt'
    assert passages(text, 4) == [
        'He said "No one."',
        "(Nobody!)",
        "Then 3.5 days passed.",
        *text.split("\n")[1:],
    ]


def test_a_long_sentence_is_cut_between_words() -> None:
    assert passages("a b c d e", 2) == ["a b", "c d", "e"]


def test_text_without_spaces_is_cut_between_its_sentences_or_anywhere() -> None:
    text = "一二三四。五六七。八九十!" + "x" * 30
    found = [one.passage.text for one in cut_passages(page("/site/a", text), len, 8)]
    assert found[:2] == ["一二三四。", "五六七。"]
    assert "".join(found) == text
    assert all(len(one) <= 8 for one in found)


@pytest.mark.parametrize("text", ["", " \n\n ", "\n\n\n"])
def test_a_section_without_text_has_no_passages(text: str) -> None:
    assert passages(text, 5) == []


def test_every_word_of_real_pages_is_in_one_passage_of_its_section(shared_data: Path) -> None:
    for file in sorted((shared_data / "handbook" / "pages").rglob("*.md"))[::8]:
        text = file.read_text("utf-8")
        found = passages(text, 60)
        assert all(one in text and words(one) <= 60 for one in found)
        assert " ".join(found).split() == text.split()


async def test_a_passage_opens_at_its_section_and_keeps_what_the_page_was(index: FileIndex) -> None:
    await index.add(page("/site/leave", LEAVE, TRAVEL, title="Time off"), source="docs")
    [hit] = await index.search("receipt for a taxi", limit=1)
    assert hit.passage.url == "/site/leave#part-2"
    assert (hit.passage.title, hit.passage.heading, hit.passage.text) == ("Time off", "Part 2", TRAVEL)
    assert hit.passage.page_hash == page("", LEAVE, TRAVEL, title="Time off").page_hash
    assert hit.passage.fetched_at == NOON
    assert -1 <= hit.similarity <= 1


async def test_titles_and_headings_are_searched_but_are_not_the_passage(index: FileIndex) -> None:
    await index.add(page("/site/a", "Ask your supervisor.", title="Sabbaticals"), source="docs")
    await index.add(page("/site/b", "Ask the travel office.", title="Flights"), source="docs")
    assert await texts(index, "sabbatical", limit=1) == ["Ask your supervisor."]


async def test_words_match_in_other_forms(index: FileIndex) -> None:
    await index.add(page("/site/a", "Supervisors approve requests for leave."), source="docs")
    await index.add(page("/site/b", "The kitchen closes at six."), source="docs")
    [first, *_] = await index.search("Who is APPROVING a request?", limit=2)
    assert first.passage.url.startswith("/site/a")


async def test_nothing_is_found_in_nothing(index: FileIndex) -> None:
    assert await texts(index, "leave") == []
    await index.add(page("/site/empty"), source="docs")
    assert await texts(index, "leave") == []
    assert await texts(index, "leave", page_url="/site/empty") == []
    assert await texts(index, "leave", page_url="/site/unknown") == []
    await index.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(index, "leave", limit=0) == []


@pytest.mark.parametrize("question", ["", "the of and", "\ud83d", "\0", "%s' OR 1=1 --", "x" * 20_000])
async def test_any_question_may_be_asked(index: FileIndex, question: str) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(index, question) == [LEAVE]


async def test_a_page_alone_can_be_searched(index: FileIndex) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.add(page("/site/travel", TRAVEL), source="docs")
    assert await texts(index, "days of leave", page_url="/site/travel") == [TRAVEL]


async def test_a_pasted_page_answers_only_questions_about_itself(index: FileIndex) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.add(page("https://example.com/mine", "My secret salary is 26."), source=None)
    assert await texts(index, "secret salary") == [LEAVE]
    assert await texts(index, "secret salary", page_url="https://example.com/mine") == [
        "My secret salary is 26."
    ]
    await index.add(
        page("https://example.com/mine", "My secret salary is 26."), source="https://example.com/mine"
    )
    assert await texts(index, "secret salary", limit=1) == ["My secret salary is 26."]


async def test_pasting_a_page_of_a_source_does_not_hide_it(index: FileIndex) -> None:
    for text in (LEAVE, TRAVEL):
        await index.add(page("/site/leave", LEAVE), source="docs")
        await index.add(page("/site/leave", text), source=None)
        assert await texts(index, "leave") == [text]
        entry = index.entry("/site/leave")
        assert entry is not None
        assert entry.source == "docs"


async def test_the_same_text_on_two_pages_is_found_once(index: FileIndex) -> None:
    for name in "abc":
        await index.add(page(f"/site/{name}", LEAVE, title=name), source="docs")
    await index.add(page("/site/travel", TRAVEL), source="docs")
    assert await texts(index, "leave", limit=2) == [LEAVE, TRAVEL]


async def test_an_unchanged_page_is_not_embedded_again(index: FileIndex, embedder: HashedEmbedder) -> None:
    assert await index.add(page("/site/leave", LEAVE, TRAVEL), source="docs")
    seen = embedder.texts_seen
    later = Page(
        **{
            **_fields(page("/site/leave", LEAVE, TRAVEL)),
            "fetched_at": NOON + timedelta(days=1),
            "etag": '"2"',
        }
    )
    assert not await index.add(later, source="docs")
    assert await index.page("/site/leave") == later
    assert embedder.texts_seen == seen


async def test_of_a_changed_page_only_changed_passages_are_embedded(
    index: FileIndex, embedder: HashedEmbedder
) -> None:
    await index.add(page("/site/leave", LEAVE, TRAVEL), source="docs")
    await texts(index, "leave")
    seen = embedder.texts_seen
    assert await index.add(page("/site/leave", LEAVE, "Trains only."), source="docs")
    assert embedder.texts_seen == seen + 2  # the passage, and its only sentence
    assert sorted(await texts(index, "leave")) == sorted([LEAVE, "Trains only."])


async def test_of_a_changed_passage_only_changed_sentences_are_embedded(
    index: FileIndex, embedder: HashedEmbedder
) -> None:
    await index.add(page("/site/leave", f"{LEAVE} {TRAVEL}"), source="docs")
    seen = embedder.texts_seen
    await index.add(page("/site/leave", f"{LEAVE} Walk. {TRAVEL}"), source="docs")
    assert embedder.texts_seen == seen + 2  # the passage, and "Walk."


async def test_a_typing_error_is_mended_where_it_is_no_word(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, ShortWords())
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.add(page("/site/travel", TRAVEL), source="docs")
    assert await texts(index, "recepit", limit=1) == [TRAVEL]
    assert await texts(index, "flihgts and levae", limit=1) == await texts(
        index, "flights and leave", limit=1
    )
    await index.close()


async def test_what_somebody_pasted_mends_nobody_elses_question(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, ShortWords())
    await index.add(page("/site/secret", "The merger with Zanzibar is near."), source=None)
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.add(page("/site/travel", TRAVEL), source="docs")
    [hit, _] = await index.search("zanzibra", limit=2)
    assert hit.words == 0
    [hit] = await index.search("zanzibra", limit=2, page_url="/site/secret")
    assert hit.words > 0
    await index.close()


class ShortWords(HashedEmbedder):
    """To this double no word that is mistyped here is one."""

    def count_tokens(self, text: str) -> int:
        return 2 if len(text.split()) == 1 else super().count_tokens(text)


async def test_a_passage_is_found_by_its_best_sentence(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder(), ranking=Ranking(words=1, meaning=1, sentence=1))
    filler = " ".join(f"Some other matter, number {number}, is told at length." for number in range(8))
    await index.add(page("/site/long", f"{filler} Parking costs nothing. {filler}"), source="docs")
    for number in range(9):
        await index.add(
            page(f"/site/{number}", f"Matter {number} is about the {number}th parking fine."), source="docs"
        )
    [hit] = await index.search("parking costs nothing", limit=1)
    nearest = max(hit.spans, key=lambda span: span.similarity)
    assert hit.passage.text[nearest.start : nearest.end] == "Parking costs nothing."
    await index.close()


async def test_a_file_without_sentences_is_made_anew_from_its_pages(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite3")
    connection.execute("ALTER TABLE passages DROP COLUMN sentences")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    [hit] = await index.search("leave", limit=1)
    assert len(hit.spans) == 2
    await index.close()


async def test_a_removed_page_is_found_no_more(index: FileIndex) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(index, "leave") == [LEAVE]
    assert await index.remove("/site/leave")
    assert not await index.remove("/site/leave")
    assert await texts(index, "leave") == []
    assert await index.page("/site/leave") is None
    assert index.entries() == []


async def test_the_index_is_there_after_opening_again_without_embedding(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    kept = page("/site/leave", LEAVE, TRAVEL)
    await index.add(kept, source="docs")
    await index.close()
    embedder = HashedEmbedder()
    index = await FileIndex.open(tmp_path, embedder)
    assert embedder.texts_seen == 0
    assert await index.page("/site/leave") == kept
    assert await texts(index, "taxi", limit=1) == [TRAVEL]
    [entry] = index.entries()
    assert (entry.url, entry.title, entry.passages, entry.source) == ("/site/leave", "Handbook", 2, "docs")
    await index.close()


async def test_another_passage_length_makes_the_index_anew(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.close()
    index = await FileIndex.open(tmp_path, HashedEmbedder(), passage_tokens=7)
    assert sorted(await texts(index, "leave")) == sorted(LEAVE.split("\n\n"))
    await index.close()


async def test_what_another_process_writes_is_found_at_once(tmp_path: Path) -> None:
    one, two = [await FileIndex.open(tmp_path, HashedEmbedder()) for _ in range(2)]
    assert await texts(one, "leave") == []
    await two.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(one, "leave") == [LEAVE]
    await two.add(page("/site/leave", TRAVEL), source="docs")
    assert await texts(one, "leave") == [TRAVEL]
    await two.remove("/site/leave")
    assert await texts(one, "leave") == []
    await one.close()
    await two.close()


async def test_threads_search_while_others_write(index: FileIndex) -> None:
    await index.add(page("/site/fixed", LEAVE), source="docs")
    ended = asyncio.Event()

    async def write(name: str) -> None:
        for number in range(10):
            await index.add(page(f"/site/{name}", f"Draft {number} of {name}."), source="docs")
        await index.remove(f"/site/{name}")

    async def search() -> int:
        found = 0
        while not ended.is_set():
            found += await texts(index, "days of leave", limit=1) == [LEAVE]
        return found

    searches = [asyncio.create_task(search()) for _ in range(2)]
    await asyncio.gather(*(write(name) for name in "abcd"))
    ended.set()
    assert all(found > 0 for found in await asyncio.gather(*searches))
    assert await texts(index, "draft") == [LEAVE]


async def test_a_page_that_is_written_again_at_every_look_is_found_all_the_same(tmp_path: Path) -> None:
    other = await FileIndex.open(tmp_path, HashedEmbedder())
    await other.add(page("/site/leave", LEAVE), source="docs")
    drafts, loop = itertools.count(), asyncio.get_running_loop()

    class WhoseQuestionsTakeLong(HashedEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            draft = page("/site/leave", f"Draft {next(drafts)} of the days of leave.")
            asyncio.run_coroutine_threadsafe(other.add(draft, source="docs"), loop).result()
            return super().embed(texts)

    index = await FileIndex.open(tmp_path, WhoseQuestionsTakeLong())
    assert (await texts(index, "days of leave"))[0].startswith("Draft ")
    assert next(drafts) > 1, "the page was written again while it was looked for"
    await index.close()
    await other.close()


async def test_a_huge_page_is_searched_as_far_as_it_goes(
    index: FileIndex, caplog: pytest.LogCaptureFixture
) -> None:
    huge = "\n\n".join(f"Row {number} " + "filler " * 178 for number in range(2100))
    await index.add(page("/site/huge", huge), source="docs")
    assert index.entries()[0].passages == 2000
    assert "only the first 2000 passages are searched" in caplog.text


@pytest.mark.parametrize("damage", ["text", "newer"])
async def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(tmp_path: Path, damage: str) -> None:
    await (await FileIndex.open(tmp_path, HashedEmbedder())).close()
    file = tmp_path / "index.sqlite3"
    if damage == "text":
        file.write_text("Dear diary, " * 1000)
    else:
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    with pytest.raises(IndexUnavailable, match=re.compile("delete", re.IGNORECASE)):
        await FileIndex.open(tmp_path, HashedEmbedder())


def _fields(page: Page) -> dict[str, object]:
    return {name: getattr(page, name) for name in Page.__slots__}

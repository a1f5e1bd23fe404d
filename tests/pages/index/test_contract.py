"""What every form of the page index must do: the file, and the shared container (on the server here).

What the server cannot do (rank, and tell what is new) is done by tests/doubles/cosmos_search.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from core.records import Page
from pages.index.base import Indexes, PageEntry
from pages.index.embeddings import HashedEmbedder
from tests.builders.pages import LEAVE, NOON, TRAVEL, Opening, embedder, index, opening, page, texts

__all__ = ["embedder", "index", "opening"]


async def test_a_page_comes_back_as_it_was_and_its_entry_tells_of_it(index: Indexes) -> None:
    kept = replace(page("/site/leave", LEAVE, 'Half "quoted" \\ \u00fc \U0001f600.'), etag='"1"')
    assert await index.add(kept, source="docs")
    assert await index.page("/site/leave") == kept
    entry = PageEntry("/site/leave", "Handbook", kept.page_hash, NOON, 2, "docs", '"1"')
    assert index.entry("/site/leave") == entry
    assert index.entries() == [entry]


async def test_a_page_that_is_not_there_is_none(index: Indexes) -> None:
    assert index.entry("/site/leave") is None
    assert await index.page("/site/leave") is None
    assert not await index.remove("/site/leave")
    await index.touch("/site/leave", source="docs", fetched_at=NOON)
    assert index.entries() == []


async def test_a_hit_has_its_passage_with_where_it_opens_and_what_its_page_was(index: Indexes) -> None:
    await index.add(page("/site/leave", LEAVE, TRAVEL, title="Time off"), source="docs")
    [hit, other] = await index.search("receipt for a taxi", limit=2)
    assert hit.passage.url == "/site/leave#part-2"
    assert (hit.passage.title, hit.passage.heading, hit.passage.text) == ("Time off", "Part 2", TRAVEL)
    assert hit.passage.page_hash == page("", LEAVE, TRAVEL, title="Time off").page_hash
    assert hit.passage.fetched_at == NOON
    assert hit.score > other.score
    assert 1 >= hit.similarity > other.similarity >= -1


async def test_a_hit_has_its_words_and_every_sentence_with_its_cosine(index: Indexes) -> None:
    text = "You need:\n\n- a badge\n- two photographs\n\nCountry | Rate\nNorway | 190 EUR"
    await index.add(page("/site/leave", LEAVE, text), source="docs")
    for page_url in (None, "/site/leave"):
        [hit, other] = await index.search("the rate in Norway", limit=2, page_url=page_url)
        assert hit.passage.text == text
        assert hit.words > other.words == 0
        found = {text[span.start : span.end]: span.similarity for span in hit.spans}
        assert list(found) == [
            "You need:",
            "- a badge",
            "- two photographs",
            "Country | Rate",
            "Norway | 190 EUR",
        ]
        assert max(found, key=lambda one: found[one]) == "Norway | 190 EUR", "it is read with its header"
        assert all(-1.01 < similarity < 1.01 for similarity in found.values())
    [hit] = await index.search("the rate in Norway", limit=1)
    assert [len(hit.spans)] == [5]


async def test_a_word_of_the_question_that_only_asks_weighs_nothing(index: Indexes) -> None:
    await index.add(page("/site/a", "How and why we do what we do."), source="docs")
    await index.add(page("/site/b", "Taxi receipts are kept."), source="docs")
    words = {hit.passage.text: hit.words for hit in await index.search("how do we do taxi", limit=2)}
    assert words["Taxi receipts are kept."] > words["How and why we do what we do."] == 0


async def test_words_match_in_other_forms_and_titles_are_searched(index: Indexes) -> None:
    await index.add(page("/site/a", "Supervisors approve requests for leave."), source="docs")
    await index.add(page("/site/b", "The kitchen closes at six.", title="Sabbaticals"), source="docs")
    assert await texts(index, "Who is APPROVING a request?", limit=1) == [
        "Supervisors approve requests for leave."
    ]
    assert await texts(index, "sabbatical", limit=1) == ["The kitchen closes at six."]


async def test_nothing_is_found_in_nothing(index: Indexes) -> None:
    assert await texts(index, "leave") == []
    await index.add(page("/site/empty"), source="docs")
    assert await texts(index, "leave") == []
    assert await texts(index, "leave", page_url="/site/empty") == []
    assert await texts(index, "leave", page_url="/site/unknown") == []
    await index.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(index, "leave", limit=0) == []


@pytest.mark.parametrize(
    "question",
    ["", "the of and", "\ud83d", "\0", "%s' OR 1=1 --", "c.pk = 'x' \"", "x" * 20_000, "word " * 999],
)
async def test_any_question_may_be_asked(index: Indexes, question: str) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(index, question) == [LEAVE]


async def test_a_page_alone_can_be_searched(index: Indexes) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.add(page("/site/travel", TRAVEL), source="docs")
    assert await texts(index, "days of leave", page_url="/site/travel") == [TRAVEL]


async def test_a_pasted_page_answers_only_questions_about_itself(index: Indexes) -> None:
    secret = page("https://example.com/mine", "My secret salary is 26.")
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.add(secret, source=None)
    assert await texts(index, "secret salary") == [LEAVE]
    assert await texts(index, "secret salary", page_url=secret.url) == ["My secret salary is 26."]
    assert not await index.add(secret, source="https://example.com/mine")
    assert await texts(index, "secret salary", limit=1) == ["My secret salary is 26."]


async def test_pasting_a_page_of_a_source_does_not_hide_it(index: Indexes) -> None:
    for text in (LEAVE, TRAVEL):
        await index.add(page("/site/leave", LEAVE), source="docs")
        await index.add(page("/site/leave", text), source=None)
        assert await texts(index, "leave") == [text]
        assert [entry.source for entry in index.entries()] == ["docs"]


async def test_the_same_text_on_many_pages_is_found_once(index: Indexes) -> None:
    for number in range(16):
        await index.add(page(f"/site/{number}", LEAVE, title=f"Days of leave {number}"), source="docs")
    await index.add(page("/site/travel", TRAVEL, title="Other"), source="docs")
    assert await texts(index, "days of leave", limit=2) == [LEAVE, TRAVEL]


async def test_an_unchanged_page_is_not_embedded_again(index: Indexes, embedder: HashedEmbedder) -> None:
    assert await index.add(page("/site/leave", LEAVE, TRAVEL), source="docs")
    seen = embedder.texts_seen
    later = replace(page("/site/leave", LEAVE, TRAVEL), fetched_at=NOON + timedelta(days=1), etag='"2"')
    assert not await index.add(later, source="docs")
    assert await index.page("/site/leave") == later
    await index.touch("/site/leave", source="docs", fetched_at=NOON + timedelta(days=2))
    assert await index.page("/site/leave") == replace(later, fetched_at=NOON + timedelta(days=2))
    assert embedder.texts_seen == seen


async def test_of_a_changed_page_only_changed_passages_are_embedded(
    index: Indexes, embedder: HashedEmbedder
) -> None:
    await index.add(page("/site/leave", LEAVE, TRAVEL), source="docs")
    seen = embedder.texts_seen
    assert await index.add(page("/site/leave", LEAVE, "Trains only."), source="docs")
    assert embedder.texts_seen == seen + 2  # the passage, and its only sentence
    assert sorted(await texts(index, "leave")) == sorted([LEAVE, "Trains only."])


async def test_a_removed_page_is_found_no_more_and_can_come_back(index: Indexes) -> None:
    await index.add(page("/site/leave", LEAVE), source="docs")
    assert await index.remove("/site/leave")
    assert not await index.remove("/site/leave")
    assert await texts(index, "leave") == []
    assert await texts(index, "leave", page_url="/site/leave") == []
    assert await index.page("/site/leave") is None
    assert index.entries() == []
    assert await index.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(index, "leave") == [LEAVE]


async def test_the_index_is_there_after_opening_again_without_embedding(opening: Opening) -> None:
    first = await opening(HashedEmbedder())
    kept = page("/site/leave", LEAVE, TRAVEL)
    await first.add(kept, source="docs")
    embedder = HashedEmbedder()
    again = await opening(embedder)
    assert embedder.texts_seen == 0
    assert await again.page("/site/leave") == kept
    assert await texts(again, "taxi", limit=1) == [TRAVEL]
    assert [(entry.url, entry.passages, entry.source) for entry in again.entries()] == [
        ("/site/leave", 2, "docs")
    ]


async def test_what_one_process_writes_another_one_finds(opening: Opening) -> None:
    one, two = [await opening(HashedEmbedder()) for _ in range(2)]
    assert await texts(one, "leave") == []
    for text in (LEAVE, TRAVEL):
        await two.add(page("/site/leave", text), source="docs")
        wanted = page("/site/leave", text).page_hash
        await _until(lambda wanted=wanted: (found := one.entry("/site/leave")) and found.page_hash == wanted)
        assert await texts(one, "leave") == [text]
    await two.remove("/site/leave")
    await _until(lambda: one.entry("/site/leave") is None)
    assert await texts(one, "leave") == []


async def test_processes_that_add_the_same_page_at_once_keep_it_once(opening: Opening) -> None:
    indexes = [await opening(HashedEmbedder()) for _ in range(3)]
    await asyncio.gather(*(index.add(page("/site/leave", LEAVE, TRAVEL), source="docs") for index in indexes))
    for each in indexes:
        await each.warm()
        assert sorted(await texts(each, "leave")) == sorted([LEAVE, TRAVEL])
        assert len(each.entries()) == 1


async def test_a_search_sees_a_page_as_it_was_or_as_it_is_while_it_is_replaced(opening: Opening) -> None:
    writer, reader = [await opening(HashedEmbedder()) for _ in range(2)]

    def version(number: int) -> Page:
        return page("/site/rules", *(f"Rule {part} of draft {number}." for part in range(6)))

    await writer.add(version(0), source="docs")
    await writer.add(page("/site/other", TRAVEL), source="docs")
    await reader.warm()
    ended = asyncio.Event()
    seen: set[tuple[str, ...]] = set()

    async def read(page_url: str | None) -> None:
        while not ended.is_set():
            hits = await reader.search("rule of draft", limit=6, page_url=page_url)
            drafts = {hit.passage.text.rpartition(" ")[2] for hit in hits}
            assert len(hits) == 6
            assert len(drafts) == 1, sorted(hit.passage.text for hit in hits)
            assert {hit.passage.page_hash for hit in hits} == {version(int(drafts.pop()[:-1])).page_hash}
            seen.add(tuple(sorted(hit.passage.text for hit in hits)))

    readers = [asyncio.create_task(read(url)) for url in (None, "/site/rules", "/site/rules")]
    for number in range(1, 8):
        await writer.add(version(number), source="docs")
        await asyncio.sleep(0.05)
    ended.set()
    await asyncio.gather(*readers)
    assert len(seen) > 1


async def test_a_huge_page_is_searched_as_far_as_it_goes(
    index: Indexes, caplog: pytest.LogCaptureFixture
) -> None:
    huge = page("/site/huge", "\n\n".join(f"Row {number} " + "filler " * 178 for number in range(2100)))
    await index.add(huge, source="docs")
    assert index.entries()[0].passages == 2000
    assert "only the first 2000 passages are searched" in caplog.text
    assert await index.page("/site/huge") == huge


async def _until(holds: Callable[[], object]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never did")

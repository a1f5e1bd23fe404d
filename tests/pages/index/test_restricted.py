"""Pages that not everyone may read, in every form of the index: for others they are not there at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.readers import EVERYONE, NOBODY, Readers
from core.records import Page
from pages.index.base import Indexes
from pages.index.embeddings import HashedEmbedder
from pages.index.postings import Postings, SeenSpelling, SeenWords
from pages.index.ranking import Spelling, WordIndex
from pages.index.sqlite import FileIndex
from pages.readers import ReaderRules
from tests.builders.pages import LEAVE, NOON, TRAVEL, embedder, index, opening, page

__all__ = ["embedder", "index", "opening"]
HR = Readers(frozenset({"entra:group:hr"}))
PAY = "The bonus of the board is 12,000 euros a year."
FOR_HR = ("entra:group:hr", "entra:user:ada")


def secret(url: str = "/site/pay", readers: Readers = HR) -> Page:
    return replace(page(url, PAY), readers=readers)


async def found(index: Indexes, audience: tuple[str, ...] = (), page_url: str | None = None) -> list[str]:
    hits = await index.search("the bonus of the board", limit=9, page_url=page_url, audience=audience)
    return [hit.passage.url for hit in hits]


async def test_a_restricted_page_is_found_by_its_readers_alone(index: Indexes) -> None:
    await index.add(secret(), source="docs")
    await index.add(page("/site/leave", LEAVE), source="docs")
    [first, second] = await index.search("the bonus of the board", limit=9, audience=FOR_HR)
    assert (first.passage.url, first.passage.readers) == ("/site/pay#part-1", HR)
    assert second.passage.readers == EVERYONE
    for audience in ((), ("entra:group:it",), ("entra:user:hr",)):
        assert await found(index, audience) == ["/site/leave#part-1"]
        assert await found(index, audience, "/site/pay") == []
    assert await found(index, FOR_HR, "/site/pay") == ["/site/pay#part-1"]
    entry, kept = index.entry("/site/pay"), await index.page("/site/pay")
    assert entry is not None
    assert kept is not None
    assert entry.readers == kept.readers == HR
    assert index.restricted() == {"/site/pay": HR}


async def test_who_may_read_a_page_changes_at_once_without_its_text(
    index: Indexes, embedder: HashedEmbedder
) -> None:
    await index.add(page("/site/pay", PAY), source="docs")
    assert await found(index) == ["/site/pay#part-1"]
    seen = embedder.texts_seen
    await index.touch("/site/pay", source="docs", fetched_at=NOON, readers=HR)
    assert await found(index) == []
    assert await found(index, FOR_HR) == ["/site/pay#part-1"]
    assert not await index.add(secret(readers=NOBODY), source="docs"), "its text is as it was"
    assert await found(index, FOR_HR) == []
    assert index.restricted() == {"/site/pay": NOBODY}
    await index.touch("/site/pay", source="docs", fetched_at=NOON)
    assert await found(index, FOR_HR) == [], "its source says nothing new"
    await index.touch("/site/pay", source="docs", fetched_at=NOON, readers=EVERYONE)
    assert await found(index) == ["/site/pay#part-1"]
    assert index.restricted() == {}
    assert embedder.texts_seen <= seen + 10, "the questions alone were embedded"


async def test_whoever_pastes_an_address_neither_opens_nor_closes_the_page(index: Indexes) -> None:
    await index.add(secret(), source="docs")
    await index.add(page("/site/pay", PAY, TRAVEL), source=None)
    await index.touch("/site/pay", source=None, fetched_at=NOON, readers=EVERYONE)
    assert await found(index) == []
    assert await found(index, (), "/site/pay") == []
    assert index.restricted() == {"/site/pay": HR}


async def test_a_removed_page_is_remembered_as_closed(index: Indexes) -> None:
    await index.add(secret(), source="docs")
    await index.add(page("/site/leave", LEAVE), source="docs")
    for url in ("/site/pay", "/site/leave"):
        assert await index.remove(url)
    assert index.restricted() == {"/site/pay": HR}
    await index.add(page("/site/pay", PAY), source=None)
    assert index.restricted() == {"/site/pay": HR}, "what was answered from it stays closed"
    await index.add(page("/site/pay", PAY, TRAVEL), source="docs")
    assert index.restricted() == {}


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[FileIndex, FileIndex]]:
    """Return an index with closed pages, and one without them."""
    embedder = HashedEmbedder()
    whole, bare = [await FileIndex.open(tmp_path / name, embedder) for name in ("whole", "bare")]
    for number in range(12):
        text = f"Rule {number} of the office: the kitchen closes at {number}, and the bonus is small."
        for one in (whole, bare):
            await one.add(page(f"/site/{number}", text), source="docs")
        hidden = f"The severance of person {number} is the bonus of the board, and a kitchenette."
        await whole.add(replace(page(f"/site/closed/{number}", hidden), readers=HR), source="docs")
    yield whole, bare
    await whole.close()
    await bare.close()


async def test_closed_pages_leave_no_trace_in_what_others_find(two: tuple[FileIndex, FileIndex]) -> None:
    whole, bare = two
    for question in (
        "When does the kitchen close?",
        "the bonus of the board",
        "The severence?",
        "kichenette",
    ):
        seen = await whole.search(question, limit=20)
        would = await bare.search(question, limit=20)
        assert [hit.passage.text for hit in seen] == [hit.passage.text for hit in would]
        for one, other in zip(seen, would, strict=True):
            assert (one.similarity, one.spans) == (other.similarity, other.spans)
            assert one.words == pytest.approx(other.words, abs=1e-5), "how rare a word is there tells nothing"
            assert one.score == pytest.approx(other.score, abs=1e-3)
    inside = await whole.search("What is the severence?", limit=20, audience=FOR_HR)
    assert "severance" in inside[0].passage.text, "its readers' typing errors are mended with it"


def test_words_are_weighed_as_an_index_of_the_seen_passages_would() -> None:
    random = np.random.default_rng(5)
    passages = [[f"w{n}" for n in random.integers(0, 40, random.integers(1, 30))] for _ in range(200)]
    postings = Postings(passages)
    for share in (0.1, 0.5, 1.0):
        rows = np.flatnonzero(random.random(200) < share).astype(np.int64)
        index = WordIndex([passages[row] for row in rows])
        seen = SeenWords(postings, rows)
        for question in (["w1"], ["w1", "w2", "w2"], ["none"], [], ["w3", "none", "w39"]):
            assert seen.scores(question) == pytest.approx(index.scores(question), abs=1e-5)


def test_typing_errors_are_mended_with_seen_words_alone() -> None:
    words = [["vacation", "travel"], ["severance"], ["vacation"]]
    everything = Spelling(word for passage in words for word in passage)
    postings = Postings(words)
    outside = SeenSpelling(everything, postings, np.array([0, 2]))
    inside = SeenSpelling(everything, postings, np.array([0, 1, 2]))
    asked = "how much vacaiton and severence"
    assert outside.correct_question(asked, lambda _: False) == "how much vacation and severence"
    assert inside.correct_question(asked, lambda _: False) == "how much vacation and severance"
    assert SeenSpelling(everything, postings, np.zeros(0, np.int64)).nearest("vacaiton") is None


async def test_a_rule_holds_as_soon_as_the_index_is_opened_with_it(tmp_path: Path) -> None:
    before = await FileIndex.open(tmp_path, HashedEmbedder())
    await before.add(page("/site/pay", PAY), source="docs")
    await before.close()
    ruled = await FileIndex.open(tmp_path, HashedEmbedder(), rules=ReaderRules(["/site/p*=entra:group:hr"]))
    assert await found(ruled) == []
    assert await found(ruled, FOR_HR) == ["/site/pay#part-1"]
    assert ruled.restricted() == {"/site/pay": HR}
    await ruled.finish("/site/pay")
    await ruled.close()
    without = await FileIndex.open(tmp_path, HashedEmbedder())
    assert await found(without) == ["/site/pay#part-1"], "a rule that is gone leaves nothing behind"
    await without.close()


async def test_an_index_of_before_has_pages_for_everyone(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    await index.add(page("/site/leave", LEAVE), source="docs")
    connection = index._connection  # the file as version 2 had it
    connection.execute("ALTER TABLE pages DROP COLUMN readers")
    connection.execute("DROP TABLE closed")
    connection.execute("PRAGMA user_version = 2")
    await index.close()
    opened = await FileIndex.open(tmp_path, HashedEmbedder())
    entry = opened.entry("/site/leave")
    assert entry is not None
    assert entry.readers == EVERYONE
    assert entry.passages == 1, "nothing had to be made anew"
    assert opened.restricted() == {}
    await opened.close()

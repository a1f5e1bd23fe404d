"""Pages are cut into passages that stand in them word for word, kept, and found again."""

from __future__ import annotations

import itertools
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.records import Page, Section
from pages.index.base import IndexUnavailable
from pages.index.chunking import cut
from pages.index.embeddings import HashedEmbedder, Vectors
from pages.index.sqlite import PageIndex
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
def index(tmp_path: Path, embedder: HashedEmbedder) -> Iterator[PageIndex]:
    opened = PageIndex.open(tmp_path, embedder)
    yield opened
    opened.close()


def texts(index: PageIndex, question: str, *, limit: int = 9, page_url: str | None = None) -> list[str]:
    return [hit.passage.text for hit in index.search(question, limit=limit, page_url=page_url)]


def words(text: str) -> int:
    return len(text.split())


def passages(text: str, longest: int) -> list[str]:
    return [one.passage.text for one in cut(page("/site/a", text), words, longest)]


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
    found = [one.passage.text for one in cut(page("/site/a", text), len, 8)]
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


def test_a_passage_opens_at_its_section_and_keeps_what_the_page_was(index: PageIndex) -> None:
    index.add(page("/site/leave", LEAVE, TRAVEL, title="Time off"), source="docs")
    [hit] = index.search("receipt for a taxi", limit=1)
    assert hit.passage.url == "/site/leave#part-2"
    assert (hit.passage.title, hit.passage.heading, hit.passage.text) == ("Time off", "Part 2", TRAVEL)
    assert hit.passage.page_hash == page("", LEAVE, TRAVEL, title="Time off").page_hash
    assert hit.passage.fetched_at == NOON
    assert -1 <= hit.similarity <= 1


def test_titles_and_headings_are_searched_but_are_not_the_passage(index: PageIndex) -> None:
    index.add(page("/site/a", "Ask your supervisor.", title="Sabbaticals"), source="docs")
    index.add(page("/site/b", "Ask the travel office.", title="Flights"), source="docs")
    assert texts(index, "sabbatical", limit=1) == ["Ask your supervisor."]


def test_words_match_in_other_forms(index: PageIndex) -> None:
    index.add(page("/site/a", "Supervisors approve requests for leave."), source="docs")
    index.add(page("/site/b", "The kitchen closes at six."), source="docs")
    [first, *_] = index.search("Who is APPROVING a request?", limit=2)
    assert first.passage.url.startswith("/site/a")


def test_nothing_is_found_in_nothing(index: PageIndex) -> None:
    assert texts(index, "leave") == []
    index.add(page("/site/empty"), source="docs")
    assert texts(index, "leave") == []
    assert texts(index, "leave", page_url="/site/empty") == []
    assert texts(index, "leave", page_url="/site/unknown") == []
    index.add(page("/site/leave", LEAVE), source="docs")
    assert texts(index, "leave", limit=0) == []


@pytest.mark.parametrize("question", ["", "the of and", "\ud83d", "\0", "%s' OR 1=1 --", "x" * 20_000])
def test_any_question_may_be_asked(index: PageIndex, question: str) -> None:
    index.add(page("/site/leave", LEAVE), source="docs")
    assert texts(index, question) == [LEAVE]


def test_a_page_alone_can_be_searched(index: PageIndex) -> None:
    index.add(page("/site/leave", LEAVE), source="docs")
    index.add(page("/site/travel", TRAVEL), source="docs")
    assert texts(index, "days of leave", page_url="/site/travel") == [TRAVEL]


def test_a_pasted_page_answers_only_questions_about_itself(index: PageIndex) -> None:
    index.add(page("/site/leave", LEAVE), source="docs")
    index.add(page("https://example.com/mine", "My secret salary is 26."), source=None)
    assert texts(index, "secret salary") == [LEAVE]
    assert texts(index, "secret salary", page_url="https://example.com/mine") == ["My secret salary is 26."]
    index.add(page("https://example.com/mine", "My secret salary is 26."), source="https://example.com/mine")
    assert texts(index, "secret salary", limit=1) == ["My secret salary is 26."]


def test_pasting_a_page_of_a_source_does_not_hide_it(index: PageIndex) -> None:
    for text in (LEAVE, TRAVEL):
        index.add(page("/site/leave", LEAVE), source="docs")
        index.add(page("/site/leave", text), source=None)
        assert texts(index, "leave") == [text]
        assert index.source_of("/site/leave") == "docs"


def test_the_same_text_on_two_pages_is_found_once(index: PageIndex) -> None:
    for name in "abc":
        index.add(page(f"/site/{name}", LEAVE, title=name), source="docs")
    index.add(page("/site/travel", TRAVEL), source="docs")
    assert texts(index, "leave", limit=2) == [LEAVE, TRAVEL]


def test_an_unchanged_page_is_not_embedded_again(index: PageIndex, embedder: HashedEmbedder) -> None:
    assert index.add(page("/site/leave", LEAVE, TRAVEL), source="docs")
    seen = embedder.texts_seen
    later = Page(
        **{
            **_fields(page("/site/leave", LEAVE, TRAVEL)),
            "fetched_at": NOON + timedelta(days=1),
            "etag": '"2"',
        }
    )
    assert not index.add(later, source="docs")
    assert index.page("/site/leave") == later
    assert embedder.texts_seen == seen


def test_of_a_changed_page_only_changed_passages_are_embedded(
    index: PageIndex, embedder: HashedEmbedder
) -> None:
    index.add(page("/site/leave", LEAVE, TRAVEL), source="docs")
    texts(index, "leave")
    seen = embedder.texts_seen
    assert index.add(page("/site/leave", LEAVE, "Trains only."), source="docs")
    assert embedder.texts_seen == seen + 2  # the passage, and its only sentence
    assert sorted(texts(index, "leave")) == sorted([LEAVE, "Trains only."])


def test_of_a_changed_passage_only_changed_sentences_are_embedded(
    index: PageIndex, embedder: HashedEmbedder
) -> None:
    index.add(page("/site/leave", f"{LEAVE} {TRAVEL}"), source="docs")
    seen = embedder.texts_seen
    index.add(page("/site/leave", f"{LEAVE} Walk. {TRAVEL}"), source="docs")
    assert embedder.texts_seen == seen + 2  # the passage, and "Walk."


def test_a_typing_error_is_mended_where_it_is_no_word(tmp_path: Path) -> None:
    index = PageIndex.open(tmp_path, ShortWords())
    index.add(page("/site/leave", LEAVE), source="docs")
    index.add(page("/site/travel", TRAVEL), source="docs")
    assert texts(index, "recepit", limit=1) == [TRAVEL]
    assert texts(index, "flihgts and levae", limit=1) == texts(index, "flights and leave", limit=1)
    index.close()


def test_what_somebody_pasted_mends_nobody_elses_question(tmp_path: Path) -> None:
    index = PageIndex.open(tmp_path, ShortWords())
    index.add(page("/site/secret", "The merger with Zanzibar is near."), source=None)
    index.add(page("/site/leave", LEAVE), source="docs")
    index.add(page("/site/travel", TRAVEL), source="docs")
    [hit, _] = index.search("zanzibra", limit=2)
    assert hit.words == 0
    [hit] = index.search("zanzibra", limit=2, page_url="/site/secret")
    assert hit.words > 0
    index.close()


class ShortWords(HashedEmbedder):
    """To this double no word that is mistyped here is one."""

    def count_tokens(self, text: str) -> int:
        return 2 if len(text.split()) == 1 else super().count_tokens(text)


def test_a_passage_is_found_by_its_best_sentence(index: PageIndex) -> None:
    filler = " ".join(f"Some other matter, number {number}, is told at length." for number in range(8))
    index.add(page("/site/long", f"{filler} Parking costs nothing. {filler}"), source="docs")
    for number in range(9):
        index.add(
            page(f"/site/{number}", f"Matter {number} is about the {number}th parking fine."), source="docs"
        )
    [hit] = index.search("parking costs nothing", limit=1)
    nearest = max(hit.spans, key=lambda span: span.similarity)
    assert hit.passage.text[nearest.start : nearest.end] == "Parking costs nothing."


def test_a_file_without_sentences_is_made_anew_from_its_pages(tmp_path: Path) -> None:
    index = PageIndex.open(tmp_path, HashedEmbedder())
    index.add(page("/site/leave", LEAVE), source="docs")
    index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite3")
    connection.execute("ALTER TABLE passages DROP COLUMN sentences")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    index = PageIndex.open(tmp_path, HashedEmbedder())
    [hit] = index.search("leave", limit=1)
    assert len(hit.spans) == 2
    index.close()


def test_a_removed_page_is_found_no_more(index: PageIndex) -> None:
    index.add(page("/site/leave", LEAVE), source="docs")
    assert texts(index, "leave") == [LEAVE]
    assert index.remove("/site/leave")
    assert not index.remove("/site/leave")
    assert texts(index, "leave") == []
    assert index.page("/site/leave") is None
    assert index.pages() == []


def test_the_index_is_there_after_opening_again_without_embedding(tmp_path: Path) -> None:
    index = PageIndex.open(tmp_path, HashedEmbedder())
    kept = page("/site/leave", LEAVE, TRAVEL)
    index.add(kept, source="docs")
    index.close()
    embedder = HashedEmbedder()
    index = PageIndex.open(tmp_path, embedder)
    assert embedder.texts_seen == 0
    assert index.page("/site/leave") == kept
    assert texts(index, "taxi", limit=1) == [TRAVEL]
    [entry] = index.pages()
    assert (entry.url, entry.title, entry.passages, entry.source) == ("/site/leave", "Handbook", 2, "docs")
    index.close()


def test_another_passage_length_makes_the_index_anew(tmp_path: Path) -> None:
    index = PageIndex.open(tmp_path, HashedEmbedder())
    index.add(page("/site/leave", LEAVE), source="docs")
    index.close()
    index = PageIndex.open(tmp_path, HashedEmbedder(), passage_tokens=7)
    assert sorted(texts(index, "leave")) == sorted(LEAVE.split("\n\n"))
    index.close()


def test_what_another_process_writes_is_found_at_once(tmp_path: Path) -> None:
    one, two = (PageIndex.open(tmp_path, HashedEmbedder()) for _ in range(2))
    assert texts(one, "leave") == []
    two.add(page("/site/leave", LEAVE), source="docs")
    assert texts(one, "leave") == [LEAVE]
    two.add(page("/site/leave", TRAVEL), source="docs")
    assert texts(one, "leave") == [TRAVEL]
    two.remove("/site/leave")
    assert texts(one, "leave") == []
    one.close()
    two.close()


def test_threads_search_while_others_write(index: PageIndex) -> None:
    index.add(page("/site/fixed", LEAVE), source="docs")
    ended = threading.Event()

    def write(name: str) -> None:
        for number in range(10):
            index.add(page(f"/site/{name}", f"Draft {number} of {name}."), source="docs")
        index.remove(f"/site/{name}")

    def search(_: int) -> int:
        found = 0
        while not ended.is_set():
            found += texts(index, "days of leave", limit=1) == [LEAVE]
        return found

    with ThreadPoolExecutor(6) as threads:
        searches = [threads.submit(search, number) for number in range(2)]
        for done in [threads.submit(write, name) for name in "abcd"]:
            done.result()
        ended.set()
        assert all(search.result() > 0 for search in searches)
    assert texts(index, "draft") == [LEAVE]


def test_a_page_that_is_written_again_at_every_look_is_found_all_the_same(tmp_path: Path) -> None:
    other = PageIndex.open(tmp_path, HashedEmbedder())
    other.add(page("/site/leave", LEAVE), source="docs")
    drafts = itertools.count()

    class WhoseQuestionsTakeLong(HashedEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            other.add(page("/site/leave", f"Draft {next(drafts)} of the days of leave."), source="docs")
            return super().embed(texts)

    index = PageIndex.open(tmp_path, WhoseQuestionsTakeLong())
    assert texts(index, "days of leave")[0].startswith("Draft ")
    assert next(drafts) > 1, "the page was written again while it was looked for"
    index.close()
    other.close()


def test_a_huge_page_is_searched_as_far_as_it_goes(
    index: PageIndex, caplog: pytest.LogCaptureFixture
) -> None:
    huge = "\n\n".join(f"Row {number} " + "filler " * 178 for number in range(2100))
    index.add(page("/site/huge", huge), source="docs")
    assert index.pages()[0].passages == 2000
    assert "only the first 2000 passages are searched" in caplog.text


@pytest.mark.parametrize("damage", ["text", "newer"])
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(tmp_path: Path, damage: str) -> None:
    PageIndex.open(tmp_path, HashedEmbedder()).close()
    file = tmp_path / "index.sqlite3"
    if damage == "text":
        file.write_text("Dear diary, " * 1000)
    else:
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    with pytest.raises(IndexUnavailable, match=re.compile("delete", re.IGNORECASE)):
        PageIndex.open(tmp_path, HashedEmbedder())


def _fields(page: Page) -> dict[str, object]:
    return {name: getattr(page, name) for name in Page.__slots__}

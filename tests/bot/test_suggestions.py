"""First questions are those of the pages that the search answers, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bootstrap import PageServices
from bot.suggestions import Suggestions
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.profile import Profile
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library

PAGES = {
    "leave": "# Leave\n\nEveryone gets 26 days of annual leave.\n\n## How do I carry leave over?\n\nAsk your manager before November to carry leave over to the next year.",  # noqa: E501
    "keys": "# Keys\n\nA lost key costs 40 euros. Please report it to reception at once, so that the lock can be changed.",  # noqa: E501
    "empty": "# Nothing\n\nSee above.",
}


@pytest.fixture
async def page_services(tmp_path: Path) -> AsyncIterator[PageServices]:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / f"{name}.md").write_text(text)
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher)
        await library.refresh([str(folder)])
        yield PageServices(index, library, HashedEmbedder())
        await library.close()
    await index.close()


async def test_only_what_the_search_finds_is_offered(
    page_services: PageServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.suggestions.PAUSE_S", 0.0)
    quick = Profile(5000.0, 80.0, "cuda", 1, 8_000_000_000)
    acquire = always_acquire(CannedChatModel([]), "canned", None, quick)
    answering = Answering(acquire, page_services.library.search, AnswerRules())
    suggestions = Suggestions(page_services, answering)
    monkeypatch.setattr("bot.suggestions.LEAST_LIKELY", 0.0)
    await suggestions.find()
    assert "How much does a lost key cost?" in suggestions.questions
    assert len(suggestions.questions) == 2, "one of each page that says something"
    monkeypatch.setattr("bot.suggestions.LEAST_LIKELY", 1.1)
    await suggestions.find()
    assert "How much does a lost key cost?" in suggestions.questions, "those of before stay"
    nothing = Suggestions(page_services, answering)
    await nothing.find()
    assert nothing.questions == []

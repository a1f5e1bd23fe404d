"""From question to repaired page: a gap is found, its patch applied, and the same questions are answered."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.bootstrap import PageServices
from bot.stores import read_keys
from cli import main
from cli.reviews.gaps import MASKED
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Hit,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Verdict,
    derive_answer_id,
)
from core.settings import Settings
from feedback.gaps.authors import AUTHOR
from feedback.gaps.owner_cards import OwnerChoice, Step, decide, read_card
from feedback.gaps.report import Report, read_report, strike_out
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.repository import ReviewRepository
from feedback.store.documents import Wanted
from feedback.store.sqlite import SqliteStore
from jobs.report_gaps import GapsUnavailable, IndexedPages, drop_deleted, report_gaps, send_cards
from model.answering.chain import Answering, always_acquire
from model.answering.chat_model import CannedChatModel
from model.text.prompt import NOT_ON_PAGE
from pages.fetch.client import Fetcher, FetchLimits
from pages.fetched import PageUnreachable
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.repair.patch import PatchRefused, make_patch

PAGE = """---
owner: People team
---
# Leave

## Annual leave

You get 26 days of annual leave a year.

## Sick leave

Tell your manager on the first morning.
"""
TRAVEL = "# Travel\n\n## Hotels\n\nHotels cost at most 180 dollars a night.\n"
ASKED = (
    "How many unused holidays can I carry over?",
    "How many unused holidays can I carry over to next year?",
    "how many unused holidays can I carry over?",
)
SAID = "You can carry over 5 unused holidays to the next year."


@dataclass
class Company:
    """A folder of Markdown with its index, a store, and a bot whose model finds nothing by itself."""

    folder: Path
    store: SqliteStore
    page_services: PageServices
    settings: Settings
    number: int = 0

    async def ask(self, text: str, person: str, **changes: object) -> Answer:
        """Ask the bot over today's pages; keep question and answer."""
        self.number += 1

        async def search(query: str, limit: int, page_url: str | None) -> Sequence[Hit]:
            return await self.page_services.library.search(query, limit, page_url)

        asked_at = datetime.now(UTC) - timedelta(hours=2) + timedelta(minutes=self.number)
        asked = Question(f"q{self.number}", text, person, f"c{self.number}", Channel.LOCAL, asked_at)
        bot = Answering(
            always_acquire(CannedChatModel([NOT_ON_PAGE]), "canned"),
            search,
            section_of=self.page_services.library.read_section,
        )
        given = replace(await bot.answer(asked), id=derive_answer_id(asked.id), answered_at=asked_at)
        await self.store.add_question(asked)
        return await self.store.add_answer(replace(given, **changes))  # type: ignore[arg-type]

    async def correct(self, given: Answer, text: str) -> None:
        """Let a reviewer say what is right, and where it belongs."""
        near = next(one for one in given.passages if one.heading == "Annual leave")
        cited = Citation(near.url, near.title, near.heading, near.text)
        verdict = Verdict("p-robin", "Robin", Ruling.CORRECTED, given.answered_at, text, cited)
        review = Review(
            given.id,
            (ReviewReason.DECLINED,),
            given.answered_at,
            verdicts=(verdict,),
            settled_at=given.answered_at,
        )
        await ReviewRepository(self.store.documents).add_review(review)

    async def report(self) -> Report:
        return await report_gaps(self.store, self.page_services, self.settings, mask)


def apply_patch(folder: Path, patch: str) -> None:
    subprocess.run(["git", "apply", "-"], cwd=folder, input=patch.encode(), check=True)


def mask(texts: Sequence[str]) -> Sequence[str]:
    """Stand in for what masks: it knows one name."""
    return [text.replace("Zoë", "[PERSON]") for text in texts]


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "leave.md").write_text(PAGE)
    (folder / "travel.md").write_text(TRAVEL)
    settings = Settings(data_dir=tmp_path / "data", pages=[str(folder)], page_owners=["*travel=Fleet"])
    settings.data_dir.mkdir()
    embedder = HashedEmbedder()
    index = await FileIndex.open(settings.index_dir, embedder)
    store = SqliteStore.open(settings.store_path)
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher)
        await library.refresh([str(folder)])
        yield Company(folder, store, PageServices(index, library, embedder), settings)
        await library.close()
    await store.close()
    await index.close()


async def test_a_gap_is_repaired_by_its_patch_and_the_same_questions_are_answered_after(
    company: Company,
) -> None:
    before = [await company.ask(text, f"p{number}") for number, text in enumerate(ASKED)]
    assert [one.kind for one in before] == [AnswerKind.DECLINED] * 3
    await company.correct(before[0], SAID)
    report = await company.report()
    [gap] = report.gaps
    assert (gap.people, gap.times, gap.changed) == (3, 3, False)
    assert gap.owner == "People team"
    assert gap.place is not None
    assert gap.sentence == (
        f"3 people asked “{ASKED[0]}”; Leave › Annual leave (the nearest page) does not say it."
    )
    assert gap.questions[0].text == gap.name == ASKED[0]

    pages = IndexedPages(company.page_services)
    url, anchor = gap.place.url.split("#")
    page, file = await pages.read_page(url), await pages.find_file(url)
    assert page is not None
    assert file is not None
    patch = make_patch(file, page.sections, anchor, gap.correction)
    await asyncio.to_thread(apply_patch, file.root, patch)
    text = (company.folder / "leave.md").read_text()
    assert text == PAGE.replace("leave a year.\n", f"leave a year.\n\n{SAID}\n")

    await company.page_services.library.refresh(company.settings.pages)
    [waiting] = (await company.report()).gaps
    assert waiting.outcome.startswith("The page changed; nobody has asked since.")
    after = [await company.ask(text, f"p{number}") for number, text in enumerate(ASKED)]
    assert all(SAID in one.text for one in after)
    assert not any(one.abstained for one in after)
    [repaired] = (await company.report()).gaps
    assert (repaired.changed, repaired.before.asked, repaired.after.asked) == (True, 3, 3)
    assert (repaired.people, repaired.times, repaired.repaired) == (3, 3, True)
    assert repaired.sentence == f"3 people asked “{ASKED[0]}”; Leave › Annual leave says it now."
    assert repaired.outcome == (
        "The page changed. Before: 3 of 3 declined (100 %); after: 0 of 3 declined (0 %)."
    )


async def test_an_owners_card_has_the_patch_and_what_is_not_for_this_page_goes_to_another(
    company: Company,
) -> None:
    given = [await company.ask(text, f"p{number}") for number, text in enumerate(ASKED)]
    await company.correct(given[0], SAID)
    report = await company.report()
    [name] = await send_cards(company.store, company.page_services, company.settings, report)
    documents = company.store.documents
    card = await read_card(documents, name)
    assert card is not None
    assert f"+{SAID}" in card.proposal.patch
    assert "leave" in card.page
    now = datetime.now(UTC)
    assert await decide(documents, Step(name, 1, OwnerChoice.NOT_THIS_PAGE, "p-ada", "Ada", now))
    assert not await decide(documents, Step(name, 1, OwnerChoice.DONE, "p-eve", "Eve", now))
    [gap] = (await company.report()).gaps
    assert gap.place is None or "leave" not in gap.place.url


async def test_what_goes_takes_its_gaps_along(company: Company) -> None:
    """A deleted person, one who opts out, a deleted message: their words are in no report, at once."""
    for number, text in enumerate(
        ("Who is Zoë?", "Where do\x1b[2J zebras\n sleep?\ud800", "Why is gravel purple?")
    ):
        await company.ask(text, f"p{number}")
    names = [gap.name for gap in (await company.report()).gaps]
    assert sorted(names) == ["Where do[2J zebras sleep??", "Who is [PERSON]?", "Why is gravel purple?"]
    documents = company.store.documents

    begun = await Deletions(documents).begin(Deletion("p0", "one", datetime.now(UTC), by="p0"))
    await delete(company.store, begun)
    kept = await read_report(documents)
    assert kept is not None
    assert sorted(gap.name for gap in kept.gaps) == ["Where do[2J zebras sleep??", "Why is gravel purple?"]

    await OptOuts(documents).choose("p1", out=True, source="a1")
    left = await drop_deleted(company.store, kept)
    assert [gap.name for gap in left.gaps] == ["Why is gravel purple?"]
    assert [gap.name for gap in (await company.report()).gaps] == ["Why is gravel purple?"]
    assert await strike_out(documents, [left.gaps[0].answers[0]])
    assert not await strike_out(documents, [left.gaps[0].answers[0]])


async def test_a_closed_page_is_in_no_gap_and_unused_quotations_need_three_people(company: Company) -> None:
    text, quoted = "How much may hotels cost a night?", AnswerKind.QUOTED
    for person in range(2):
        await company.ask(text, f"p{person}", kind=quoted)
    assert (await company.report()).gaps == ()
    await company.ask(text, "p3", kind=quoted)
    [gap] = (await company.report()).gaps
    assert (gap.people, dict(gap.lacks), gap.owner) == (3, {"unused": 3}, "Fleet")
    travel = company.folder / "travel.md"
    travel.write_text(f"---\nreaders: nobody\n---\n{TRAVEL}")
    await company.page_services.library.refresh(company.settings.pages)
    assert (await company.report()).gaps == ()


class AuthoredPages(Library):
    """A library whose sources say who wrote a page; "" is nobody, None fails."""

    author: str | None = "aad-kim"

    async def find_author(self, url: str) -> str:
        if self.author is None:
            raise PageUnreachable("Microsoft Graph is busy.")
        return self.author


async def test_a_page_without_an_owner_goes_to_its_author_where_that_is_wanted(company: Company) -> None:
    index, documents = company.page_services.index, company.store.documents
    async with Fetcher(FetchLimits()) as fetcher:
        library = AuthoredPages(index, fetcher)
        company.page_services = PageServices(index, library, company.page_services.embedder)
        for person in range(3):
            await company.ask("How much may hotels cost a night?", f"p{person}", kind=AnswerKind.QUOTED)
        company.settings = company.settings.copy_with(page_owners="")
        assert [gap.owner for gap in (await company.report()).gaps] == [""]
        company.settings = company.settings.copy_with(sharepoint_authors=True)
        [gap] = (await company.report()).gaps
        assert gap.owner == AUTHOR
        [kept] = await documents.list_documents(Wanted("page_author"))
        kim = read_keys(company.settings).pseudonym("aad-kim")
        assert kept.person == kim
        assert "aad-kim" not in kept.body
        assert (
            len(
                await send_cards(
                    company.store,
                    company.page_services,
                    company.settings,
                    Report(datetime.now(UTC), 90, (gap,)),
                )
            )
            == 1
        )
        await OptOuts(documents).choose(kim, out=True, source="a1")
        for author in ("aad-kim", "", None):
            library.author = author
            assert [gap.owner for gap in (await company.report()).gaps] == [""]
        assert not await documents.list_documents(Wanted("page_author"))
        await library.close()


async def test_the_commands_show_a_gap_and_write_its_patch(company: Company, tmp_path: Path) -> None:
    given = await company.ask(ASKED[0], "p1")
    await company.ask("Where do zebras sleep?", "p2")
    await company.correct(given, f"{SAID} Ask Zoë.")
    await company.report()
    await company.page_services.index.close()

    def call(*words: str) -> tuple[int, str]:
        where = ["--data-dir", str(company.settings.data_dir), "--pages", str(company.folder)]
        done = CliRunner().invoke(main.app, ["gaps", *words, *where])
        said = (
            f"{done.exception}" if isinstance(done.exception, GapsUnavailable | PatchRefused) else done.output
        )
        return done.exit_code, said

    shown = (await asyncio.to_thread(call, "show", "1"))[1]
    assert f"A reviewer says: {SAID} Ask [PERSON]." in shown
    assert "Owner: People team" in shown
    file = tmp_path / "gap.diff"
    assert await asyncio.to_thread(call, "patch", "1", "--to", str(file)) == (
        0,
        f"{MASKED}\nApply it in {company.folder}: git apply {file}\n",
    )
    sent = (await asyncio.to_thread(call, "send"))[1]
    assert "Cards that are ready: " in sent
    assert "owner_people does not name their owners:\n  People team" in sent.replace(" \n", "\n")
    named = (await asyncio.to_thread(call, "send", "--owner-people", "People team=aad-1"))[1]
    assert "People team" not in named
    await asyncio.to_thread(apply_patch, company.folder, file.read_text())
    assert f"\n\n{SAID} Ask \\[PERSON\\].\n" in (company.folder / "leave.md").read_text()
    assert "makes nothing up" in (await asyncio.to_thread(call, "patch", "2"))[1]
    assert "has 2 gaps" in (await asyncio.to_thread(call, "show", "3"))[1]
    await OptOuts(company.store.documents).choose("p2", out=True, source="a1")
    assert "is deleted or closed since" in (await asyncio.to_thread(call, "show", "2"))[1]

"""Files sent with a question: read, answered from, asked again, and forgotten, in every channel."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.channels.files.sent_files import KIND, SentFiles, name_address
from bot.channels.files.words import KINDS, MOST_READ, OLD, mentions_file, sort_files
from bot.channels.incoming import FILE_INFO, Reference, SentFile, parse_activity
from bot.slack.files.attachments import to_attachments
from bot.teams.files import TeamsFiles
from core.records import Channel, Question
from exporters.in_memory import recording
from feedback.privacy.deletion_log import Deletion
from feedback.store.documents import Wanted
from feedback.store.sqlite import SqliteStore
from pages.fetched import Fetched, PageRefused
from pages.kinds import OLD_OFFICE, READABLE, choose_kind
from pages.library import Library
from tests.browser.chat import Browser, Chat, a_browser, a_chat
from tests.builders.sent_files import a_fetcher, a_library, a_picture, answering_from
from tests.builders.slack_world import BOB, SlackWorld, a_slack_world
from tests.builders.world import MemoryStore, World, a_world, pseudonym
from tests.needs import need

Json = dict[str, Any]

NOTES = b"# Moving house\n\nThe removal van holds forty boxes and comes at noon.\n"
SAID = "forty boxes"


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    async with a_library(tmp_path) as library:
        yield library


def a_file(url: str, name: str = "moving.md", **content: Any) -> Json:
    """Return what Teams says of a file."""
    return {
        "contentType": FILE_INFO,
        "contentUrl": f"https://contoso.sharepoint.com/personal/ada/{name}",
        "name": name,
        "content": {"downloadUrl": url, "uniqueId": "1", "fileType": "md"} | content,
    }


@asynccontextmanager
async def a_reading_world(library: Library) -> AsyncGenerator[World]:
    """Yield a Teams whose SharePoint is the double's."""
    async with a_world(file_pages=library) as world, a_fetcher(world.service_url) as fetcher:
        world.parts.files.downloaders[Channel.TEAMS] = TeamsFiles(fetcher, world.seam.connector)
        world.answerer = answering_from(library, world.parts.files.ensure)  # type: ignore[assignment]
        yield world


async def last_of(world: World) -> str:
    await world.settled()
    return str(world.connector.calls[-1].activity)


async def test_a_file_sent_in_teams_is_answered_from_asked_again_and_forgotten_with_its_message(
    library: Library,
) -> None:
    async with a_reading_world(library) as world:
        world.connector.files["moving.md"] = NOTES
        file = a_file(f"{world.service_url}/sharepoint/moving.md")
        await world.ask("How much does the removal van hold?", id="1", attachments=[file])
        answered = await last_of(world)
        assert SAID in answered
        assert "Ask an expert" not in answered  # nobody else reads the file
        await world.ask("And when does it come?", id="2")
        assert "noon" in await last_of(world)
        await world.ask("What does this file say about boxes?", id="3")
        assert SAID in await last_of(world)
        assert world.connector.fetched == ["moving.md"]  # once

        other = {"id": "a:other", "conversationType": "personal", "tenantId": "t1"}
        await world.ask("What does this file say about boxes?", id="4", conversation=other)
        assert SAID not in await last_of(world)

        await world.post(world.activity("messageDelete", id="1"))
        assert not await library.pages()
        assert not await world.parts.repository.documents.list_documents(Wanted(KIND))
        await world.ask("What does this file say about boxes?", id="5")
        assert SAID not in await last_of(world)


async def test_a_file_alone_in_teams_is_read_and_the_next_question_is_about_it(library: Library) -> None:
    async with a_reading_world(library) as world:
        world.connector.files["moving.md"] = NOTES
        file = a_file(f"{world.service_url}/sharepoint/moving.md")
        await world.ask("", id="1", attachments=[file])
        assert "I have read moving.md. What would you like to know?" in await last_of(world)
        await world.ask("How many boxes fit into the van", id="2")
        assert SAID in await last_of(world)
        deletion = Deletion(pseudonym("aad-ada"), "now", datetime.now(UTC), by="")
        assert [one.title for one in await library.pages()] == ["moving.md"]
        await world.parts.privacy.memories[-1](deletion)
        assert not await library.pages()


async def test_files_that_were_read_and_those_that_were_not_are_told_without_their_names(
    library: Library,
) -> None:
    async with a_reading_world(library) as world:
        world.connector.files["moving.md"] = NOTES
        there = a_file(f"{world.service_url}/sharepoint/moving.md")
        gone = a_file(f"{world.service_url}/sharepoint/gone.md", "gone.md")
        with recording() as told:
            await world.ask("How much does the removal van hold?", id="1", attachments=[there])
            await world.settled()
            await world.ask("What is in it?", id="3", attachments=[gone])
            await world.settled()
        read = [event | {"seconds": event["seconds"] >= 0} for event in told.events("file_read")]
        common = {"channel": "msteams", "seconds": True, "count": 1.0}
        assert read == [common | {"outcome": "done"}, common | {"outcome": "failed"}]
        assert {event["site"] for event in told.events("answer_sent")} == {"sent file"}


async def test_of_what_teams_does_not_hand_out_it_is_said(library: Library) -> None:
    async with a_reading_world(library) as world:
        gone = a_file(f"{world.service_url}/sharepoint/gone.md", "gone.md")
        await world.ask("What is in it?", id="1", attachments=[gone])
        assert "gone.md: I cannot get that file (any more)" in await last_of(world)
        elsewhere = a_file("http://127.0.0.1:1/moving.md")
        await world.ask("What is in it?", id="2", attachments=[elsewhere])
        assert "I may not open" in await last_of(world)
        picture = {"contentType": "image/png", "contentUrl": "https://smba.example/1", "name": "van.png"}
        await world.ask("What is on it?", id="3", attachments=[picture])
        said = await last_of(world)
        assert "I cannot read pictures here, and van.png is one. Please type what it says" in said
        assert not world.store.answers


@pytest.fixture
async def seeing_library(tmp_path: Path) -> AsyncIterator[Library]:
    """A library that reads the text of pictures."""
    need(Path("/usr/bin/tesseract"), "Tesseract is missing: install tesseract-ocr")
    async with a_library(tmp_path, "eng") as library:
        yield library


SIGN = ("The removal van holds forty boxes", "and comes at noon on Friday.")


async def test_a_picture_within_a_message_in_teams_is_read_like_a_scanned_page(
    seeing_library: Library,
) -> None:
    async with a_reading_world(seeing_library) as world:
        world.connector.files["view-1"] = a_picture(*SIGN)
        at = f"{world.service_url}/v3/attachments/view-1/views/original"
        await world.ask(
            "How much does the removal van hold?",
            id="1",
            attachments=[{"contentType": "image/*", "contentUrl": at}],
        )
        assert SAID in await last_of(world)
        await world.ask("When does it come?", id="2")
        assert "noon" in await last_of(world)
        assert world.connector.fetched == ["view-1"]

        world.connector.files["board.jpg"] = a_picture(*SIGN, kind="JPEG")
        file = a_file(f"{world.service_url}/sharepoint/board.jpg", "board.jpg")
        await world.ask("How many boxes are on this board?", id="3", attachments=[file])
        assert SAID in await last_of(world)


async def test_pictures_that_teams_does_not_hand_out_or_that_say_nothing_get_a_sentence(
    seeing_library: Library,
) -> None:
    async with a_reading_world(seeing_library) as world:
        world.connector.files |= {"blank": a_picture(), "broken": b"\x89PNG no"}
        at = f"{world.service_url}/v3/attachments"
        for number, (kind, url, sentence) in enumerate(
            [
                ("image/png", f"{at}/gone/views/original", "cannot get that picture"),
                ("image/png", "https://evil.example.com/1.png", "cannot get that picture"),
                ("image/png", f"{at}/blank/views/original", "no text in that picture"),
                ("image/png", f"{at}/broken/views/original", "picture is damaged"),
                ("image/png", "", "did not get a picture itself"),
            ]
        ):
            sent = {"contentType": kind, "contentUrl": url}
            await world.ask("What is on it?", id=str(number), attachments=[sent])
            assert sentence in await last_of(world)
        drawing = {"contentType": "image/svg+xml", "contentUrl": f"{at}/1", "name": "plan.svg"}
        await world.ask("What is on it?", id="9", attachments=[drawing])
        assert "I cannot read plan.svg: the kinds of pictures that I can read are PNG" in await last_of(world)


async def test_a_picture_shared_in_slack_is_read_with_the_token(seeing_library: Library) -> None:
    async with a_slack_world(file_pages=seeing_library) as world:
        world.answerer = answering_from(seeing_library, world.parts.files.ensure)  # type: ignore[assignment]
        world.slack.files["F1"] = a_picture(*SIGN)
        picture = {"name": "image.png", "mimetype": "image/png"}
        assert await world.event(shared(world, "How much does the removal van hold?", file=picture)) == 200
        await world.settled()
        assert SAID in world.slack.messages("D1")[-1].words


async def test_a_picture_uploaded_on_the_chat_page_is_read(seeing_library: Library, tmp_path: Path) -> None:
    async with a_chat(Chat(tmp_path, file_pages=seeing_library)) as chat, a_browser(chat) as ada:
        chat.actor = chat.asking._answerer = answering_from(seeing_library, chat.parts.files.ensure)  # type: ignore[assignment]
        await ada.begin("alex")
        status, kept = await upload(ada, "van.webp", a_picture(*SIGN, kind="WEBP"))
        assert status == 200
        await ada.do("message", text="How much does the removal van hold?", files=[kept])
        await chat.asking.drain(10)
        assert SAID in str((await ada.messages())[-1])


def shared(world: SlackWorld, text: str, **more: Any) -> Json:
    file = {
        "id": "F1",
        "name": "moving.md",
        "mimetype": "text/plain",
        "mode": "hosted",
        "url_private_download": f"{world.slack_url}/files-pri/F1/download/moving.md",
    }
    return world.dm(text, subtype="file_share", files=[file | more.pop("file", {})], **more)


async def test_a_file_shared_in_slack_is_fetched_with_the_token_and_survives_a_crash(
    library: Library, tmp_path: Path
) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    async with a_slack_world(store=store, file_pages=library) as world:
        world.answerer = answering_from(library, world.parts.files.ensure)  # type: ignore[assignment]
        world.slack.files["F1"] = NOTES
        assert await world.event(shared(world, "How much does the van hold?")) == 200
        await world.settled()
        assert SAID in world.slack.messages("D1")[-1].words
        asked = shared(world, "When does it come?", channel="D2", user=BOB)
        # acknowledged, and the process dies before anything is read: only the store has it
        activity = {
            "type": "message",
            "id": asked["ts"],
            "channelId": "slack",
            "serviceUrl": "",
            "from": {"id": "slack:T1:U2", "aadObjectId": "slack:T1:U2"},
            "recipient": {"id": "UBOT"},
            "conversation": {"id": "T1:D2", "conversationType": "personal", "tenantId": "T1"},
            "text": asked["text"],
            "attachments": to_attachments(asked["files"]),
        }
        incoming = parse_activity(activity)
        await store.add_question(
            Question(
                incoming.question_id,
                incoming.text,
                "bob",
                incoming.conversation_id,
                Channel.SLACK,
                datetime.now(UTC),
                page_url=name_address(incoming.question_id),
                reply_to=replace(incoming.reference, files=incoming.files).dump(),
            )
        )
        await world.asking.resume(world.bot.restore_reply)
        await world.settled()
        assert "noon" in world.slack.messages("D2")[-1].words
        assert world.slack.fetched == ["F1", "F1"]
    await store.close()


async def test_without_its_scope_or_from_elsewhere_slack_hands_out_no_file(library: Library) -> None:
    async with a_slack_world(file_pages=library, clean=False) as world:
        world.answerer = answering_from(library, world.parts.files.ensure)  # type: ignore[assignment]
        world.slack.files["F1"] = NOTES
        world.slack.scopes["xoxb-one"].discard("files:read")
        said: list[str] = []
        for more in (
            {"file": {}},
            {"file": {"url_private_download": "https://evil.example/files-pri/F1/download/moving.md"}},
            {"file": {"is_external": True}},
            {"file": {"file_access": "check_file_info", "id": "F404"}},
        ):
            assert await world.event(shared(world, "How much does the van hold?", **more)) == 200
            await world.settled()
            said.append(world.slack.messages("D1")[-1].words)
        for sentence, wanted in zip(
            said,
            ("web page instead", "I may not open", "did not get moving.md", "cannot get"),
            strict=True,
        ):
            assert wanted in sentence
        assert not world.slack.fetched
        assert not world.store.answers


async def test_a_file_uploaded_on_the_chat_page_is_sent_by_its_conversation_alone(
    library: Library, tmp_path: Path
) -> None:
    async with (
        a_chat(Chat(tmp_path, file_pages=library)) as chat,
        a_browser(chat) as ada,
        a_browser(chat) as bob,
    ):
        chat.actor = chat.asking._answerer = answering_from(library, chat.parts.files.ensure)  # type: ignore[assignment]
        await ada.begin("alex")
        await bob.begin("sam")
        status, kept = await upload(ada, "moving.md", NOTES)
        assert status == 200
        status, refused = await bob.do("message", text="What is in it?", files=[kept])
        assert (status, refused["error"]["code"]) == (404, "gone")
        status, _ = await ada.do("message", text="", files=[kept])
        assert status == 200
        await chat.asking.drain(10)
        shown = await ada.messages()
        assert "I have read moving.md" in str(shown[-1])
        assert [one.get("files") for one in shown if one["sender"] == "user"] == [["moving.md"]]
        await ada.do("message", text="How much does the van hold")
        await chat.asking.drain(10)
        assert SAID in str((await ada.messages())[-1])
        assert not list((tmp_path / "uploads").iterdir())  # it is read, and kept as a page alone


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("setup.exe", b"MZ", 415),
        ("photo.png", b"\x89PNG", 415),
        ("letter.doc", b"\xd0\xcf", 415),
        ("../../etc/passwd", b"x", 415),
        ("", b"x", 400),
        ("empty.md", b"", 400),
        ("huge.md", b"x" * 1_000_001, 413),
    ],
)
async def test_what_cannot_be_read_is_not_even_kept(
    tmp_path: Path, name: str, body: bytes, status: int
) -> None:
    async with a_chat(Chat(tmp_path, file_pages=NoPages())) as chat, a_browser(chat) as ada:
        await ada.begin("alex")
        answered, told = await upload(ada, name, body)
        assert (answered, bool(told["error"]["message"])) == (status, True)
        forged, _ = await upload(ada, "a.md", b"x", token="another")  # noqa: S106 - nobody's
        assert forged == 403
        assert not (tmp_path / "uploads").exists()


class NoPages:
    """Pages that nobody asks for."""

    reads_pictures = False

    async def read_file(self, url: str, parts: Any) -> Any:
        raise AssertionError

    async def is_known(self, url: str) -> bool:
        return False

    async def forget_files(self, urls: Any) -> None: ...

    async def pages(self) -> list[Any]:
        return []


async def upload(browser: Browser, name: str, body: bytes, **headers: str) -> tuple[int, Json]:
    """Upload a file as the page does; `token` is another one than the page's."""
    where = urlencode({"conversation": browser.conversation, "name": name})
    named = {"X-Askpage-Token": headers["token"]} if headers else {}
    return await browser.post(f"/local/files?{where}", body, **named)


def a_bomb() -> bytes:
    """Return a Word file that unpacks to 200 MB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b" " * 200_000_000)
    return packed.getvalue()


async def test_hostile_files_get_one_clear_sentence_with_their_name(library: Library) -> None:
    files = {
        "bomb.docx": a_bomb(),
        "program.pdf": b"MZ\x90\x00" + bytes(range(256)) * 20,
        "not.xlsx": b"PK\x03\x04 broken",
        "blank.txt": b" \n ",
        "loop.html": b"<div>" * 200_000,
    }
    for name, body in files.items():
        with pytest.raises(PageRefused) as refused:
            await library.read_file("/file/1", {name: Fetched(name, body, choose_kind(name))})
        assert str(refused.value).startswith(f"{name}: ")
        assert str(refused.value).endswith(".")
    assert not await library.pages()


async def test_several_files_are_one_page_that_says_what_stands_where(library: Library) -> None:
    parts = {
        "a.md": Fetched("", b"# One\n\nApples are red.", "text/markdown"),
        "b.txt": Fetched("", b"Pears are green.", "text/plain"),
    }
    page = await library.read_file("/file/2", parts)
    assert page.title == "a.md, b.txt"
    assert [(one.heading, one.text) for one in page.sections][-1] == ("b.txt", "Pears are green.")
    assert not await library.search("pears", 2)  # found in its conversation alone
    assert await library.search("pears", 2, "/file/2")


async def test_a_page_whose_document_is_gone_is_swept_away(library: Library) -> None:
    store = MemoryStore()
    files = SentFiles(store, store.documents, library)  # type: ignore[arg-type]
    page = await library.read_file("/file/3", {"a.md": Fetched("", b"Apples.", "text/markdown")})
    await files.sweep()
    assert await library.is_known("/file/3")  # it may be just being read
    old = replace(page, fetched_at=datetime.now(UTC) - timedelta(hours=1), page_hash="other")
    await library._index.add(old, source=None)
    await files.sweep()
    assert not await library.is_known("/file/3")


@pytest.mark.parametrize(
    ("text", "names", "about"),
    [
        ("What does this file say?", (), True),
        ("Summarise the attached document", (), True),
        ("What stands in my PDF about leave?", (), True),
        ("Was steht in dieser Datei?", (), True),
        ("Que dit ce document ?", (), True),
        ("¿Qué dice este archivo?", (), True),
        ("このファイルは何ですか", (), True),
        ("What does moving-plan say about boxes?", ("moving-plan.docx",), True),
        ("Where do I file my expenses?", (), False),
        ("How do I document a decision?", (), False),
        ("Which documents do I need for a visa?", (), False),
        ("How long is leave?", ("a.md",), False),
    ],
)
def test_a_question_says_whether_it_is_about_a_file(text: str, names: tuple[str, ...], about: bool) -> None:
    assert mentions_file(text, names) is about


def test_files_are_sorted_into_those_that_can_be_read_and_sentences() -> None:
    files = [SentFile(name=f"{number}.md", address="x") for number in range(MOST_READ + 1)]
    odd = [
        SentFile(name="a.png", address="x", declared="image/png"),
        SentFile(name="a.exe", address="x"),
        SentFile(name="a.doc", address="x"),
        SentFile(name="a.md"),
    ]
    readable, sentences = sort_files([*files, *odd])
    assert [one.name for one in readable] == [f"{number}.md" for number in range(MOST_READ)]
    assert len(sentences) == 5
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    "files",
    [None, "x", [None], [{"name": 1}], [{"id": {"a": 1}, "url_private": ["x"]}], {"a": 1}],
)
def test_forged_descriptions_of_files_become_files_without_an_address(files: Any) -> None:
    for one in to_attachments(files):
        file = parse_activity(
            {"type": "message", "channelId": "slack", "conversation": {"id": "T1:D1"}, "attachments": [one]}
        ).files[0]
        assert not file.address


def test_files_go_with_the_way_back_and_older_ways_back_have_none() -> None:
    reference = Reference({"id": "a"}, {}, {}, "1", files=(SentFile(name="a.md", address="x"),))
    assert Reference.load(reference.dump()) == reference
    assert Reference.load('{"conversation": {"id": "a"}}') == Reference({"id": "a"}, {}, {}, "")


def test_the_kinds_of_files_are_named_as_where_they_are_read() -> None:
    assert (KINDS, OLD) == (READABLE, OLD_OFFICE)

"""Walks a newcomer's first ten minutes in a browser; counts what helps, what ends dead, what axe finds.

Run as: python -m benchmarks.first_minutes [--handbook FOLDER --handbook-questions FILE] [--models FOLDER]

A bot of its own is started over the project's docs (and a handbook) in a folder that is gone afterwards. The
newcomer opens the chat page, presses what is suggested, asks thirty questions (each in a conversation of its
own, or all in one), opens every link of an answer, presses thumbs down; a reviewer finds it in the queue; the
dashboard, the reviewers', operators' and privacy pages are opened. `newcomers.jsonl` was written from the
docs before the chain was; of a handbook's questions those are asked that stand at even steps through it.

    useful      the answer's own words, stated or quoted, name what the question's file wants (`must`), or it
                is declined where the pages do not tell it
    dead end    a message without any button or link, a page or link that is not there, an error in the page
    axe         violations of accessibility on a page, in light, dark and narrow

Prints one JSON object. Exit status 1 where more than MOST_WRONG are not useful, or anything else is found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright, expect

from bot.cards.answer_text import NOTHING_FOUND
from model.evaluation.question_sets import PageQuestion, is_right, read_questions
from tests.browser.accessibility import find_violations
from tests.browser.windows import CHROMIUM, FLAGS
from tests.conftest import ROOT
from tests.processes.serving import Served, serving

QUESTIONS = 30
MOST_WRONG = 6
FIELD = "#question"
DONE = "[data-key=react]"
"""Stands below an answer that is whole; a quotation has it, too, until the model's words take its place."""
STILL_S = 2.0
"""So long nothing changes about an answer that is taken for the last word."""
OWN_WORDS = """(body) => {
  const own = body.cloneNode(true);
  for (const one of own.querySelectorAll(".unseen, .cite, button")) one.remove();
  for (const one of own.querySelectorAll("p, li, td, th")) one.append(" ");
  return own.textContent;
}"""
PAGES = ("/dashboard", "/reviews", "/admin", "/site", "/about/privacy")


@dataclass
class Count:
    """What was found on the way."""

    asked: int = 0
    useful: int = 0
    declined: int = 0
    wrong: list[str] = field(default_factory=list[str])
    dead_ends: list[str] = field(default_factory=list[str])
    axe: list[str] = field(default_factory=list[str])
    links: int = 0
    suggestions: int = 0
    suggestions_declined: int = 0
    to_first_answer_s: float = 0.0
    answer_s: list[float] = field(default_factory=list[float])

    @property
    def is_good(self) -> bool:
        """Whether a newcomer gets what they came for."""
        return self.asked - self.useful <= MOST_WRONG and not self.dead_ends and not self.axe


class Newcomer:
    """One window of a browser, and whoever sits before it."""

    def __init__(self, page: Page, url: str, count: Count, *, apart: bool = True) -> None:
        """`apart`: each question, with the one before it, has a conversation of its own."""
        self.apart = apart
        self.page = page
        self.url = url
        self.count = count
        page.on("pageerror", lambda error: count.dead_ends.append(f"an error in the page: {error}"))

    async def open_chat(self) -> None:
        """Come to the chat page for the first time."""
        await self.page.goto(self.url)
        await expect(self.page.locator(".message .card").first).to_be_visible()

    async def ask(self, text: str) -> tuple[Locator, str]:
        """Ask; return the message that answers, and its own words."""
        messages = self.page.locator(".message.from-bot")
        before = await messages.count()
        began = time.monotonic()
        await self.page.fill(FIELD, text)
        await self.page.press(FIELD, "Enter")
        await expect(messages).to_have_count(before + 1, timeout=60_000)
        message = messages.nth(before)
        said, changed_at = "", time.monotonic()
        while time.monotonic() - changed_at < STILL_S or not await message.locator(DONE).count():
            await asyncio.sleep(STILL_S / 8)
            now = await message.locator(".body").evaluate(OWN_WORDS)
            if now != said:
                said, changed_at = now, time.monotonic()
        self.count.answer_s.append(round(changed_at - began, 2))
        if not await message.locator(".cards button, .cards a, .choices button, .body a").count():
            self.count.dead_ends.append(f"nothing leads on from the answer to “{text}”")
        return message, said

    async def judge(self, asked: PageQuestion) -> None:
        """Ask one of the questions, and count what came of it."""
        if self.apart:
            await self.page.click("#new")
            await expect(self.page.locator(".message.from-bot")).to_have_count(1)
        if asked.before:
            await self.ask(asked.before)
        message, said = await self.ask(asked.question)
        declined = said.strip().startswith(NOTHING_FOUND)
        self.count.asked += 1
        self.count.declined += declined
        if is_right(asked, said, declined=declined):
            self.count.useful += 1
        else:
            self.count.wrong.append(f"{asked.id}: {asked.question} → {' '.join(said.split())[:160]}")
        await self.follow_links(message)

    async def follow_links(self, message: Locator) -> None:
        """See that every address of ours that an answer has opens something."""
        links = await message.locator("a[href]").evaluate_all("all => all.map((one) => one.href)")
        for link in sorted({one.partition("#")[0] for one in links if one.startswith(self.url)}):
            self.count.links += 1
            reply = await self.page.request.get(link)
            if not reply.ok:
                self.count.dead_ends.append(f"{link} answers {reply.status}")

    async def press_suggestions(self) -> None:
        """Press each question that is suggested to whoever has asked nothing."""
        chips = await self.page.locator("#suggestions button").all_inner_texts()
        if not chips:
            self.count.dead_ends.append("nothing is suggested to somebody who has asked nothing")
        for text in chips:
            _, said = await self.ask(text)
            self.count.suggestions += 1
            self.count.suggestions_declined += said.strip().startswith(NOTHING_FOUND)

    async def complain(self) -> None:
        """Press thumbs down, say why, and find it as its reviewer."""
        await self.page.locator("[data-key=dislike]").last.click()
        await self.page.locator(".thumb-form input[value=wrong]").last.check()
        await self.page.get_by_role("button", name="Send feedback").click()
        await self.page.select_option("#person", "robin")
        await expect(self.page.get_by_text("Please review").last).to_be_visible(timeout=20_000)
        await self.look("the chat of a reviewer")

    async def look(self, where: str) -> None:
        """Let axe look at what is on screen."""
        self.count.axe += [f"{where}: {one}" for one in await find_violations(self.page)]

    async def open_pages(self) -> None:
        """Open every other page, each by its address, and wait until it has read what it shows."""
        for path in PAGES:
            reply = await self.page.goto(self.url + path)
            if reply is None or not reply.ok:
                self.count.dead_ends.append(f"{path} answers {reply.status if reply else 'nothing'}")
                continue
            busy = self.page.locator("main[aria-busy=true]")
            await expect(busy).to_have_count(0, timeout=20_000)
            await self.look(path)


async def walk(served: Served, questions: Sequence[PageQuestion], *, apart: bool) -> Count:
    """Walk all of it once."""
    count, url = Count(), f"http://localhost:{served.port}"  # as the bot names itself
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1100, "height": 900}, locale="en-GB")
        page.set_default_timeout(20_000)
        newcomer = Newcomer(page, url, count, apart=apart)
        began = time.monotonic()
        await newcomer.open_chat()
        await newcomer.look("the first screen")
        await newcomer.judge(questions[0])
        count.to_first_answer_s = round(time.monotonic() - began, 1)
        for asked in questions[1:]:
            await newcomer.judge(asked)
        await newcomer.look("a conversation")
        await newcomer.complain()
        await newcomer.open_pages()
        other = await browser.new_page(viewport={"width": 1100, "height": 900}, locale="en-GB")
        other.set_default_timeout(20_000)
        second = Newcomer(other, url, count)
        await second.open_chat()
        await second.press_suggestions()
        await browser.close()
    return count


def choose(docs: Sequence[PageQuestion], handbook: Sequence[PageQuestion]) -> list[PageQuestion]:
    """Return QUESTIONS questions, half of them of each where there are two, at even steps through a file."""
    sets = [some for some in (docs, handbook) if some]
    counts = [min(QUESTIONS // len(sets), len(some)) for some in sets]
    return [
        some[number * len(some) // count]
        for some, count in zip(sets, counts, strict=True)
        for number in range(count)
    ]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", type=Path, default=Path(__file__).with_name("newcomers.jsonl"))
    parser.add_argument("--handbook", type=Path, help="A folder of pages that is read beside the docs.")
    parser.add_argument("--handbook-questions", type=Path, help="Questions about it.")
    parser.add_argument("--data", type=Path, help="A data folder of `askpage setup`; else a temporary one.")
    parser.add_argument("--one-conversation", action="store_true", help="Ask all questions in one.")
    parser.add_argument("--models", type=Path, help="A folder of imported models; without it, quotes only.")
    return parser.parse_args(arguments)


async def run(given: argparse.Namespace) -> Count:
    """Start a bot, walk, and stop it."""
    pages = [ROOT / "docs", *([given.handbook] if given.handbook else [])]
    of_handbook = read_questions(given.handbook_questions) if given.handbook_questions else []
    questions = choose(read_questions(given.questions), of_handbook)
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or Path(folder)
        options: list[str] = ["--pages", ",".join(map(str, pages)), "--review-interval-s", "0.5"]
        if not given.data and given.models:
            await asyncio.to_thread(shutil.copytree, given.models, data / "models")
        elif not given.data:
            options += ["--base-model", "canned"]
        if not given.data:
            await set_up(data, options)
        async with serving(data, *options) as served:
            return await walk(served, questions, apart=not given.one_conversation)


async def set_up(data: Path, options: Sequence[str]) -> None:
    """Read the pages before the bot is started, however long that takes."""
    command = (sys.executable, "-m", "cli.main", "setup", "--data-dir", str(data), *options)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    if await process.wait():
        raise SystemExit("The pages could not be read; what went wrong stands above.")


def main() -> None:
    """Print what was counted."""
    count = asyncio.run(run(_parse(sys.argv[1:])))
    print(json.dumps({**asdict(count), "good": count.is_good}, indent=1, ensure_ascii=False))
    sys.exit(0 if count.is_good else 1)


if __name__ == "__main__":
    main()

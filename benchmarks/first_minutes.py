"""Walks a newcomer's first ten minutes in a browser; counts what helps, what ends dead, what axe finds.

Run as: python -m benchmarks.first_minutes [docs] [handbook] [--models FOLDER] [--data FOLDER]

For each half a bot of its own is started over its pages, in a folder that is gone afterwards or, with --data,
is kept, since reading a handbook takes minutes. A newcomer opens the chat page and asks that half's questions
in one conversation (`--apart`: each in one of its own) and opens every link of an answer. With the docs,
they press what is suggested and thumbs down, too; a reviewer finds it in the queue; the dashboard, the
reviewers', operators' and privacy pages are opened.

| questions | written |
|---|---|
| newcomers/docs_counted.jsonl, newcomers/handbook_counted.jsonl | from the pages, and never tuned on |
| newcomers/docs_tuned.jsonl, newcomers/handbook_tuned.jsonl | with them, to tune on |
| newcomers.jsonl, and the public data's questions/dev.jsonl | earlier; much was tuned on them |

    useful      the answer's own words, stated or quoted, name what the question's file wants (`must`), or it
                is declined where the pages do not tell it; with Wilson's 95 % interval
    dead end    a message without any button or link, a page or link that is not there, an error in the page
    axe         violations of accessibility on a page, in light, dark and narrow

Prints one JSON object for each half. Exit status 1 where fewer than `LEAST_USEFUL` of a half's questions are
useful, or anything else is found.
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

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from bot.cards.answer_text import NOTHING_FOUND
from feedback.metrics.statistics import wilson
from model.evaluation.question_sets import PageQuestion, is_right, read_questions
from tests.browser.accessibility import find_violations
from tests.browser.windows import CHROMIUM, FLAGS
from tests.conftest import ROOT
from tests.processes.serving import Served, serving

LEAST_USEFUL = 0.8
"""24 of thirty."""
NEWCOMERS = Path(__file__).with_name("newcomers")
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
    def share(self) -> float:
        """The share of the questions whose answers help."""
        return self.useful / self.asked if self.asked else 0.0

    @property
    def is_good(self) -> bool:
        """Whether a newcomer gets what they came for."""
        return self.share >= LEAST_USEFUL and not self.dead_ends and not self.axe

    def as_dict(self) -> dict[str, object]:
        """Return all of it for JSON, with the share's interval."""
        low, high = wilson(self.share, max(1, self.asked))
        shares = {"share": round(self.share, 3), "from": round(low, 3), "to": round(high, 3)}
        return {**shares, **asdict(self), "good": self.is_good}


class Newcomer:
    """One window of a browser, and whoever sits before it."""

    def __init__(self, page: Page, url: str, count: Count, *, apart: bool = False) -> None:
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


@dataclass(frozen=True, slots=True)
class Half:
    """Pages, the questions that are asked over them, and whether all else is looked at, too."""

    name: str
    pages: Path
    questions: Sequence[PageQuestion]
    walks: bool


async def walk(served: Served, half: Half, *, apart: bool) -> Count:
    """Ask a half's questions, and walk where it walks."""
    count, url = Count(), f"http://localhost:{served.port}"  # as the bot names itself
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        newcomer = Newcomer(await _open_window(browser), url, count, apart=apart)
        began = time.monotonic()
        await newcomer.open_chat()
        if half.walks:
            await newcomer.look("the first screen")
        await newcomer.judge(half.questions[0])
        count.to_first_answer_s = round(time.monotonic() - began, 1)
        for asked in half.questions[1:]:
            await newcomer.judge(asked)
        if half.walks:
            await newcomer.look("a conversation")
            await newcomer.complain()
            await newcomer.open_pages()
        second = Newcomer(await _open_window(browser), url, count)
        await second.open_chat()
        await second.press_suggestions()
        await browser.close()
    return count


async def _open_window(browser: Browser) -> Page:
    page = await browser.new_page(viewport={"width": 1100, "height": 900}, locale="en-GB")
    page.set_default_timeout(20_000)
    return page


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("halves", nargs="*", metavar="HALF", help="docs, handbook; both where none is named")
    parser.add_argument("--questions", type=Path, help="Others than those that only count, for one half.")
    parser.add_argument("--handbook", type=Path, default=Path("../shared/data/handbook/pages"))
    parser.add_argument("--data", type=Path, help="Keep the halves' data folders in this one.")
    parser.add_argument("--apart", action="store_true", help="Ask each in a conversation of its own.")
    parser.add_argument("--models", type=Path, help="A folder of imported models; without it, quotes only.")
    given = parser.parse_args(arguments)
    given.halves = given.halves or ["docs", "handbook"]
    if set(given.halves) - {"docs", "handbook"}:
        parser.error("a half is docs or handbook")
    if given.questions and len(given.halves) > 1:
        parser.error("--questions is for one half: name docs or handbook")
    return given


def choose_half(name: str, given: argparse.Namespace) -> Half:
    """Return what is asked of which pages."""
    questions = read_questions(given.questions or NEWCOMERS / f"{name}_counted.jsonl")
    is_docs = name == "docs"
    return Half(name, ROOT / "docs" if is_docs else given.handbook, questions, is_docs)


async def run(half: Half, given: argparse.Namespace) -> Count:
    """Start a bot over a half's pages, walk, and stop it."""
    with tempfile.TemporaryDirectory() as folder:
        data = (given.data or Path(folder)) / half.name
        options = ["--pages", str(half.pages), "--review-interval-s", "0.5"]
        if not given.models:
            options += ["--base-model", "canned"]
        elif not (data / "models").exists():
            await asyncio.to_thread(shutil.copytree, given.models, data / "models")
        await set_up(data, options)
        async with serving(data, *options) as served:
            return await walk(served, half, apart=given.apart)


async def set_up(data: Path, options: Sequence[str]) -> None:
    """Read the pages before the bot is started, however long that takes."""
    command = (sys.executable, "-m", "cli.main", "setup", "--data-dir", str(data), *options)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    if await process.wait():
        raise SystemExit("The pages could not be read; what went wrong stands above.")


def main() -> None:
    """Print what was counted."""
    given = _parse(sys.argv[1:])
    good = True
    for name in given.halves:
        count = asyncio.run(run(choose_half(name, given), given))
        good = good and count.is_good
        print(json.dumps({name: count.as_dict()}, indent=1, ensure_ascii=False), flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

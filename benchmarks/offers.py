"""How often the next asker gets, or is offered, the verified answer to their question in other words.

Run as: python -m benchmarks.offers [--data DIR] [--data-dir DIR]

`handbook_paraphrases.jsonl` has questions that employees ask about the pages of a public handbook, each with
others that a person who knows the handbook would answer with the same sentence, and with near misses
(another person, number, topic, side, or thing asked). All questions about one half of the pages, by a hash of
the page, are taken as verified with the nearest passage of their page. Then every paraphrase and near miss is
asked. The weights of `bot/dialogs/similar_questions.py` were fitted on the even half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.question_sets import find_half
from bot.bootstrap import PageServices, open_pages
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Passage,
    Question,
    Timings,
    VerifiedAnswer,
)
from core.settings import Settings
from model.answering.chain import AnswerRules
from model.answering.search_head import rank_hits
from model.text.question import classify_question

QUESTIONS = Path(__file__).with_name("handbook_paraphrases.jsonl")
RULES = AnswerRules()


@dataclass
class Reach:
    """Of the questions `asked`, how many were `served` or `offered` their own verified answer.

    `wrong`: another one was served; `any_offer`: something was offered.
    """

    asked: int = 0
    served: int = 0
    offered: int = 0
    wrong: int = 0
    any_offer: int = 0

    def __str__(self) -> str:
        served, offered = self.served / self.asked, self.offered / self.asked
        return (
            f"{self.asked} asked: served {served:.3f}, served or offered {served + offered:.3f}, another one "
            f"served {self.wrong / self.asked:.3f}, something offered {self.any_offer / self.asked:.3f}"
        )


class Asker:
    """Asks over the pages, with verified answers in memory."""

    def __init__(self, page_services: PageServices) -> None:
        self._page_services = page_services
        self._known = VerifiedAnswers(page_services.embedder)

    async def verify(self, id_: str, question: str, page: str) -> None:
        """Let a reviewer verify a question with the nearest passage of its page."""
        found = await self._find(question)
        passage = next((one for one in found if page.removesuffix(".md") in one.url), found[0])
        cited = (Citation(passage.url, passage.title, passage.heading, passage.text),)
        now = datetime.now(UTC)
        self._known.put(
            VerifiedAnswer(
                id_,
                question,
                None,
                f"answer {id_}",
                cited,
                tuple(found[: RULES.passages]),
                (),
                False,
                "r",
                now,
            )
        )

    async def ask(self, text: str, right: str, reach: Reach) -> None:
        """Ask a question; `right` is the verified answer that it should get, "" for none."""
        now = datetime.now(UTC)
        question = Question(text, text, "p", "c", Channel.LOCAL, now)
        reach.asked += 1
        served = self._known.find(question)
        if served is not None:
            reach.served += served.answer_id == right
            reach.wrong += served.answer_id != right
            return
        passages = tuple((await self._find(text))[: RULES.passages])
        answer = Answer("a", question, "", passages, (), "", Timings(), now, kind=AnswerKind.QUOTED)
        offered = [one.answer_id for one in self._known.find_similar(answer)]
        reach.offered += right in offered
        reach.any_offer += bool(offered)

    async def _find(self, text: str) -> list[Passage]:
        hits = await self._page_services.library.search(text, RULES.searched, None)
        return [hit.passage for hit in rank_hits(text, classify_question(text), hits)]


async def measure(pages: Path, data_dir: Path) -> None:
    """Measure each half and print."""
    groups: list[Any] = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    async with open_pages(Settings(data_dir=data_dir, pages=[str(pages)])) as page_services:
        await page_services.library.refresh([str(pages)])
        for name, odd in (("even, fitted", 0), ("odd, reported", 1)):
            half = [one for one in groups if find_half(one["page"]) == odd]
            asker, same, different = Asker(page_services), Reach(), Reach()
            for number, group in enumerate(half):
                await asker.verify(str(number), group["question"], group["page"])
            for number, group in enumerate(half):
                for text in group["same"]:
                    await asker.ask(text, str(number), same)
                for near_miss in group["different"]:
                    await asker.ask(near_miss["text"], "", different)
            print(f"{name}: {len(half)} verified answers")
            print(f"  paraphrases: {same}\n  near misses: {different}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="folder with the page index")
    options = parser.parse_args()
    pages = options.data / "handbook" / "pages"
    if not pages.is_dir():
        print(f"skipped: the handbook is not at {pages}; name the folder of the public data with --data")
        return
    asyncio.run(measure(pages, options.data_dir))


if __name__ == "__main__":
    main()

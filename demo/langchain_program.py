"""Somebody else's LangChain program that uses askpage: its search and its answers as parts of a chain.

Run as: python -m demo.langchain_program "How many days of leave do I get?" [--data-dir data]

It needs indexed pages and a model (`askpage setup`), or a model server: ASKPAGE_MODEL_URL.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import RunnableParallel

from bot.embedded import EmbeddedAskpage, open_askpage
from core.records import Answer
from core.settings import Settings


def write_mail(found: Mapping[str, Any]) -> str:
    """Write a mail of an answer and the pages that were found."""
    answer: Answer = found["answer"]
    pages: Sequence[Document] = found["pages"]
    said = answer.text or "Nothing was found on that."
    places = dict.fromkeys(f"- {page.metadata['title']}: {page.metadata['source']}" for page in pages)
    return "\n".join([said, "", "Pages on this:", *places])


def answer_questions(askpage: EmbeddedAskpage, questions: Sequence[str]) -> list[str]:
    """Write a mail for each question: both parts of the chain run side by side, and so do the questions."""
    mail = RunnableParallel[Any](answer=askpage.answers, pages=askpage.retriever) | write_mail
    return mail.batch(list(questions))


def main() -> None:
    """Answer the questions of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="+")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    given = parser.parse_args()
    settings: dict[str, Any] = {"data_dir": given.data_dir}
    with open_askpage(Settings(**settings)) as askpage:
        print("\n\n".join(answer_questions(askpage, given.questions)))  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()

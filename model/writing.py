"""What a model writes, held against what it read: a sentence is passed on once it stands there, and no other one.

The chain is LangChain's: messages | chat model | text. A sentence that does not pass its check is nowhere in what comes
out, not for a moment.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda

from model import grounding, prompt, wording
from model.grounding import Within
from records import Citation, Passage
from sentences import pieces, starts_item

_DECLINES = re.compile(
    r"not on (this|the) page|(does|do|did) not (say|tell|mention|state|specify|provide|contain|answer|include)"
    r"|(is|are) not (mentioned|stated|specified|provided|given|included|answered|explicitly)"
    r"|no (information|mention) (about|on|of|in)|i (do not|don't|cannot|can't) (know|answer|find|provide)"
    r"|(as an|i am an|i'm an) ai\b|i'm sorry|i apologi[sz]e"
    r"|^\W*question:|\?[^\w?]*$",  # a question back, or the question again
    re.IGNORECASE,
)
_MOST_FAILED = 2
"""Sentences of a model that may fail their check before it is stopped."""
_CIRCLES = 3
"""How often the same three words may stand in a sentence before it goes round in circles."""
_STOP_WITHIN = 8
_AT_A_STOP = re.compile(r"[.!?…:;。！？][\"”’)\]」』）]*\s*$|\n[^\S\n]*$")


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is asked: the chat, the question, and what it reads of the pages.

    `trained`: its version learned to answer so. `least_covered`: share of a sentence's own content words that must stand
    in what it cites. `found` is what the answer is kept with: what `passages` were taken from.
    """

    messages: Sequence[prompt.Message]
    asked: str
    passages: tuple[Passage, ...]
    trained: bool
    least_covered: float
    found: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote that passed its checks, plain and with its markers; "" where nothing did.

    `covered` is the least that a sentence is worth, `failed` how many did not pass, `declined`: it said that it does not
    know, or nothing.
    """

    text: str = ""
    citations: tuple[Citation, ...] = ()
    covered: float = 1.0
    failed: int = 0
    declined: bool = False
    first_token_s: float | None = None


async def write(chat: BaseChatModel, task: Task, started: float) -> AsyncGenerator[Written]:
    """Let a model write, and yield what has passed its checks so far; closing stops the model.

    A version that knows to answer in the page's words and has written others is held to them. `started` is when the
    question came (perf_counter).
    """
    written = Written()
    async with aclosing(_sentences(chat, task, started)) as sentences:
        async for written in sentences:
            yield written
    if task.trained and not written.text and not written.declined:
        within = Within(tuple(passage.text for passage in task.passages), prompt.NOT_ON_PAGE)
        words = await _chain(chat.bind(within=within)).ainvoke(task)
        yield _checked(task, words, written.first_token_s, ended=True)


def declines(text: str) -> bool:
    """Tell whether a model's words are no answer: they say that there is none, apologise, or ask back."""
    return bool(_DECLINES.search(text))


def is_broken(sentence: str) -> bool:
    """Tell whether a sentence was cut off at the longest answer, or goes round in circles, as small models do."""
    said = sentence.lower().split()
    runs = Counter(zip(said, said[1:], said[2:], strict=False))
    return sentence.endswith(wording.CUT) or max(runs.values(), default=0) >= _CIRCLES


async def _sentences(chat: BaseChatModel, task: Task, started: float) -> AsyncGenerator[Written]:
    text, shown, first_token_s = "", Written(), None
    stream = cast("AsyncGenerator[str]", _chain(chat).astream(task))
    async with aclosing(stream):  # whoever leaves it stops the model
        async for piece in stream:
            first_token_s = first_token_s or time.perf_counter() - started
            text += piece
            if not _AT_A_STOP.search(text[: -len(piece)][-_STOP_WITHIN:]):
                continue
            written = _checked(task, text, first_token_s, ended=False)
            if written.text != shown.text and written.text.startswith(shown.text):
                shown = written
                yield shown
            if written.failed >= _MOST_FAILED:
                break
    yield _checked(task, text, first_token_s, ended=True)


def _checked(task: Task, text: str, first_token_s: float | None, *, ended: bool) -> Written:
    """Keep the sentences that stand in the passages; of an unfinished text, the last one is not judged yet."""
    page = "\n".join(f"{one.title}\n{one.heading}\n{one.text}" for one in task.passages)
    plain = wording.plain(text, page)
    plain = wording.whole_sentences(plain) if ended else plain
    said = [plain[piece.start : piece.end] for piece in pieces(plain)]
    if not ended:
        said = said[:-1]
    if not said or declines(said[0]):
        return Written(declined=ended or bool(said), first_token_s=first_token_s)
    kept = Written(first_token_s=first_token_s)
    for sentence in said:
        support = grounding.check(
            task.asked,
            sentence,
            task.passages,
            echoes_count=task.trained or bool(kept.text),
            least_covered=task.least_covered,
        )
        sound = not (declines(sentence) or is_broken(sentence))
        if sound and support.stands(task.least_covered):
            kept = _with(kept, sentence, support.citations, support.covered)
        else:
            kept = replace(kept, failed=kept.failed + 1)
    return kept


def _with(written: Written, sentence: str, citations: Sequence[Citation], covered: float) -> Written:
    """Add a sentence with the markers of what it stands on; an item stands on a line of its own."""
    known = list(dict.fromkeys((*written.citations, *citations)))
    markers = "".join(f" [{known.index(one) + 1}]" for one in dict.fromkeys(citations))
    joint = "" if not written.text else "\n" if starts_item(sentence) else " "
    text = f"{written.text}{joint}{sentence}{markers}"
    return replace(written, text=text, citations=tuple(known), covered=min(written.covered, covered))


def _chain(chat: Runnable[LanguageModelInput, AIMessage]) -> Runnable[Task, str]:
    def to_messages(task: Task) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in task.messages]

    return RunnableLambda(to_messages) | chat | StrOutputParser()

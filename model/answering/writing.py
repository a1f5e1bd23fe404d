"""Checks what a model writes against what it read: only a sentence that stands there is passed on.

The chain is LangChain's: messages | chat model | text. A sentence that does not pass its check is nowhere in
what comes out, not for a moment.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableLambda

from core.records import Citation, Passage, Tokens
from core.sentences import pieces, starts_item
from model.answering import grounding
from model.inference.constrained import OutputConstraint
from model.text import output_text, prompt

_DECLINES = re.compile(
    r"not on (this|the) page|(does|do|did) not (say|tell|mention|state|specify|provide|contain|answer"
    r"|include)"
    r"|(is|are) not (mentioned|stated|specified|provided|given|included|answered|explicitly)"
    r"|no (information|mention) (about|on|of|in)|i (do not|don't|cannot|can't) (know|answer|find|provide)"
    r"|(as an|i am an|i'm an) ai\b|i'm sorry|i apologi[sz]e"
    r"|^\W*question:|\?[^\w?]*$",  # a question back, or the question again
    re.IGNORECASE,
)
_MOST_FAILED = 2
"""Sentences of a model that may fail their check before it is stopped."""
_STOP_WITHIN = 8
_AT_A_STOP = re.compile(r"[.!?…:;。！？][\"”’)\]」』）]*\s*$|\n[^\S\n]*$")


@dataclass(frozen=True, slots=True)
class WritingTask:
    """The input of a model: the chat, the question, and what it reads of the pages.

    `trained`: its version learned to answer so. `least_covered`: share of a sentence's own content words that
    must stand in what it cites. `found` is what the answer is kept with: what `passages` were taken from.
    """

    messages: Sequence[prompt.Message]
    asked: str
    passages: tuple[Passage, ...]
    trained: bool
    least_covered: float
    found: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """The sentences of a model that passed their checks, with markers; "" where none did.

    `covered` is the least that a sentence is worth, `failed` how many did not pass, `declined`: it said that
    it does not know, or nothing. `tokens` is what was read and written for it: counted by the model, or
    estimated where it was stopped before it could tell.
    """

    text: str = ""
    citations: tuple[Citation, ...] = ()
    covered: float = 1.0
    failed: int = 0
    declined: bool = False
    first_token_s: float | None = None
    tokens: Tokens | None = None


class Ending(Enum):
    """The end of a text: not yet (OPEN), by its model (ENDED), or at the longest answer (CUT)."""

    OPEN = auto()
    ENDED = auto()
    CUT = auto()

    @classmethod
    def from_message(cls, message: AIMessage) -> Ending:
        """Read it from a message: what says nothing of how it finished was ended by its model."""
        return cls.CUT if message.response_metadata.get("finish_reason") == "length" else cls.ENDED


async def write_checked(
    chat: BaseChatModel, task: WritingTask, started: float
) -> AsyncGenerator[CheckedDraft]:
    """Let a model write, and yield what has passed its checks so far; closing stops the model.

    A version that knows to answer in the page's words and has written others is held to them. `started` is
    when the question came (perf_counter).
    """
    written = CheckedDraft()
    async with aclosing(_stream_sentences(chat, task, started)) as sentences:
        async for written in sentences:
            yield written
    if task.trained and not written.text and not written.declined:
        within = OutputConstraint(tuple(passage.text for passage in task.passages), prompt.NOT_ON_PAGE)
        message = await _make_chain(chat.bind(within=within)).ainvoke(task)
        checked = _check_sentences(task, message.text, written.first_token_s, Ending.from_message(message))
        yield replace(checked, tokens=_add_tokens(written.tokens, _read_usage(message)))


def declines(text: str, labels: Sequence[str] = prompt.LABELS) -> bool:
    """Tell whether a model's words are no answer: they say that there is none, apologise, or ask back.

    A version may have learned any wording of the label.
    """
    said = text.casefold()
    return any(label.rstrip(".").casefold() in said for label in labels) or bool(_DECLINES.search(text))


def is_repetitive(sentence: str) -> bool:
    """Tell whether a sentence repeats itself, as small models do; what a list repeats does not count."""
    said = sentence.lower().split()
    places: dict[tuple[str, ...], list[int]] = {}
    for at, run in enumerate(zip(said, said[1:], said[2:], strict=False)):
        places.setdefault(run, []).append(at)
    return any(
        later[1] - later[0] == later[2] - later[1]
        for found in places.values()
        for later in zip(found, found[1:], found[2:], strict=False)
    )


async def _stream_sentences(
    chat: BaseChatModel, task: WritingTask, started: float
) -> AsyncGenerator[CheckedDraft]:
    text, said, first_token_s, ending = "", "", None, Ending.OPEN
    used: Tokens | None = None
    stream = cast("AsyncGenerator[AIMessageChunk]", _make_chain(chat).astream(task))
    async with aclosing(stream):  # whoever leaves it stops the model
        async for chunk in stream:
            ending = Ending.from_message(chunk)
            used = _read_usage(chunk) or used
            if not chunk.text:
                continue
            first_token_s = first_token_s or time.perf_counter() - started
            before, text = text, text + chunk.text
            if not _AT_A_STOP.search(before[-_STOP_WITHIN:]):
                continue
            written = _check_sentences(task, text, first_token_s, Ending.OPEN)
            if written.text != said and written.text.startswith(said):
                said = written.text
                yield replace(written, tokens=_estimate_tokens(chat, task, text))
            if written.failed >= _MOST_FAILED:
                break
    used = used or _estimate_tokens(chat, task, text)
    yield replace(_check_sentences(task, text, first_token_s, ending), tokens=used)


def _read_usage(message: AIMessage) -> Tokens | None:
    """Return what a model says that it read and wrote; None where it says nothing, or nothing but zeros."""
    usage = message.usage_metadata
    if usage is None or not usage["total_tokens"]:
        return None
    cached = usage.get("input_token_details", {}).get("cache_read", 0)
    return Tokens(usage["input_tokens"], cached, usage["output_tokens"])


def _estimate_tokens(chat: BaseChatModel, task: WritingTask, text: str) -> Tokens:
    """Count a prompt and what was written of its answer with the model's tokenizer."""
    read = sum(chat.get_num_tokens(message["content"]) for message in task.messages)
    return Tokens(read, 0, chat.get_num_tokens(text) if text else 0)


def _add_tokens(one: Tokens | None, other: Tokens | None) -> Tokens | None:
    if one is None or other is None:
        return one or other
    return Tokens(one.read + other.read, one.cached + other.cached, one.written + other.written)


def _check_sentences(
    task: WritingTask, text: str, first_token_s: float | None, ending: Ending
) -> CheckedDraft:
    """Keep the sentences that stand in the passages.

    The last one of a text that goes on, or was cut, is not judged.
    """
    page = "\n".join(f"{one.title}\n{one.heading}\n{one.text}" for one in task.passages)
    plain = output_text.to_plain_text(text, page)
    said = [plain[piece.start : piece.end] for piece in pieces(plain)]
    if ending is Ending.CUT and not plain.endswith(output_text.ENDS):
        if len(said) == 1:
            return CheckedDraft(failed=1, first_token_s=first_token_s)
        said = said[:-1]
    elif ending is Ending.OPEN:
        said = said[:-1]
    if not said or declines(said[0]):
        return CheckedDraft(declined=bool(said) or ending is not Ending.OPEN, first_token_s=first_token_s)
    kept = CheckedDraft(first_token_s=first_token_s)
    for sentence in said:
        support = grounding.check(
            task.asked,
            sentence,
            task.passages,
            echoes_count=task.trained or bool(kept.text),
            least_covered=task.least_covered,
        )
        sound = not (declines(sentence) or is_repetitive(sentence))
        if sound and support.stands(task.least_covered):
            kept = _append_sentence(kept, sentence, support.citations, support.covered)
        else:
            kept = replace(kept, failed=kept.failed + 1)
    return kept


def _append_sentence(
    written: CheckedDraft, sentence: str, citations: Sequence[Citation], covered: float
) -> CheckedDraft:
    """Add a sentence with the markers of what it stands on; an item stands on a line of its own."""
    known = list(dict.fromkeys((*written.citations, *citations)))
    markers = "".join(f" [{known.index(one) + 1}]" for one in dict.fromkeys(citations))
    joint = "" if not written.text else "\n" if starts_item(sentence) else " "
    text = f"{written.text}{joint}{sentence}{markers}"
    return replace(written, text=text, citations=tuple(known), covered=min(written.covered, covered))


def _make_chain(chat: Runnable[LanguageModelInput, AIMessage]) -> Runnable[WritingTask, AIMessage]:
    def to_messages(task: WritingTask) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in task.messages]

    return RunnableLambda(to_messages) | chat

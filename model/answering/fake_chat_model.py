"""A chat model that says what it was told to say: the double of `model/answering/chat_model.py`, for tests and for `base_model=canned`.

CannedChatModel(["Ten days.", "That is not on this page."])     one line after the other, then from the start
CannedChatModel(lambda messages: messages[-1].text.upper())     a line made from the chat
CannedChatModel(["..."], delay_s=0.05)                          a word at a time, like the real one
CannedChatModel(["Ten days of leave."], max_words=2)            cut off there, like the real one at its longest answer
CannedChatModel([EngineBusy(7.0), "Ten days."])                 a line that is an error is raised
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr

Line = str | Exception
Lines = Sequence[Line] | Callable[[Sequence[BaseMessage]], Line]

_KEPT = 1000  # chats
_WORD = re.compile(r"\S+\s*|\s+")


class CannedChatModel(BaseChatModel):
    """Says its lines, a word at a time. `chats` are the last chats that it was given, for tests to look at."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    lines: Any
    delay_s: float = 0.0
    max_words: int = 0
    chats: list[list[BaseMessage]] = []  # noqa: RUF012 - pydantic copies it
    _said: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, lines: Lines, **fields: Any) -> None:
        super().__init__(lines=lines, **fields)  # pyright: ignore[reportCallIssue] - pydantic's fields

    @property
    def _llm_type(self) -> str:
        return "canned"

    def get_num_tokens(self, text: str) -> int:
        """Count words: near enough for a double."""
        return len(text.split())

    def _next_words(self, messages: list[BaseMessage], stop: list[str] | None) -> list[str]:
        with self._lock:
            self.chats.append(list(messages))
            del self.chats[:-_KEPT]
            lines: Any = self.lines
            line = cast("Line", lines(messages) if callable(lines) else lines[self._said % len(lines)])
            self._said += 1
        if isinstance(line, Exception):
            raise line
        until = min((at for word in stop or () if (at := line.find(word)) >= 0), default=len(line))
        return _WORD.findall(line[:until])[: self.max_words or None]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        words = self._next_words(messages, stop)
        for word in words:
            if self.delay_s:
                time.sleep(self.delay_s)
            chunk = _chunk(word)
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        yield self._last(messages, words)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        words = self._next_words(messages, stop)
        for word in words:
            await asyncio.sleep(self.delay_s)
            chunk = _chunk(word)
            if run_manager is not None:
                await run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        yield self._last(messages, words)

    def _last(self, messages: list[BaseMessage], words: list[str]) -> ChatGenerationChunk:
        asked = sum(self.get_num_tokens(str(message.text)) for message in messages)
        usage = UsageMetadata(input_tokens=asked, output_tokens=len(words), total_tokens=asked + len(words))
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                chunk_position="last",
                usage_metadata=usage,
                response_metadata={
                    "finish_reason": "length" if len(words) == self.max_words else "eos",
                    "model_name": "canned",
                },
            )
        )


def _chunk(piece: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=piece))

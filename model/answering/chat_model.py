"""LangChain's chat models: one over the engine, and its double, which says what it was told to say.

    OnnxChatModel(engine)                           sync, async, streamed, with stop strings and token counts

    CannedChatModel(["Ten days.", "No."])           one line after the other, then from the start
    CannedChatModel(lambda messages: "Ten days.")   a line made from the chat
    CannedChatModel(["..."], delay_s=0.05)          a word at a time, as the engine does
    CannedChatModel(["Ten days."], max_words=1)     cut off there, as the engine is at its longest answer
    CannedChatModel([EngineBusy(7.0), "No."])       a line that is an error is raised

The canned one is for tests and for `base_model=canned`.
Both take what LangChain's programs give with a call or bind to a model: `temperature`, `top_p`, `seed`,
`max_tokens`, `stop`, `response_format`; and `with_structured_output` with a JSON schema or a pydantic class.

LangChain can send every prompt to LangSmith when an environment variable says so. Here it never does:
importing this module switches its tracing off for the process.

`temperature`, `top_p`, `seed`, `max_tokens` (also as `max_completion_tokens`) and `response_format` are those
of OpenAI's API; `sampling` is ours, with all of them together.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from operator import itemgetter
from typing import Any, cast

import langsmith
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from pydantic import BaseModel, ConfigDict, PrivateAttr

from model.onnx_infer import GREEDY, Engine, Sampling, Usage

Call = Mapping[str, Any]


def read_longest(call: Call, default: int) -> int:
    """Return how many tokens an answer may have."""
    return int(call.get("max_completion_tokens") or call.get("max_tokens") or default)


def read_sampling(call: Call, default: Sampling) -> Sampling:
    """Return how tokens are chosen: as the call says, else as the model has it."""
    sampling: Sampling = call.get("sampling") or default
    given = {name: call[name] for name in ("temperature", "top_p", "seed") if call.get(name) is not None}
    wanted: Mapping[str, Any] | None = call.get("response_format")
    return replace(sampling, **given, schema=_read_schema(wanted) if wanted else sampling.schema)


def _read_schema(wanted: Mapping[str, Any]) -> str:
    """Return the JSON schema of a `response_format`, as JSON; "" for plain text."""
    if wanted.get("type") == "json_schema":
        return json.dumps(wanted["json_schema"]["schema"])
    return json.dumps({"type": "object"}) if wanted.get("type") == "json_object" else ""


def build_structured(
    model: Runnable[LanguageModelInput, Any], schema: dict[str, Any] | type, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Return a model whose answer is JSON of a schema, parsed: a dictionary, or an object of the class."""
    parser: Runnable[Any, Any]
    if isinstance(schema, dict):
        shape, parser = schema, JsonOutputParser()
    elif issubclass(schema, BaseModel):
        shape = schema.model_json_schema()
        parser = PydanticOutputParser[Any](pydantic_object=schema)
    else:
        raise TypeError("a structured answer is described by a JSON schema, or a pydantic class")
    named = {"name": str(shape.get("title", "answer")), "schema": shape}
    bound = model.bind(response_format={"type": "json_schema", "json_schema": named})
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=_give_none)
    failed = RunnablePassthrough.assign(parsed=_give_none)
    return RunnableMap[Any](raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _give_none(_: Any) -> None:
    return None


langsmith.configure(enabled=False)

Line = str | Exception
Lines = Sequence[Line] | Callable[[Sequence[BaseMessage]], Line]

_ROLES: Mapping[str, str] = {"human": "user", "ai": "assistant"}
_KEPT = 1000  # chats
_WORD = re.compile(r"\S+\s*|\s+")


class StreamingChatModel(BaseChatModel):
    """A chat model that writes piece by piece; a whole answer is its pieces put together.

    A subclass yields what it writes, and last what LangChain keeps of the run (`last_chunk`).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @abstractmethod
    def _write(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> Iterator[ChatGenerationChunk]:
        """Write an answer piece by piece."""

    @abstractmethod
    def _awrite(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """Write an answer piece by piece, for a caller that waits for each."""

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a model that answers with JSON of a schema, or an object of a pydantic class.

        It is held to that token by token: nothing has to be asked twice. `include_raw` gives {"raw",
        "parsed", "parsing_error"}. What a call may have (`temperature`, `seed`, …) can be given, too; what
        was bound before is lost, as with LangChain's other models. Their `method` and `strict` mean nothing.
        """
        call = {name: value for name, value in kwargs.items() if name not in ("method", "strict")}
        return build_structured(self.bind(**call), schema, include_raw=include_raw)

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
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._write(messages, stop or (), kwargs):
            if run_manager is not None and chunk.text:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._awrite(messages, stop or (), kwargs)) as chunks:
            async for chunk in chunks:
                if run_manager is not None and chunk.text:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk


class OnnxChatModel(StreamingChatModel):
    """An engine as LangChain's chat model.

    `max_tokens` and `sampling` can be given with a call, too, and `within`.
    """

    engine: Engine
    max_tokens: int = 96
    sampling: Sampling = GREEDY

    def __init__(self, engine: Engine, **fields: Any) -> None:
        super().__init__(engine=engine, **fields)  # pyright: ignore[reportCallIssue] - pydantic's fields

    @property
    def _llm_type(self) -> str:
        return "onnx"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.engine.folder.name, "max_tokens": self.max_tokens}

    def get_num_tokens(self, text: str) -> int:
        """Count with the model's own tokenizer."""
        return self.engine.count_tokens(text)

    def _write(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> Iterator[ChatGenerationChunk]:
        usage: list[Usage] = []
        yield from map(
            make_chunk, self.engine.generate_sync(**self._request(messages, stop, call), on_done=usage.append)
        )
        yield self._last_chunk(usage[0])

    async def _awrite(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> AsyncGenerator[ChatGenerationChunk]:
        usage: list[Usage] = []
        request = self._request(messages, stop, call)
        async with aclosing(self.engine.generate(**request, on_done=usage.append)) as pieces:
            async for piece in pieces:
                yield make_chunk(piece)
        yield self._last_chunk(usage[0])

    def _request(self, messages: Sequence[BaseMessage], stop: Sequence[str], call: Call) -> dict[str, Any]:
        return {
            "prompt": self.engine.render([to_turn(message) for message in messages]),
            "max_new_tokens": read_longest(call, self.max_tokens),
            "stop": stop,
            "sampling": read_sampling(call, self.sampling),
            "within": call.get("within"),
        }

    def _last_chunk(self, usage: Usage) -> ChatGenerationChunk:
        return make_last_chunk(
            (usage.tokens_in, usage.tokens_out, usage.tokens_reused),
            finish_reason=usage.reason,
            model_name=self.engine.folder.name,
            time_to_first_token_s=usage.ttft_s,
        )


class CannedChatModel(StreamingChatModel):
    """Says its lines, a word at a time.

    `chats` are the last chats that it was given, for tests to look at.
    """

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

    def _write(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> Iterator[ChatGenerationChunk]:
        words = self._next_words(messages, stop)
        for word in words:
            if self.delay_s:
                time.sleep(self.delay_s)
            yield make_chunk(word)
        yield self._last_chunk(messages, words)

    async def _awrite(
        self, messages: list[BaseMessage], stop: Sequence[str], call: Call
    ) -> AsyncGenerator[ChatGenerationChunk]:
        words = self._next_words(messages, stop)
        for word in words:
            await asyncio.sleep(self.delay_s)
            yield make_chunk(word)
        yield self._last_chunk(messages, words)

    def _next_words(self, messages: list[BaseMessage], stop: Sequence[str]) -> list[str]:
        with self._lock:
            self.chats.append(list(messages))
            del self.chats[:-_KEPT]
            lines: Any = self.lines
            line = cast("Line", lines(messages) if callable(lines) else lines[self._said % len(lines)])
            self._said += 1
        if isinstance(line, Exception):
            raise line
        until = min((at for word in stop if (at := line.find(word)) >= 0), default=len(line))
        return _WORD.findall(line[:until])[: self.max_words or None]

    def _last_chunk(self, messages: list[BaseMessage], words: list[str]) -> ChatGenerationChunk:
        asked = sum(self.get_num_tokens(str(message.text)) for message in messages)
        reason = "length" if len(words) == self.max_words else "eos"
        return make_last_chunk((asked, len(words), 0), finish_reason=reason, model_name="canned")


def to_turn(message: BaseMessage) -> dict[str, str]:
    """Return a message as engines take it."""
    return {"role": _ROLES.get(message.type, message.type), "content": str(message.text)}


def make_chunk(piece: str) -> ChatGenerationChunk:
    """Return a piece of an answer."""
    return ChatGenerationChunk(message=AIMessageChunk(content=piece))


def make_last_chunk(tokens: tuple[int, int, int], **run: Any) -> ChatGenerationChunk:
    """Return the empty piece that ends a run: its tokens (read, written, and read before) and facts of it."""
    tokens_in, tokens_out, reused = tokens
    usage = UsageMetadata(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=tokens_in + tokens_out,
        input_token_details=InputTokenDetails(cache_read=reused),
    )
    message = AIMessageChunk(
        content="", chunk_position="last", usage_metadata=usage, response_metadata=dict(run)
    )
    return ChatGenerationChunk(message=message)

"""The LangChain chat model over the engine: sync, async, streamed, with stop strings and token counts.

LangChain can send every prompt to LangSmith when an environment variable says so. Here it never does: importing this
module switches its tracing off for the process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import langsmith
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from model.onnx_infer import GREEDY, Engine, Sampling, Usage

langsmith.configure(enabled=False)

_ROLES: Mapping[str, str] = {"human": "user", "ai": "assistant"}


class OnnxChatModel(BaseChatModel):
    """An engine as LangChain's chat model. `max_tokens` and `sampling` can be given with a call, too, and `within`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

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
        usage: list[Usage] = []
        for piece in self.engine.generate_sync(**self._request(messages, stop, kwargs), on_done=usage.append):
            chunk = _chunk(piece)
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        yield _last_chunk(usage[0], self.engine.folder.name)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        usage: list[Usage] = []
        pieces = self.engine.generate(**self._request(messages, stop, kwargs), on_done=usage.append)
        try:
            async for piece in pieces:
                chunk = _chunk(piece)
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
        finally:
            await pieces.aclose()
        yield _last_chunk(usage[0], self.engine.folder.name)

    def _request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, call: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "prompt": self.engine.render([_to_turn(message) for message in messages]),
            "max_new_tokens": call.get("max_tokens", self.max_tokens),
            "stop": stop or (),
            "sampling": call.get("sampling", self.sampling),
            "within": call.get("within"),
        }


def _to_turn(message: BaseMessage) -> dict[str, str]:
    return {"role": _ROLES.get(message.type, message.type), "content": str(message.text)}


def _chunk(piece: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=piece))


def _last_chunk(usage: Usage, model: str) -> ChatGenerationChunk:
    message = AIMessageChunk(
        content="",
        chunk_position="last",
        usage_metadata=UsageMetadata(
            input_tokens=usage.tokens_in,
            output_tokens=usage.tokens_out,
            total_tokens=usage.tokens_in + usage.tokens_out,
            input_token_details={"cache_read": usage.tokens_reused},
        ),
        response_metadata={
            "finish_reason": usage.reason,
            "model_name": model,
            "time_to_first_token_s": usage.ttft_s,
        },
    )
    return ChatGenerationChunk(message=message)

"""A chat completion as OpenAI's API has it: its request, read and checked, its errors, and what goes back.

What cannot be done is refused rather than left out: whoever sends tools, or asks for three answers, has to
hear that there are none. A field that nobody here knows is passed over, as servers of this API do.

An error has a status, a type, a code for programs, and the field at fault:

    400 invalid_request_error   what is wrong, and in which field (context_length_exceeded among them)
    401 authentication_error    no key, or a wrong one
    404 not_found_error         no such model, no such address
    413 invalid_request_error   a body that is too large
    503 server_error            busy or going down, with Retry-After: clients try again by themselves
    500 server_error            the model failed
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model.inference.constrained import OutputConstraint
from model.inference.process import Usage
from model.onnx_infer import EngineBusy, EngineError, PromptTooLong, RequestRefused, Sampling

TOO_LONG = "context_length_exceeded"
UNKNOWN_MODEL = "model_not_found"
BUSY = "server_busy"


class ApiError(Exception):
    """An answer that is an error; `code` is for programs, `param` the field at fault.

    `model` is whose fault it is ("": nobody's, or the client's).
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers: dict[str, str] = {}
        self.model = ""

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON body."""
        kinds = {401: "authentication_error", 404: "not_found_error"}
        kind = kinds.get(
            self.status,
            "server_error" if self.status >= 500 else "invalid_request_error",  # noqa: PLR2004
        )
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def refuse(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Make the error of a request that cannot be served as it is."""
    return ApiError(400, message, param=param, code=code)


def make_busy(message: str, retry_after_s: float) -> ApiError:
    """Make the error that says when to try again, in whole seconds."""
    error = ApiError(503, message, code=BUSY)
    error.headers["Retry-After"] = str(max(1, round(retry_after_s)))
    return error


def from_engine(error: EngineError) -> ApiError:
    """Say what an engine raised."""
    match error:
        case EngineBusy():
            return make_busy(f"The model is {error}.", error.retry_after_s)
        case PromptTooLong():
            sentence = str(error)
            return refuse(f"{sentence[0].upper()}{sentence[1:]}.", "messages", TOO_LONG)
        case RequestRefused():
            return refuse(f"The schema cannot be used: {error}", "response_format")
        case _:
            return ApiError(500, "The model failed; the server's log says why.", code="engine_failed")


_MOST_STOPS = 16
_LONGEST_STOP = 200
_LARGEST_SCHEMA = 20_000
_MOST_PAGES = 64
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "modalities": (["text"],),
    "audio": (),
}
"""What is not done here, with the values that ask for nothing."""
Role = Literal["system", "developer", "user", "assistant"]


class _Part(BaseModel):
    type: Literal["text"]
    text: str


class _Message(BaseModel):
    """One message; its content is a text, or parts that are texts."""

    role: Role
    content: str | list[_Part]

    @property
    def text(self) -> str:
        """The whole text."""
        return self.content if isinstance(self.content, str) else "".join(one.text for one in self.content)


class _JsonSchema(BaseModel):
    """A named schema; `json_schema` of the API."""

    model_config = ConfigDict(populate_by_name=True)

    shape: dict[str, Any] = Field(default_factory=dict[str, Any], alias="schema")


class _ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: _JsonSchema | None = None


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _Within(BaseModel):
    """Our extension: the answer is a stretch of whole words of the pages, or the sentence instead."""

    pages: Annotated[list[str], Field(min_length=1, max_length=_MOST_PAGES)]
    sentence: Annotated[str, Field(min_length=1, max_length=_LONGEST_STOP)]


class ChatRequest(BaseModel):
    """What a client asks."""

    model_config = ConfigDict(extra="ignore")

    model: str = ""
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: list[Annotated[str, Field(max_length=_LONGEST_STOP)]] = Field(
        default_factory=list[str], max_length=_MOST_STOPS
    )
    seed: int | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stream: bool = False
    stream_options: _StreamOptions | None = None
    response_format: _ResponseFormat | None = None
    user: str = ""
    within: _Within | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_the_impossible(cls, given: Any) -> Any:
        fields = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        for name, neutral in _NEUTRAL.items():
            if fields.get(name) is not None and fields[name] not in neutral:
                raise refuse(f"This server does not do {name}: leave it out.", name, "unsupported_parameter")
        return cast("Any", given)

    @field_validator("stop", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return [] if given is None else [given] if isinstance(given, str) else given

    @field_validator("user", "model", mode="before")
    @classmethod
    def _left_out(cls, given: Any) -> Any:
        return "" if given is None else given

    @model_validator(mode="after")
    def _one_bound(self) -> ChatRequest:
        if self.within and self.schema_text:
            raise refuse("An answer cannot be held to pages and to a schema.", "response_format")
        return self

    @property
    def chat(self) -> list[dict[str, str]]:
        """The messages as an engine takes them."""
        return [
            {"role": "system" if one.role == "developer" else one.role, "content": one.text}
            for one in self.messages
        ]

    @property
    def longest(self) -> int | None:
        """How many tokens the answer may have; None where the client leaves that to the server."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen. Without a temperature the likeliest: the same question, the same answer."""
        seed = None if self.seed is None else self.seed % (1 << 63)
        return Sampling(self.temperature or 0.0, seed, self.top_p or 1.0, self.schema_text)

    @property
    def schema_text(self) -> str:
        """The JSON schema that the answer must have, as JSON; "" for none."""
        wanted = self.response_format
        if wanted is None or wanted.type == "text":
            return ""
        shape = wanted.json_schema.shape if wanted.type == "json_schema" and wanted.json_schema else {}
        return json.dumps(shape or {"type": "object"})

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with its tokens."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def bound(self) -> OutputConstraint | None:
        """The pages that the answer is held to."""
        return OutputConstraint(tuple(self.within.pages), self.within.sentence) if self.within else None


def parse_chat_request(body: bytes, most_messages: int) -> ChatRequest:
    """Read the body of a request. Raises ApiError with the field that is wrong."""
    try:
        raw = json.loads(body)
        json.dumps(raw, ensure_ascii=False).encode()  # half a character (\\ud800) is one nowhere else
    except (ValueError, RecursionError):
        raise refuse("The body of the request is not JSON in UTF-8.") from None
    try:
        asked = ChatRequest.model_validate(raw)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise refuse(f"{place or 'The body'}: {first['msg']}", place or None) from None
    if len(asked.messages) > most_messages:
        raise refuse(f"A chat has at most {most_messages} messages here.", "messages")
    if len(asked.schema_text) > _LARGEST_SCHEMA:
        raise refuse(f"A schema has at most {_LARGEST_SCHEMA} characters.", "response_format")
    return asked


DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Completion:
    """What all parts of one completion have in common."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, usage: Usage) -> Mapping[str, Any]:
        """Return the body of an answer that is sent whole."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason_of(usage)}
        return self._around("chat.completion", [choice]) | {"usage": usage_of(usage)}

    def piece(self, delta: Mapping[str, str], reason: str | None = None) -> bytes:
        """Return the event with the next piece of the text, or with why there is no more."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return make_event(self._around("chat.completion.chunk", [choice]))

    def last(self, usage: Usage) -> bytes:
        """Return the event with the figures, for whoever asked for them."""
        return make_event(self._around("chat.completion.chunk", []) | {"usage": usage_of(usage)})

    def _around(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def make_event(body: Mapping[str, Any]) -> bytes:
    """Return a body as an event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def reason_of(usage: Usage) -> str:
    """Say why an answer ended, in the API's words."""
    return "length" if usage.reason == "length" else "stop"


def usage_of(usage: Usage) -> Mapping[str, Any]:
    """Return the tokens of an answer, with those of its prompt that needed no computing."""
    return {
        "prompt_tokens": usage.tokens_in,
        "completion_tokens": usage.tokens_out,
        "total_tokens": usage.tokens_in + usage.tokens_out,
        "prompt_tokens_details": {"cached_tokens": usage.tokens_reused},
    }

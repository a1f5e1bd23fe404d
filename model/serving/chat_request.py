"""A request for a chat completion as OpenAI's API has it: read, checked, and refused with its field's name.

What cannot be done is refused rather than left out: whoever sends tools, or asks for three answers, has to
hear that there are none. A field that nobody here knows is passed over, as servers of this API do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model.inference.constrained import OutputConstraint
from model.onnx_infer import Sampling
from model.serving.errors import refuse

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

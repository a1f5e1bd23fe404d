"""What LangChain's programs give with a call of a chat model, or bind to it, and structured answers.

`temperature`, `top_p`, `seed`, `max_tokens` (also as `max_completion_tokens`) and `response_format` are those
of OpenAI's API; `sampling` is ours, with all of them together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from pydantic import BaseModel

from model.onnx_infer import Sampling

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

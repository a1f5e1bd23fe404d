"""Whether drafts pay for a version: the same tokens, and sooner; measured with the version at its import.

A few questions ask for sentences of a small page, as the bot's chain asks them, and as it asks a version that
was trained here. Each is answered with drafts and without (`model/inference/drafts.py`), after its prompt has
been read. Drafts are on for a version where all answers have the same tokens and come at least `_WORTH` times
as fast; else they are off, and the figures are kept all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.records import Passage
from model.answering.profile import describe_processor, time_answer
from model.registry.sample_page import PASSAGES
from model.text.prompt import build_messages, build_reading_messages

if TYPE_CHECKING:
    from model.onnx_infer import Engine

NOT_HERE = "it cannot run here"
NOT_CHANGED = "its graph is not of the kind that can check them"
_WORTH = 1.2
_NEW_TOKENS = 48
_ENOUGH_S = 30.0
"""A version that answers slowly is asked fewer of the questions."""
_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
_QUESTION = "What does the page say about {}? Quote the sentence."


@dataclass(frozen=True, slots=True)
class Drafting:
    """The figures: prompts, how many of the answers had the same tokens, how many times as fast they came.

    `device` and `processor` are those that it was measured on: on others it does not hold. `why_not` tells
    nothing was measured.
    """

    prompts: int = 0
    same: int = 0
    faster: float = 0.0
    device: str = ""
    processor: str = ""
    why_not: str = ""

    @property
    def pays(self) -> bool:
        """Whether drafts are to be used."""
        return 0 < self.prompts == self.same and self.faster >= _WORTH

    def dump(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        kept = {name: value for name, value in asdict(self).items() if value != ""}
        return {"on": self.pays, **kept} if not self.why_not else {"on": False, "why_not": self.why_not}


def describe_drafting(drafting: Mapping[str, Any]) -> str:
    """Say whether a version uses drafts, and why; "" for an older one, which says nothing of it."""
    if not drafting:
        return ""
    if "why_not" in drafting:
        return f"drafts are off: {drafting['why_not']}"
    same = "the same tokens" if drafting["same"] == drafting["prompts"] else "other tokens"
    return (
        f"drafts are {'on' if drafting['on'] else 'off'}: with them answers that quote come "
        f"{drafting['faster']:.2f} times as fast, {same} ({drafting['same']} of {drafting['prompts']})"
    )


def is_on(drafting: Mapping[str, Any], device: str, processor: str) -> bool:
    """Tell whether a version's drafts are on, by its manifest, on "cpu" or "cuda" of that name."""
    measured = (drafting.get("device"), drafting.get("processor"))
    return bool(drafting.get("on")) and measured == (device, processor)


def measure_drafts(engine: Engine) -> Drafting:
    """Let a version answer with drafts and without. Blocks for seconds. Raises EngineError."""
    alone_s = drafted_s = 0.0
    prompts = same = 0
    for ids in make_quoting_prompts(engine):
        time_answer(engine, ids, 1)  # from here on the prompt is in the cache
        alone = time_answer(engine, ids, _NEW_TOKENS)
        drafted = time_answer(engine, ids, _NEW_TOKENS, drafted=True)
        alone_s, drafted_s = alone_s + alone.total_s, drafted_s + drafted.total_s
        prompts, same = prompts + 1, same + (alone.text == drafted.text)
        if alone_s + drafted_s > _ENOUGH_S:
            break
    options = engine.options
    return Drafting(prompts, same, round(alone_s / drafted_s, 2), options.device, describe_processor(options))


def make_quoting_prompts(engine: Engine) -> list[list[int]]:
    """Return the questions with their page, as token ids: half as one asks who has learned nothing."""
    body = "\n\n".join(f"{title}: {text}" for title, text in PASSAGES)
    page = Passage("", "", "Handbook", body, "", _MADE_AT)
    asked = [_QUESTION.format(title.lower()) for title, _ in PASSAGES]
    chats = [(build_reading_messages, build_messages)[at % 2](one, [page]) for at, one in enumerate(asked)]
    room = engine.context_tokens - _NEW_TOKENS
    return [engine.text.encode(engine.text.render(chat))[-room:] for chat in chats]

"""The tokenizer: chat template, control tokens kept out of content, stop strings, UTF-8.

The tokenizer is the `tokenizers` library's on the version's own `tokenizer.json`, which training uses too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime_genai as og
from tokenizers import Tokenizer

# pyright: reportUnknownMemberType=false, reportAttributeAccessIssue=false, reportMissingTypeStubs=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (onnxruntime_genai has no type stubs)

_BROKEN = "\ufffd"  # what a decoder writes for a character of which bytes are missing
_MARK = "ENDOFTURN"  # letters that stand for an answer
_NO_THOUGHT = "<think>\n\n</think>\n\n"
"""What the templates of models that think aloud begin an answer with, where they shall not."""
_TEMPLATE_WORDS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")  # control words that are no tokens, in Llama 2


class ChatText:
    """The text side of one model version."""

    def __init__(self, folder: Path) -> None:
        self._template = og.Tokenizer(str(folder))
        self._opening = find_opening(find_template(folder))
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        eos = json.loads((folder / "genai_config.json").read_text("utf-8"))["model"]["eos_token_id"]
        self._eos: list[int] = [eos] if isinstance(eos, int) else eos
        added = self._tokenizer.get_added_tokens_decoder().values()
        words = [token.content for token in added if len(token.content.strip()) > 1]
        self._control = re.compile(
            "|".join(re.escape(word) for word in sorted({*words, *_TEMPLATE_WORDS}, key=len, reverse=True))
        )

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the prompt for messages {"role", "content"}, up to where the assistant begins to speak."""
        safe = [
            {"role": message["role"], "content": self.neutralise(message["content"])} for message in messages
        ]
        prompt = str(self._template.apply_chat_template(json.dumps(safe), add_generation_prompt=True))
        return prompt + self._opening

    def neutralise(self, content: str) -> str:
        """Break every control word in a text with a space: `< |im_end|>` is just text."""
        while (
            broken := self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)
        ) != content:
            content = broken
        return content

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens with which the model ends what it writes."""
        return frozenset(self._eos)

    @property
    def end_of_turn(self) -> int:
        """The token with which an assistant's turn ends in this template.

        Where it has none, the model's own end.
        """
        said = json.dumps([{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARK}])
        whole = str(self._template.apply_chat_template(said, add_generation_prompt=False))
        after = self.encode(whole.rpartition(_MARK)[2])
        return next((token for token in after if token in self._eos), self._eos[0])

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a prompt; control words in it become control tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def tokenize(self, text: str) -> list[tuple[int, int, int]]:
        """Return the tokens of a text, each with where the characters begin and end that it is of."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [(token, *place) for token, place in zip(encoded.ids, encoded.offsets, strict=True)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, control tokens left out."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    @property
    def control_ids(self) -> frozenset[int]:
        """The ids that mean more than their text."""
        return frozenset(self._tokenizer.get_added_tokens_decoder())


def find_template(folder: Path) -> str:
    """Return a version's chat template, "" where it has none."""
    alone, configured = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if alone.is_file():
        return alone.read_text("utf-8")
    return (
        str(json.loads(configured.read_text("utf-8")).get("chat_template", ""))
        if configured.is_file()
        else ""
    )


def find_opening(template: str) -> str:
    """Return the opening that keeps a model from thinking aloud first: people wait for the answer."""
    written = json.dumps(_NO_THOUGHT)[1:-1]
    return _NO_THOUGHT if "enable_thinking" in template and written in template else ""


class Decoder:
    """Tokens → pieces of text. A piece never ends within a character, nor within a stop string."""

    def __init__(self, text: ChatText, stop: Sequence[str]) -> None:
        self._text = text
        self._stop = [word for word in stop if word]
        self._ids: list[int] = []
        self._given = 0
        self.reason: str | None = None

    def feed(self, token: int) -> str:
        """Return the text that is certain now, often "". `reason` becomes "stop" at a stop string."""
        self._ids.append(token)
        return self._piece(final=False)

    def end(self, reason: str) -> str:
        """Return what was held back, as no more tokens come."""
        self.reason = reason
        return self._piece(final=True)

    def _piece(self, *, final: bool) -> str:
        whole = self._text.decode(self._ids)
        until = len(whole)
        if found := [at for word in self._stop if (at := whole.find(word, self._given)) >= 0]:
            self.reason, until = "stop", min(found)
        elif not final:
            until = len(whole.rstrip(_BROKEN)) if whole.endswith(_BROKEN) else until
            until = min([until, *(_find_partial_match(whole[:until], word) for word in self._stop)])
        piece = whole[self._given : until]
        self._given = max(self._given, until)
        return piece


def _find_partial_match(text: str, word: str) -> int:
    """Return where the longest beginning of `word` starts that `text` ends with, else len(text)."""
    sizes = range(min(len(word) - 1, len(text)), 0, -1)
    return next((len(text) - size for size in sizes if text.endswith(word[:size])), len(text))

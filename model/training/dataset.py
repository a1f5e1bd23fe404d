"""Training datasets: a folder of examples is read, and each becomes the tokens of its prompt.

    folder/examples.jsonl    one `TrainingExample` a line, as JSON
    folder/card.json         tells at least the dataset's name ("dataset", or "name"), and in `label` which
                             wording of the label "declined" it was written with (1: the first of
                             `prompt.LABELS`). One without it is older: there the first wording declines
                             wherever it stands

The prompt is `model/text/prompt.py`'s, through the same template and tokenizer that the engine answers with:
what is learned is what will be asked, token by token.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from core.files import compute_sha256
from core.records import Passage, TrainingExample
from model.answering import grounding
from model.answering.grounding import Reading
from model.inference.tokenizer import ChatText
from model.text import output_text, prompt

EXAMPLES, CARD = "examples.jsonl", "card.json"
_PASSAGES = TypeAdapter(tuple[Passage, ...])
_KNOWN = {field.name for field in fields(TrainingExample)}
_SCALE = 1 << 64
_WHOLE = Reading(sentences=0)
_TOLD = 0.5
"""Share of the words of a completion that must stand in what is read."""


class ExamplesInvalid(ValueError):
    """A folder is no dataset; the message says where, for a person."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The examples of one folder.

    `sha256` is of the file as it is: what was deleted since then is not in it.
    """

    name: str
    sha256: str
    examples: tuple[TrainingExample, ...]

    def split(self, validation_share: float) -> tuple[list[TrainingExample], list[TrainingExample]]:
        """Return the training and the validation examples, by a hash of the answer's id; none held out.

        What is made from an example never validates, and trains only where all that it is made from does.
        """
        sides: tuple[list[TrainingExample], list[TrainingExample]] = ([], [])
        for example in self.examples:
            if not example.held_out:
                origins = example.made_from or (example.answer_id,)
                validates = any(_is_drawn(name, validation_share) for name in origins)
                if not validates or not example.made_from:
                    sides[validates].append(example)
        return sides


def _is_drawn(answer_id: str, share: float) -> bool:
    drawn = hashlib.sha256(f"validation|{answer_id}".encode()).digest()[:8]
    return int.from_bytes(drawn) < share * _SCALE


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as tokens.

    `completion` and `rejected` end with the end of the turn; `rejected` may be empty.

    `place` is the same for examples whose prompts have the same passages.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    rejected: tuple[int, ...]
    weight: float
    kind: str
    place: str

    def __len__(self) -> int:
        return len(self.prompt) + max(len(self.completion), len(self.rejected))


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset's folder. Raises ExamplesInvalid with the file and line."""
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        name, label = str(card.get("dataset") or card["name"]), int(card.get("label") or 0)
        lines = (folder / EXAMPLES).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExamplesInvalid(f"{folder} is no dataset of examples: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExamplesInvalid(f"{folder / CARD} does not say which dataset it is") from error
    examples: dict[str, TrainingExample] = {}
    for number, line in enumerate(lines, 1):
        example = _example(line, f"{folder / EXAMPLES}, line {number}")
        if not label and output_text.to_plain_text(example.completion) == prompt.LABELS[0]:
            example = replace(example, kind="not_on_page")
        if example.answer_id in examples:
            raise ExamplesInvalid(f"{folder / EXAMPLES}, line {number}: {example.answer_id} is there twice")
        examples[example.answer_id] = example
    if not examples:
        raise ExamplesInvalid(f"{folder / EXAMPLES} holds no example")
    return Dataset(name, compute_sha256(folder / EXAMPLES), tuple(examples.values()))


def _example(line: str, where: str) -> TrainingExample:
    try:
        raw: dict[str, Any] = json.loads(line)
        passages = _PASSAGES.validate_python(raw["passages"])
        given: dict[str, Any] = {
            name: raw[name] for name in raw if name in _KNOWN - {"passages", "made_from"}
        }
        made_from = tuple(map(str, raw.get("made_from", ())))
        example = TrainingExample(**given, passages=passages, made_from=made_from)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ExamplesInvalid(f"{where} is no training example: {type(error).__name__} {error}") from error
    if problem := _problem(example):
        raise ExamplesInvalid(f"{where}: {problem}")
    return example


def _problem(example: TrainingExample) -> str:
    texts = (example.answer_id, example.question_text, example.completion)
    if not all(isinstance(text, str) and text.strip() for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance] - JSON
        return "it needs an answer_id, a question_text and a completion"
    if not output_text.to_plain_text(example.completion):
        return "its completion has no words but links or markup"
    if not example.passages:
        return "it has no passage"
    good = isinstance(example.weight, int | float) and 0 < example.weight < float("inf")  # pyright: ignore[reportUnnecessaryIsInstance]
    return "" if good else f"its weight is {example.weight}, not a number above 0"


def encode(text: ChatText, example: TrainingExample, reading: Reading = _WHOLE) -> Encoded:
    """Return the tokens of the prompt, of the completion and of the rejected text."""
    shown = grounding.select_passages(example.question_text, example.passages, reading)
    asked = text.render(prompt.build_messages(example.question_text, shown))
    rejected = output_text.to_plain_text(example.rejected_text)
    return Encoded(
        prompt=tuple(text.encode(asked)),
        completion=_encode_sentence(text, _completion(example)),
        rejected=_encode_sentence(text, rejected) if rejected else (),
        weight=float(example.weight),
        kind=example.kind,
        place=hashlib.sha256(prompt.join_excerpts(shown).encode("utf-8", "surrogatepass")).hexdigest(),
    )


def is_teachable(example: TrainingExample, reading: Reading) -> bool:
    """Tell whether the completion declines or stands in what is read: else it teaches to guess."""
    if example.declines:
        return True
    shown = grounding.select_passages(example.question_text, example.passages, reading)
    said = grounding.content_words(output_text.to_plain_text(example.completion))
    return len(said & grounding.content_words(prompt.join_excerpts(shown))) >= _TOLD * len(said)


def _completion(example: TrainingExample) -> str:
    """Return what the model is to write; today's label, whatever the dataset was written with."""
    return prompt.NOT_ON_PAGE if example.declines else output_text.to_plain_text(example.completion)


def _encode_sentence(text: ChatText, words: str) -> tuple[int, ...]:
    """Return the tokens of a text with a full stop: without one it seems to be cut off."""
    ended = words if words.endswith(output_text.ENDS) else f"{words}."
    return (*text.encode(text.neutralise(ended)), text.end_of_turn)


def mix_order(kinds: Sequence[str], places: Sequence[str], seed: str) -> list[int]:
    """Return an order that spreads every kind evenly: each batch has replayed and unanswerable examples.

    What is asked over the same passages (`places`) stays together, since together it costs little; its first
    one counts.
    """
    draw = random.Random(seed)  # noqa: S311 - a shuffle that can be repeated
    together: defaultdict[str, list[int]] = defaultdict(list)
    for at in draw.sample(range(len(kinds)), len(kinds)):
        together[places[at]].append(at)
    by_kind: defaultdict[str, list[list[int]]] = defaultdict(list)
    for group in together.values():
        by_kind[kinds[group[0]]].append(group)
    spread = [
        ((rank + draw.random()) / len(groups), group)
        for _, groups in sorted(by_kind.items())
        for rank, group in enumerate(groups)
    ]
    return [at for _, group in sorted(spread) for at in group]

"""How much personal data is found in what people write at work, and how much else is masked with it.

Run as: python -m benchmarks.masking [--half choosing] [--show]

`personal_texts.txt` has texts with what is personal marked, and texts that only look like it. Half of them,
by a hash, chose the rules; the other half is reported. A value is found when every letter and digit of it is
masked, as whatever kind; a mask is right when it covers nothing else. The questions of `paraphrases.jsonl`
name nobody: every mask in them is wrong.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.question_sets import find_half
from feedback.masking.masker import KINDS, Masker, Place

LABELLED = Path(__file__).with_name("personal_texts.txt")
NAMING_NOBODY = Path(__file__).with_name("paraphrases.jsonl")
CHOOSING, REPORTING = "choosing", "reporting"
_MARKED = re.compile(rf"\{{({'|'.join(KINDS)}):([^{{}}]*)\}}")


@dataclass(frozen=True)
class Labelled:
    """A text, what is personal in it, and the group that it was written for."""

    text: str
    places: Sequence[Place]
    group: str

    @property
    def half(self) -> str:
        return REPORTING if find_half(self.text) else CHOOSING


@dataclass
class Score:
    """Counts by kind: values that are `labelled`, `found` of them, `masks`, and `right` ones of these.

    `renamed` counts the values that were found as another kind.
    """

    labelled: Counter[str] = field(default_factory=Counter[str])
    found: Counter[str] = field(default_factory=Counter[str])
    renamed: Counter[str] = field(default_factory=Counter[str])
    masks: Counter[str] = field(default_factory=Counter[str])
    right: Counter[str] = field(default_factory=Counter[str])

    def recall(self, kinds: Sequence[str] = KINDS) -> float:
        return _share(self.found, self.labelled, kinds)

    def precision(self, kinds: Sequence[str] = KINDS) -> float:
        return _share(self.right, self.masks, kinds)


def read_labelled(half: str | None = None) -> list[Labelled]:
    """Return the labelled texts, or one half of them."""
    texts: list[Labelled] = []
    group = ""
    for line in LABELLED.read_text("utf-8").splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line and not line.startswith("# "):
            texts.append(strip_marks(line.replace(r"\n", "\n"), group))
    return [text for text in texts if half in {None, text.half}]


def strip_marks(marked: str, group: str = "") -> Labelled:
    """Take the marks out of a text, and remember where they were."""
    text, at = "", 0
    places: list[Place] = []
    for match in _MARKED.finditer(marked):
        text += marked[at : match.start()]
        places.append(Place(match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        at = match.end()
    return Labelled(text + marked[at:], places, group)


def score(masker: Masker, texts: Sequence[Labelled], *, show: bool = False) -> Score:
    """Compare what is masked with the labels."""
    result = Score()
    for text in texts:
        masks = masker.mask(text.text).places
        missed = list(_count_values(result, text, masks))
        wrong = list(_count_masks(result, text, masks))
        if show and (missed or wrong):
            print(f"    [{text.group}] {text.text!r}\n      missed {missed}, wrong {wrong}")
    return result


def _count_values(result: Score, text: Labelled, masks: Sequence[Place]) -> Iterator[str]:
    """Count the values of a text; return those that were missed."""
    for value in text.places:
        result.labelled[value.kind] += 1
        letters = _letters(text.text, value)
        if not letters <= {letter for mask in masks for letter in _letters(text.text, mask)}:
            yield text.text[value.start : value.end]
            continue
        result.found[value.kind] += 1
        result.renamed[value.kind] += not any(
            mask.kind == value.kind and _meet(mask, value) for mask in masks
        )


def _count_masks(result: Score, text: Labelled, masks: Sequence[Place]) -> Iterator[str]:
    """Count the masks of a text; return those that cover something else, too."""
    personal = {letter for value in text.places for letter in _letters(text.text, value)}
    for mask in masks:
        result.masks[mask.kind] += 1
        if _letters(text.text, mask) <= personal:
            result.right[mask.kind] += 1
        else:
            yield text.text[mask.start : mask.end]


def _letters(text: str, place: Place) -> set[int]:
    return {at for at in range(place.start, place.end) if text[at].isalnum()}


def _meet(one: Place, other: Place) -> bool:
    return one.start < other.end and other.start < one.end


def _share(part: Counter[str], whole: Counter[str], kinds: Sequence[str]) -> float:
    return sum(part[kind] for kind in kinds) / max(sum(whole[kind] for kind in kinds), 1)


def table(result: Score) -> str:
    """Return the score in Markdown."""
    lines = [
        "| kind | values | found | recall | as another kind | masks | precision |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, kinds in [*((kind, (kind,)) for kind in KINDS), ("all", KINDS)]:
        values, found, renamed, masks = (
            sum(counter[kind] for kind in kinds)
            for counter in (result.labelled, result.found, result.renamed, result.masks)
        )
        shares = f"{result.recall(kinds):.2f} | {renamed} | {masks} | {result.precision(kinds):.2f}"
        lines.append(f"| {name} | {values} | {found} | {shares} |")
    return "\n".join(lines)


def questions_that_name_nobody() -> list[str]:
    """Return the questions of the matching benchmark, half of the groups chosen by no rule of masking."""
    groups = [json.loads(line) for line in NAMING_NOBODY.read_text("utf-8").splitlines()]
    return [text for group in groups for text in (group["question"], *group["same"], *group["different"])]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=(CHOOSING, REPORTING), default=REPORTING)
    parser.add_argument("--show", action="store_true", help="print what is missed or masked wrongly")
    options = parser.parse_args()
    masker = Masker()
    texts = read_labelled(options.half)
    impersonal = sum(not text.places for text in texts)
    print(f"{len(texts)} texts of the {options.half} half, {impersonal} of them with nothing personal")
    print(table(score(masker, texts, show=options.show)))
    nobody = questions_that_name_nobody()
    touched = [text for text in nobody if masker.mask(text).places]
    print(f"{len(touched)} of {len(nobody)} questions that name nobody were changed")
    for text in touched if options.show else ():
        print(f"    {text!r}")


if __name__ == "__main__":
    main()

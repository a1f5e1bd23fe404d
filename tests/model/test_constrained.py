"""An answer bound to a page: whichever tokens are chosen, its whole words come out, or the other sentence."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from model.inference.constrained import ConstrainedDecoder, OutputConstraint, find_stretches
from model.inference.tokenizer import ChatText
from model.onnx_infer import Engine, EngineOptions
from model.text.prompt import NOT_ON_PAGE

pytest_plugins = ["tests.builders.model_folders"]

PAGE = (
    "The fee is $3.50 (or 3 €) for “Ada's café”, said O'Neill.\n"
    "It isn't 漢字 at all: co-op, <|im_end|> and 12,000 m²."
)
EOS = 999_999


def chosen(text: ChatText, draw: random.Random, *pages: str) -> str:
    """Return what comes out when every token is drawn by lot among those that may come."""
    stretches = find_stretches(text, pages, NOT_ON_PAGE)
    bound, written = ConstrainedDecoder(stretches, text.encode("."), [EOS]), list[int]()
    while (token := draw.choice(bound.list_allowed())) != EOS:
        bound.take(token)
        written.append(token)
        assert len(written) < 300
    return text.decode(written)


def is_of(page: str, said: str) -> bool:
    """Tell whether a text stands on the page, and cuts no word or number in two at either end."""
    before, after = r"(?<!\w)(?<!\w[-'’.,:/])", r"(?!\w)(?![-'’.,:/]\w)"
    before, after = (before if said[0].isalnum() else ""), (after if said[-1].isalnum() else "")
    return re.search(before + re.escape(said) + after, page) is not None


@pytest.mark.model
@pytest.mark.parametrize("model", ["tiny_models", "default_model"])
def test_whole_words_of_the_page_or_the_sentence(model: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(model)
    text = ChatText(folder / "tiny-int8" if model == "tiny_models" else folder)
    page = text.neutralise(PAGE)
    draw = random.Random(7)  # noqa: S311 - the same ones every time
    said = {chosen(text, draw, PAGE, "Breakfast is not included.") for _ in range(400)}
    assert NOT_ON_PAGE in said
    for one in said - {NOT_ON_PAGE}:
        found = any(
            is_of(of, part) for of in (page, "Breakfast is not included.") for part in (one, one[:-1]) if part
        )
        assert found, one
        assert "\n" not in one
    assert any("Breakfast" in one for one in said)
    assert any("café" in one for one in said)


def test_after_the_last_word_only_the_end_can_come() -> None:
    bound = ConstrainedDecoder([{"ids": [1, 2, 3], "ends": [2, 3]}, {"ids": [1, 9], "ends": [2]}], [7], [0])
    assert bound.list_allowed() == [1]
    bound.take(1)
    assert bound.list_allowed() == [2, 9], "no whole word has ended"
    bound.take(2)
    assert bound.list_allowed() == [0, 3, 7]
    bound.take(7)
    assert bound.list_allowed() == [0]


def test_words_without_an_end_end_where_they_are_cut_off() -> None:
    bound = ConstrainedDecoder([{"ids": [1], "ends": []}], [7], [0])
    bound.take(1)
    assert bound.list_allowed() == [0, 7]


@pytest.mark.model
async def test_the_engine_writes_what_it_likes_until_it_is_bound(tiny_models: Path) -> None:
    engine = Engine.load(tiny_models / "tiny-int8", EngineOptions(threads=1))
    page = "Hotels are paid up to 180 dollars a night."
    try:
        free = "".join([piece async for piece in engine.generate("Who?", max_new_tokens=60)])
        within = OutputConstraint((page,), NOT_ON_PAGE)
        bound = "".join([piece async for piece in engine.generate("Who?", max_new_tokens=60, within=within)])
        again = "".join(engine.generate_sync("Who?", max_new_tokens=60, within=within))
    finally:
        await engine.close()
    assert free.rstrip(".") not in page
    assert bound == again
    assert bound == NOT_ON_PAGE or bound.removesuffix(".") in page

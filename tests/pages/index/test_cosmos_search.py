"""The searches sent to Cosmos DB, against Microsoft's documents: its service is not here to ask.

The rules that `read_search` holds them to come from the pages on hybrid search, vector search, full-text
search with its questions and answers, and on ORDER BY RANK, RRF, FullTextScore and VectorDistance, as read in
November 2026. What is not documented is said where it is sent: pages/index/cosmos.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from pages.index.cosmos_schema import full_text_policy, indexing_policy, vector_policy
from pages.index.embeddings import DIMENSIONS
from tests.builders.pages import LEAVE, TRAVEL, page, texts
from tests.doubles.cosmos_pages import Opening, a_page_container, machines
from tests.doubles.cosmos_search import Searched, Undocumented, read_search

VECTOR = [0.5] * DIMENSIONS
PARAMETERS = [
    {"name": "@v", "value": VECTOR},
    {"name": "@w", "value": "taxi"},
    {"name": "@n", "value": 5},
    {"name": "@p", "value": "searched"},
]
HYBRID = "RRF(FullTextScore(c.searched, @w), VectorDistance(c.vector, @v))"


@pytest.fixture
async def place(cosmos_url: str) -> AsyncIterator[tuple[Searched, Opening]]:
    async with a_page_container(cosmos_url) as (_, searched, config), machines(config) as opening:
        yield searched, opening


@pytest.mark.parametrize(
    "query",
    [
        "SELECT TOP 5 c.text as text FROM c ORDER BY RANK HYBRID",
        "SELECT TOP @n c.text as text FROM c WHERE c.kind = 'passage' ORDER BY RANK HYBRID",
        "SELECT c.text as text FROM c ORDER BY RANK HYBRID OFFSET 2 LIMIT 3",
        "SELECT c.text as text FROM c ORDER BY RANK"
        " RRF(FullTextScore(c[@p], @w, @w), VectorDistance(c.vector, @v)) OFFSET 0 LIMIT 5",
        "SELECT TOP 5 c.text as text, VectorDistance(c.vector, @v) as near "
        "FROM c ORDER BY VectorDistance(c.vector, @v)",
    ],
)
def test_the_documented_forms_are_read(query: str) -> None:
    search = read_search(query.replace("HYBRID", HYBRID), PARAMETERS)
    assert search.shown == {"text": "text"}
    assert search.offset + search.limit == 5
    assert {(ranking.function, ranking.path) for ranking in search.rankings} <= {
        ("FullTextScore", "searched"),
        ("VectorDistance", "vector"),
    }


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT c.text as text FROM c ORDER BY RANK HYBRID", "OFFSET and LIMIT, or TOP"),
        ("SELECT c.text as text FROM c ORDER BY RANK HYBRID OFFSET 0 LIMIT @n", "number literal"),
        ("SELECT TOP 5 c.text as text FROM c ORDER BY RANK HYBRID DESC", "not a search"),
        ("SELECT TOP 5 c.text as text FROM c ORDER BY RANK RRF(FullTextScore(c.searched, @w))", "RRF of"),
        (
            "SELECT TOP 5 c.text as text, FullTextScore(c.searched, @w) as s FROM c"
            " ORDER BY VectorDistance(c.vector, @v)",
            "not a property",
        ),
        (
            "SELECT TOP 5 c.text as text FROM c WHERE FullTextScore(c.searched, @w) > 1"
            " ORDER BY VectorDistance(c.vector, @v)",
            "only be ordered by",
        ),
        (
            "SELECT TOP 5 c.text as text FROM c ORDER BY RANK"
            " RRF(FullTextScore(c.searched, ), VectorDistance(c.vector, @v))",
            "FullTextScore",
        ),
        (
            "SELECT TOP 5 c.text as text FROM c ORDER BY RANK"
            " RRF(FullTextScore(c.searched, @n), VectorDistance(c.vector, @v))",
            "strings",
        ),
        (
            "SELECT TOP 5 c.text as text FROM c ORDER BY RANK"
            " RRF(FullTextScore(c.searched, @unknown), VectorDistance(c.vector, @v))",
            "FullTextScore",
        ),
    ],
)
def test_what_the_documentation_forbids_is_refused(query: str, why: str) -> None:
    with pytest.raises(Undocumented, match=re.escape(why)):
        read_search(query.replace("HYBRID", HYBRID), PARAMETERS)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(Undocumented, match="twice"):
        read_search("SELECT TOP 5 c.text as text FROM c ORDER BY RANK HYBRID", [*PARAMETERS, PARAMETERS[0]])


async def test_what_is_sent_is_what_is_documented_and_the_policies_serve_it(
    place: tuple[Searched, Opening],
) -> None:
    searched, opening = place
    index = await opening()
    await index.add(page("/site/leave", LEAVE), source="docs")
    questions = [
        "How many days of leave do I get?",
        "the of and",
        "taxi' OR 1=1 -- \"",
        "\ud83d caf\u00e9",
        "word " * 99 + " ".join(f"w{number}" for number in range(99)),
    ]
    for question in questions:
        await texts(index, question)
        await texts(index, question, page_url="/site/leave")
    assert len(searched.searches) == 2 * len(questions)
    [vectors] = vector_policy()["vectorEmbeddings"]
    [full_text] = full_text_policy()["fullTextPaths"]
    for query, parameters in searched.searches:
        search = read_search(query, parameters)
        assert not search.offset
        assert 0 < search.limit <= 1000, "the SDK takes no more of a hybrid search"
        for ranking in search.rankings:
            if ranking.vector:
                assert f"/{ranking.path}" == vectors["path"]
                assert len(ranking.vector) == vectors["dimensions"]
            else:
                assert f"/{ranking.path}" == full_text["path"]
                assert 1 <= len(ranking.words) <= 30
                assert not [word for word in ranking.words if len(word.split()) != 1], "phrases cost more"
        filtered = set(re.findall(r"c\.(\w+)", search.where))
        assert filtered <= {path["path"][1:-2] for path in indexing_policy()["includedPaths"]}
        literals = re.findall(r"'([^']*)'", search.where)
        assert all(re.fullmatch(r"[0-9a-f-]+|passage", literal) for literal in literals)
    by_words = [query for query, _ in searched.searches if "RANK RRF(FullTextScore(" in query]
    assert len(by_words) == 2 * (len(questions) - 1)
    assert [path["path"] for path in indexing_policy()["vectorIndexes"]] == [vectors["path"]]
    assert [path["path"] for path in indexing_policy()["fullTextIndexes"]] == [full_text["path"]]


async def test_one_page_is_searched_in_its_own_partition(place: tuple[Searched, Opening]) -> None:
    searched, opening = place
    index = await opening()
    await index.add(page("/site/leave", LEAVE), source="docs")
    await texts(index, "leave", page_url="/site/leave")
    [(query, _)] = searched.searches
    assert re.search(r"WHERE c\.pk = '[0-9a-f]{32}' AND ", query)


async def test_words_and_meaning_both_count(place: tuple[Searched, Opening]) -> None:
    """Found by the SDK's own fusion of both rankings: a rare word in one passage, most words in another."""
    _, opening = place
    index = await opening()
    common = "Everyone who asks about holidays and leave gets an answer about holidays and leave."
    rare = "Zanzibar."
    await index.add(page("/site/a", common), source="docs")
    await index.add(page("/site/b", rare), source="docs")
    for number in range(6):
        await index.add(page(f"/site/{number}", f"{TRAVEL} Number {number}."), source="docs")
    found = await index.search("holidays and leave in Zanzibar", limit=2)
    assert {hit.passage.text for hit in found} == {common, rare}

"""What only the shared page index must do: writers cut off, writers at once, and a service that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from core.cosmos_client import open_client
from core.records import Page
from pages.index.base import IndexUnavailable, PageEntry, PageInvalid
from pages.index.cosmos import CosmosIndex
from pages.index.cosmos_pages import Pace
from pages.index.cosmos_schema import (
    PagesConfig,
    Row,
    Table,
    compute_page_key,
    full_text_policy,
    indexing_policy,
    make_page_container,
    page_container_definition,
    to_item,
    vector_policy,
)
from pages.index.embeddings import HashedEmbedder
from tests.builders.pages import LEAVE, NOON, TRAVEL, page, texts
from tests.doubles.cosmos import Fault, Front
from tests.doubles.cosmos_pages import Opening, a_page_container, machines

STILL = Pace(every_s=3600)
"""Looks at nothing by itself: what is sent is what a test asks for."""
LATER = Pace(every_s=3600, now=lambda: time.time() + 300)
"""When what was replaced is due, and nothing is abandoned yet."""
MUCH_LATER = Pace(every_s=3600, now=lambda: time.time() + 7200)


@dataclass
class Place:
    """An empty container, what opens the index of it, and a look at what really lies there."""

    front: Front
    config: PagesConfig
    open: Opening
    container: ContainerProxy

    async def generations(self, url: str) -> dict[str, int]:
        """Return how many items there are of each generation of a page."""
        query = "SELECT c.generation FROM c WHERE c.pk = @pk"
        found = self.container.query_items(
            query, parameters=[{"name": "@pk", "value": compute_page_key(url)}]
        )
        counted: dict[str, int] = {}
        async for item in found:
            counted[item["generation"]] = counted.get(item["generation"], 0) + 1
        return counted

    async def leftovers(self) -> list[str]:
        """Return the generations that are noted as left over."""
        found = self.container.query_items("SELECT c.generation FROM c WHERE c.kind = 'leftover'")
        return [item["generation"] async for item in found]


@pytest.fixture
async def place(cosmos_url: str) -> AsyncIterator[Place]:
    async with (
        a_page_container(cosmos_url) as (front, _, config),
        machines(config) as opening,
        open_client(config) as client,
    ):
        yield Place(front, config, opening, _container(client, config))


def _container(client: CosmosClient, config: PagesConfig) -> ContainerProxy:
    return client.get_database_client(config.database).get_container_client(config.container)


async def as_seen(index: CosmosIndex, url: str) -> set[str]:
    """Return a page's text as it is found, asked for in three ways that must agree."""
    found = await index.page(url)
    alone = await texts(index, "rule", page_url=url)
    among_all = [hit.passage for hit in await index.search("rule", limit=50)]
    assert found is not None
    shown = {section.text for section in found.sections}
    assert set(alone) == shown
    assert {passage.text for passage in among_all if passage.url.startswith(url)} == shown
    return shown


def rules(url: str, draft: int) -> Page:
    """Return a page of several sections, all of another text in every draft."""
    drafted = page(url, *(f"Rule {part} of draft {draft} of {url}." for part in range(4)))
    return replace(drafted, fetched_at=NOON + timedelta(minutes=draft))


def texts_of(drafted: Page) -> set[str]:
    return {section.text for section in drafted.sections}


async def test_a_write_that_is_cut_off_anywhere_leaves_the_page_as_it_was_or_as_it_is(place: Place) -> None:
    """Cut off before the first request, before the second, and so on: every state a crash can leave."""
    outcomes: list[bool] = []
    for step in count():
        url = f"/site/{step}"
        writer = await place.open(pace=STILL)
        await writer.add(rules(url, 1), source="docs")
        done = await _cut_off(place.front, writer, rules(url, 2), after=step)
        await writer.close()
        reader = await place.open(pace=STILL)
        seen = await as_seen(reader, url)
        assert seen in (texts_of(rules(url, 1)), texts_of(rules(url, 2)))
        outcomes.append(seen == texts_of(rules(url, 2)))
        if done:
            break
    assert len(outcomes) > 5
    assert outcomes == sorted(outcomes)
    assert outcomes[-1]
    cleaner = await place.open(pace=MUCH_LATER)
    await cleaner._pages.tidy()
    current: set[str] = set()
    for step in range(len(outcomes)):
        url = f"/site/{step}"
        left = await place.generations(url)
        assert list(left.values()) == [5]
        assert await as_seen(cleaner, url) in (texts_of(rules(url, 1)), texts_of(rules(url, 2)))
        current |= left.keys()
    assert set(await place.leftovers()) <= current


async def _cut_off(front: Front, writer: CosmosIndex, drafted: Page, after: int) -> bool:
    """Write, and stop it for good when it has sent so many requests; True when it needed no more."""
    sent = count()
    stuck = Fault("hang", when=lambda _, path: "/docs" in path and next(sent) >= after)
    front.faults = [stuck]
    writing = asyncio.create_task(writer.add(drafted, source="docs"))
    for _ in range(2000):
        if writing.done() or stuck.met:
            break
        await asyncio.sleep(0.005)
    writing.cancel()
    await asyncio.wait([writing])
    front.heal()
    return not stuck.met


async def test_a_reply_that_is_lost_at_any_step_changes_nothing(place: Place) -> None:
    for step in count():
        url = f"/site/{step}"
        writer = await place.open(pace=STILL)
        await writer.add(rules(url, 1), source="docs")
        sent = count()
        lost = Fault(
            "drop after", when=lambda _, path, sent=sent, step=step: "/docs" in path and next(sent) == step
        )
        place.front.faults = [lost]
        assert await writer.add(rules(url, 2), source="docs")
        place.front.heal()
        assert await as_seen(writer, url) == texts_of(rules(url, 2))
        if not lost.met:
            break
    assert step > 5


async def test_machines_that_write_different_texts_at_once_end_with_one_whole_text(place: Place) -> None:
    indexes = [await place.open(pace=STILL) for _ in range(4)]
    url = "/site/rules"
    await asyncio.gather(
        *(index.add(rules(url, draft), source="docs") for draft, index in enumerate(indexes, 1))
    )
    for index in indexes:
        await index.warm()
        assert await as_seen(index, url) == texts_of(rules(url, 4))  # fetched last
    cleaner = await place.open(pace=MUCH_LATER)
    await cleaner._pages.tidy()
    assert list((await place.generations(url)).values()) == [5]


async def test_replaced_passages_stay_until_every_machine_has_learnt_of_it(place: Place) -> None:
    writer, reader = await place.open(pace=STILL), await place.open(pace=STILL)
    url = "/site/rules"
    await writer.add(rules(url, 1), source="docs")
    await reader.warm()
    await writer.add(rules(url, 2), source="docs")
    await writer._pages.tidy()
    assert await as_seen(reader, url) == texts_of(rules(url, 1))
    await reader.warm()
    assert await as_seen(reader, url) == texts_of(rules(url, 2))
    assert len(await place.generations(url)) == 2


async def test_a_machine_that_has_heard_nothing_for_long_looks_before_it_searches(place: Place) -> None:
    writer = await place.open(pace=STILL)
    reader = await place.open(pace=replace(STILL, stale_s=0.0))
    await writer.add(page("/site/leave", LEAVE), source="docs")
    assert reader.entry("/site/leave") is None
    assert await texts(reader, "leave") == [LEAVE]
    assert reader.entry("/site/leave") is not None


async def test_machines_tidy_up_by_themselves(place: Place) -> None:
    index = await place.open(pace=Pace(every_s=0.05, grace_s=1.0))  # longer than one write takes
    for draft in (1, 2, 3):
        await index.add(rules("/site/rules", draft), source="docs")
    for _ in range(3000):
        if len(await place.generations("/site/rules")) == 1 and not await place.leftovers():
            break
        await asyncio.sleep(0.02)
    assert list((await place.generations("/site/rules")).values()) == [5]
    assert await as_seen(index, "/site/rules") == texts_of(rules("/site/rules", 3))


async def test_what_others_have_left_is_first_left_to_them(place: Place) -> None:
    writer = await place.open(pace=replace(STILL, grace_s=0.0))
    await writer.add(rules("/site/rules", 1), source="docs")
    await writer.add(rules("/site/rules", 2), source="docs")
    other = await place.open(pace=STILL)
    await other._pages.tidy()
    assert len(await place.generations("/site/rules")) == 2
    await writer._pages.tidy()
    assert len(await place.generations("/site/rules")) == 1


async def test_passages_that_are_replaced_long_after_they_were_noted_are_deleted_all_the_same(
    place: Place,
) -> None:
    writer, cleaner = await place.open(pace=STILL), await place.open(pace=LATER)
    await writer.add(rules("/site/rules", 1), source="docs")
    slow = Fault("hang", when=lambda method, path: method == "PUT" and "/docs" in path)
    place.front.faults = [slow]
    writing = asyncio.create_task(writer.add(rules("/site/rules", 2), source="docs"))
    for _ in range(2000):
        if slow.met:
            break
        await asyncio.sleep(0.005)
    await cleaner.warm()
    await cleaner._pages.tidy()
    assert len(await place.generations("/site/rules")) == 2
    place.front.heal()
    assert await writing
    assert await as_seen(writer, "/site/rules") == texts_of(rules("/site/rules", 2))
    await (await place.open(pace=LATER))._pages.tidy()
    assert list((await place.generations("/site/rules")).values()) == [5]
    assert not await place.leftovers()


async def test_passages_that_are_current_when_they_are_due_are_not_looked_at_all_the_time(
    place: Place,
) -> None:
    index = await place.open(pace=replace(MUCH_LATER, abandoned_s=3600))
    await index.add(rules("/site/rules", 1), source="docs")
    row = index._pages._table.rows()[0]
    await index._pages._leave(row.key, row.generation, -1.0)
    await index._pages.tidy()
    place.front.requests.clear()
    await index._pages.tidy()
    assert place.front.requests == []
    assert await place.leftovers() == [row.generation]


async def test_a_page_of_another_passage_length_is_made_anew_when_its_source_finds_it_unchanged(
    place: Place,
) -> None:
    first = await place.open(pace=STILL)
    await first.add(page("/site/leave", LEAVE), source="docs")
    second = await place.open(passage_tokens=7, pace=STILL)
    assert await texts(second, "leave") == [LEAVE]
    await second.touch("/site/leave", source="docs", fetched_at=NOON)
    assert sorted(await texts(second, "leave")) == sorted(LEAVE.split("\n\n"))


async def test_vectors_of_another_embedder_are_not_compared(place: Place) -> None:
    class Other(HashedEmbedder):
        name = "other words"

    first = await place.open(pace=STILL)
    await first.add(page("/site/leave", LEAVE), source="docs")
    second = await place.open(Other(), pace=STILL)
    assert await texts(second, "leave") == []
    assert await texts(second, "leave", page_url="/site/leave") == []
    assert not await second.add(page("/site/leave", LEAVE), source="docs")
    assert await texts(second, "leave") == [LEAVE]


async def test_finding_a_page_unchanged_again_at_once_writes_nothing(place: Place) -> None:
    index = await place.open(pace=STILL)
    await index.add(page("/site/leave", LEAVE), source="docs")
    place.front.requests.clear()
    await index.touch("/site/leave", source="docs", fetched_at=NOON + timedelta(seconds=30))
    assert [method for method, _ in place.front.requests] == ["GET"]
    await index.touch("/site/leave", source="docs", fetched_at=NOON + timedelta(hours=1))
    entry = index.entry("/site/leave")
    assert entry is not None
    assert entry.fetched_at == NOON + timedelta(hours=1)


async def test_a_page_whose_text_does_not_fit_one_item_comes_back_whole(place: Place) -> None:
    index = await place.open(pace=STILL)
    long = page("/site/long", *(f'Line {number}: \\" ' + "\u00fc" * 40_000 for number in range(30)))
    await index.add(long, source="docs")
    assert await index.page("/site/long") == long


async def test_of_the_change_feed_only_what_is_new_is_read(place: Place) -> None:
    index = await place.open(pace=STILL)
    await index.add(page("/site/leave", LEAVE), source="docs")
    await index.warm()
    changes, _ = await index._items.changes(index._place, "pages")
    assert changes == []
    await index.add(page("/site/travel", TRAVEL), source="docs")
    changes, _ = await index._items.changes(index._place, "pages")
    assert [change["url"] for change in changes if change["kind"] == "entry"] == ["/site/travel"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_row_only_ever_gives_way_to_a_later_write(order: tuple[int, int]) -> None:
    entry = PageEntry("/site/leave", "Leave", "hash", NOON, 1, "docs")
    table = Table()
    table.follow(to_item(Row(entry, f"g{written}", "r", written), pk="pages", ttl=-1) for written in order)
    row = table.row(compute_page_key("/site/leave"))
    assert row is not None
    assert row.generation == "g2"
    table.follow([to_item(Row(entry, "", "r", 3), pk="pages", ttl=60)])
    assert table.row(compute_page_key("/site/leave")) is None
    assert table.rows() == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault("hang", 99), "did not answer within 0.3 s"),
        (Fault("status", 99, status=403), "does not let this program in"),
        (Fault("status", 99, status=503), "status 503"),
        (Fault("drop before", 99), "cannot be reached|did not answer"),
    ],
)
async def test_while_cosmos_db_is_away_calls_fail_with_a_sentence_and_facts_stay(
    place: Place, fault: Fault, sentence: str
) -> None:
    config = replace(place.config, timeout_s=0.3, pause_s=0.0)
    async with AsyncExitStack() as closing:
        opening = await closing.enter_async_context(machines(config))
        index = await opening(pace=STILL)
        await index.add(page("/site/leave", LEAVE), source="docs")
        place.front.faults = [replace(fault)]
        calls: list[Any] = [
            index.search("leave", limit=2),
            index.page("/site/leave"),
            index.add(page("/site/leave", TRAVEL), source="docs"),
            index.remove("/site/leave"),
            index.warm(),
        ]
        for call in calls:
            with pytest.raises(IndexUnavailable, match=sentence):
                await call
        assert index.entry("/site/leave") is not None
        place.front.heal()
        assert await texts(index, "leave") == [LEAVE]


async def test_after_a_failure_nothing_is_sent_for_a_moment(place: Place) -> None:
    async with machines(replace(place.config, pause_s=0.5)) as opening:
        index = await opening(pace=STILL)
        await index.add(page("/site/leave", LEAVE), source="docs")
        place.front.faults = [Fault("status", 99, status=503)]
        with pytest.raises(IndexUnavailable, match="status 503"):
            await index.warm()
        place.front.heal()
        place.front.requests.clear()
        with pytest.raises(IndexUnavailable, match="a moment ago"):
            await index.search("leave", limit=1)
        assert place.front.requests == []
        await asyncio.sleep(0.6)
        assert await texts(index, "leave") == [LEAVE]


async def test_a_page_that_the_service_never_takes_delays_no_other(place: Place) -> None:
    index = await place.open(pace=STILL)
    place.front.faults = [Fault("status", 1, status=413, when=lambda method, _: method == "POST")]
    with pytest.raises(PageInvalid, match="2 MB"):
        await index.add(page("/site/leave", LEAVE), source="docs")
    assert await index.add(page("/site/travel", TRAVEL), source="docs")


async def test_what_the_index_costs_is_counted_by_operation(place: Place) -> None:
    index = await place.open(pace=STILL)
    await index.add(page("/site/leave", LEAVE), source="docs")
    await texts(index, "leave")
    counted = {name: charge.trips for name, charge in index.charges.by_operation.items()}
    assert {"read", "create", "upsert", "batch", "delete", "change feed"} <= counted.keys()
    assert counted["batch"] == 1
    await index.add(page("/site/leave", TRAVEL), source="docs")
    assert index.charges.by_operation["replace"].trips == 1


async def test_opening_says_what_is_missing(place: Place) -> None:
    with pytest.raises(IndexUnavailable, match="askpage store init"):
        await CosmosIndex.open(replace(place.config, container="nowhere"), HashedEmbedder())
    place.front.gone = True
    with pytest.raises(IndexUnavailable, match="Cosmos DB"):
        await CosmosIndex.open(replace(place.config, timeout_s=1.0), HashedEmbedder())


async def test_the_container_has_the_documented_policies_and_is_made_once(place: Place) -> None:
    """The shapes are those of Microsoft's samples for hybrid search; the server keeps what the SDK sends."""
    found = await place.container.read()
    assert found["vectorEmbeddingPolicy"] == {
        "vectorEmbeddings": [
            {"path": "/vector", "dataType": "float32", "distanceFunction": "cosine", "dimensions": 384}
        ]
    }
    assert found["fullTextPolicy"] == {
        "defaultLanguage": "en-US",
        "fullTextPaths": [{"path": "/searched", "language": "en-US"}],
    }
    policy = found["indexingPolicy"]
    assert policy["vectorIndexes"] == [{"path": "/vector", "type": "quantizedFlat"}]
    assert policy["fullTextIndexes"] == [{"path": "/searched"}]
    assert {"path": "/vector/*"} in policy["excludedPaths"]  # else every vector costs more to write
    assert {"path": "/*"} in policy["excludedPaths"]  # the root must be included or excluded
    assert {"path": "/pk/?"} in policy["includedPaths"]  # not indexed by itself
    assert policy["indexingMode"] == "consistent"
    assert found["partitionKey"]["paths"] == ["/pk"]
    assert found["defaultTtl"] == -1
    definition = page_container_definition(place.config)
    assert {name: found[name] for name in ("vectorEmbeddingPolicy", "fullTextPolicy", "defaultTtl")} == {
        name: definition[name] for name in ("vectorEmbeddingPolicy", "fullTextPolicy", "defaultTtl")
    }
    place.front.faults = [Fault("status", 99, status=403, when=lambda method, _: method != "GET")]
    assert await make_page_container(place.config) == (
        f"The container {place.config.database}/pages is ready; nothing was to be done."
    )


async def test_a_container_with_other_indexes_gets_ours_and_one_with_other_vectors_is_refused(
    place: Place,
) -> None:
    async with open_client(place.config) as client:
        database = client.get_database_client(place.config.database)
        older = indexing_policy() | {"includedPaths": [{"path": "/kind/?"}]}
        others = vector_policy()
        others["vectorEmbeddings"][0]["dimensions"] = 1536
        for name, policies in (
            ("older", {"indexing_policy": older, "vector_embedding_policy": vector_policy()}),
            ("others", {"indexing_policy": indexing_policy(), "vector_embedding_policy": others}),
            ("plain", {}),
        ):
            await database.create_container(
                name, PartitionKey("/pk"), full_text_policy=full_text_policy(), **policies
            )
    renewed = replace(place.config, container="older")
    assert "has its new indexes" in await make_page_container(renewed)
    assert "is ready" in await make_page_container(renewed)
    place.front.faults = [Fault("status", 99, status=403, when=lambda method, _: method == "POST")]
    with pytest.raises(IndexUnavailable, match=r"cosmos_key.*--definition"):
        await make_page_container(replace(place.config, container="new"))
    for name in ("others", "plain"):
        with pytest.raises(IndexUnavailable, match="made for other vectors"):
            await make_page_container(replace(place.config, container=name))


async def test_passages_that_were_kept_before_there_were_sentences_are_found(cosmos_url: str) -> None:
    async with a_page_container(cosmos_url) as (_, _, config), machines(config) as opening:
        index = await opening()
        await index.add(rules("/site/rules", 1), source="docs")
        items = index._items
        key = compute_page_key("/site/rules")
        for item in await items.query("SELECT * FROM c WHERE c.pk = @pk AND c.kind = 'passage'", key, pk=key):
            del item["sentences"]
            await items.upsert(item)
        hits = await index.search("rules", limit=9)
        assert {hit.passage.text for hit in hits} == texts_of(rules("/site/rules", 1))
        assert {hit.spans for hit in hits} == {()}

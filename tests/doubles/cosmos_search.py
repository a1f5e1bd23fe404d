"""Does what Azure has and the server here lacks: the ranker of searches, and the change feed's place.

A search is answered as the SDK expects of the service: first refused with the hint to ask for a query plan,
then planned as one query a ranking, then answered ranking by ranking; the SDK itself fuses them (reciprocal
rank, k 60). What may stand in a search is what Microsoft documents (`read_search`), and nothing else. The
numbers are ours: cosine, and BM25 (k1 1.2, b 0.75) over the words and stems of pages/index/ranking.py. So
these tests show that the queries are sound and that what they find is put together rightly; how well Azure's
own ranker and analyser do, they cannot show.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from math import log
from typing import Any

import numpy as np
from aiohttp import web
from azure.cosmos import PartitionKey

from pages.index.ranking import to_terms
from tests.doubles.cosmos import Reply

Item = dict[str, Any]
Key = tuple[str, str]
"""An item's partition and its id."""
Forward = Callable[..., Awaitable[Reply]]
PLAN = "x-ms-cosmos-is-query-plan-request"
K1, B = 1.2, 0.75
CANDIDATES = 12
"""How many times as many as are wanted each ranking brings; so the service plans `TOP 10` as `TOP 120`."""

_SEARCH = re.compile(
    r"SELECT\s+(?:TOP\s+(?P<top>\S+)\s+)?(?P<shown>.+?)\s+FROM\s+c(?:\s+WHERE\s+(?P<where>.+?))?"
    r"\s+ORDER\s+BY\s+(?:RANK\s+RRF\((?P<fused>.+)\)|(?P<nearest>VectorDistance\([^()]+\)))"
    r"(?:\s+OFFSET\s+(?P<offset>\S+)\s+LIMIT\s+(?P<limit>\S+))?",
)
_FUNCTION = re.compile(r"(FullTextScore|VectorDistance)\(([^()]+)\)")
_PATH = re.compile(r"c(?:\.(?P<name>[A-Za-z_]\w*)|\[(?P<parameter>@\w+)\])")
_COMPONENT = re.compile(r"RANKING (\d+) WITH (\S+) (\S+) (\S+) OF (.+)", re.DOTALL)
_HYBRID = "documentdb-formattablehybridsearchquery"


class Undocumented(Exception):
    """A search that has what the documentation of Cosmos DB does not know."""


@dataclass(frozen=True)
class Ranking:
    """One function that ranks: by the words (FullTextScore) or the vector of a property."""

    function: str
    path: str
    words: tuple[str, ...] = ()
    vector: tuple[float, ...] = ()


@dataclass(frozen=True)
class Search:
    """A search as read; `shown` are property and alias, and `similarity` the alias of the vectors' cosine."""

    shown: Mapping[str, str]
    similarity: str
    where: str
    rankings: Sequence[Ranking]
    offset: int
    limit: int


def read_search(query: str, parameters: Sequence[Mapping[str, Any]]) -> Search:
    """Read a search. Raises Undocumented.

    The rules, from the pages on ORDER BY RANK, RRF, FullTextScore, VectorDistance and hybrid search: TOP (a
    number, or a parameter) or OFFSET and LIMIT (numbers) must be there; RRF takes at least two scoring
    functions; FullTextScore a property and one or more strings; neither is shown or filtered by; there is no
    direction and no JOIN.
    """
    names = [parameter["name"] for parameter in parameters]
    if len(set(names)) != len(names):
        raise Undocumented(f"a parameter is given twice: {names}")
    read = _SEARCH.fullmatch(query.strip())
    if not read:
        raise Undocumented(f"not a search: {query}")
    values = {parameter["name"]: parameter["value"] for parameter in parameters}
    offset, limit = _range(read, values)
    shown, similarity = _shown(read["shown"], values)
    where = read["where"] or "true"
    if re.search(r"FullTextScore|RRF|JOIN", where + read["shown"]):
        raise Undocumented("a score can only be ordered by")
    functions = _FUNCTION.findall(read["fused"] or read["nearest"])
    rest = _FUNCTION.sub("", read["fused"] or "").replace(",", "").strip()
    if rest or (read["fused"] and len(functions) < 2):
        raise Undocumented(f"RRF of {read['fused']}")
    rankings = [_ranking(name, arguments, values) for name, arguments in functions]
    return Search(shown, similarity, where, rankings, offset, limit)


def _range(read: re.Match[str], values: Mapping[str, Any]) -> tuple[int, int]:
    if read["top"]:
        return 0, int(values[read["top"]] if read["top"].startswith("@") else read["top"])
    if not (read["limit"] and read["limit"].isdecimal() and read["offset"].isdecimal()):
        raise Undocumented("Expected a number literal for OFFSET and LIMIT, or TOP")
    return int(read["offset"]), int(read["limit"])


def _shown(text: str, values: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    similarity = re.search(r",\s*VectorDistance\([^()]+\)\s+as\s+(\w+)", text)
    plain = text.replace(similarity[0], "") if similarity else text
    shown: dict[str, str] = {}
    for one in plain.split(","):
        path, _, alias = one.strip().partition(" as ")
        shown[_name(path, values)] = alias
    return shown, similarity[1] if similarity else ""


def _name(path: str, values: Mapping[str, Any]) -> str:
    read = _PATH.fullmatch(path.strip())
    if not read:
        raise Undocumented(f"not a property: {path}")
    return read["name"] or str(values[read["parameter"]])


def _ranking(function: str, arguments: str, values: Mapping[str, Any]) -> Ranking:
    path, *given = (argument.strip() for argument in arguments.split(","))
    if any(not argument.startswith("@") or argument not in values for argument in given):
        raise Undocumented(f"{function} of {given}")
    found = [values[argument] for argument in given]
    if function == "VectorDistance":
        if len(found) != 1 or not all(isinstance(number, float) for number in found[0]):
            raise Undocumented("VectorDistance takes one vector")
        return Ranking(function, _name(path, values), vector=tuple(found[0]))
    if not found or not all(isinstance(word, str) and word for word in found):
        raise Undocumented("FullTextScore takes one or more strings")
    return Ranking(function, _name(path, values), words=tuple(found))


@dataclass(frozen=True)
class Statistics:
    """What BM25 knows of all items: their number, their words, and how many have each word looked for."""

    items: int
    words: int
    hits: Sequence[int]


def statistics_of(search: Search, items: Sequence[Item]) -> Statistics:
    """Count."""
    texts = [_stems(item[ranking.path]) for ranking in _by_words(search) for item in items]
    words = [word for ranking in _by_words(search) for word in ranking.words]
    hits = [sum(1 for text in texts if set(_stems(word)) & set(text)) for word in words]
    return Statistics(len(items), sum(map(len, texts)), hits)


@cache
def _stems(text: str) -> tuple[str, ...]:
    return tuple(to_terms(text))


def _by_words(search: Search) -> list[Ranking]:
    return [ranking for ranking in search.rankings if ranking.function == "FullTextScore"]


def score(ranking: Ranking, item: Item, statistics: Statistics) -> float:
    """Return how an item scores in one ranking; higher is nearer."""
    if ranking.function == "VectorDistance":
        return _cosine(ranking.vector, item[ranking.path])
    text = Counter(_stems(item[ranking.path]))
    length = sum(text.values()) / max(statistics.words / max(statistics.items, 1), 1e-9)
    total = 0.0
    for word, hits in zip(ranking.words, statistics.hits, strict=True):
        count = sum(text[stem] for stem in _stems(word))
        rarity = log(1 + (statistics.items - hits + 0.5) / (hits + 0.5))
        total += rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * length))
    return total


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.dot(one, other)) / lengths if lengths else 0.0


@dataclass
class Searched:
    """Answers searches and change feeds in the server's place. `searches` are those that were planned."""

    searches: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    _written: dict[str, dict[Key, tuple[int, Item]]] = field(default_factory=lambda: defaultdict(dict))
    _writes: int = 0

    async def answer(self, request: web.Request, body: bytes, forward: Forward) -> Reply | None:
        if "/docs" not in request.path:
            return None
        if request.method == "GET":
            return self._feed(request) if "A-IM" in request.headers else None
        if "query" in request.headers.get("Content-Type", "") or PLAN in request.headers:
            return await self._query(request, json.loads(body), forward)
        reply = await forward(request, body)
        if reply[0] < HTTPStatus.BAD_REQUEST:
            self._note(request, reply[1])
        return reply

    def _note(self, request: web.Request, content: bytes) -> None:
        """Number what was written, and forget what was deleted, as a feed of latest versions does."""
        written = self._written[_collection(request)]
        if request.method == "DELETE":
            [pk] = json.loads(request.headers["x-ms-documentdb-partitionkey"])
            written.pop((pk, request.path.rstrip("/").rpartition("/")[2]), None)
            return
        told = json.loads(content)
        for item in (
            [one["resourceBody"] for one in told if "resourceBody" in one]
            if isinstance(told, list)
            else [told]
        ):
            self._writes += 1
            written[item["pk"], item["id"]] = (self._writes, item)

    def _feed(self, request: web.Request) -> Reply:
        """Answer what was written in a partition since a place, oldest first; 304 when nothing was."""
        since = int(request.headers.get("If-None-Match", "0").strip('"'))
        start = request.headers.get("x-ms-start-epk", "").upper()
        found = sorted(
            (number, key)
            for key, (number, _) in self._written[_collection(request)].items()
            if number > since and (not start or _place(key[0]) == start)
        )
        items = [self._written[_collection(request)][key][1] for _, key in found]
        status, content, headers = _documents(items) if items else (HTTPStatus.NOT_MODIFIED, b"", {})
        return status, content, {**headers, "etag": f'"{self._writes}"'}

    async def _query(self, request: web.Request, spec: dict[str, Any], forward: Forward) -> Reply | None:
        query, parameters = spec["query"], spec.get("parameters", [])
        component = _COMPONENT.fullmatch(query)
        if component is None and not re.search(r"ORDER BY (RANK|VectorDistance)", query):
            return None
        try:
            search = read_search(component[5] if component else query, parameters)
        except Undocumented as refused:
            return _json({"code": "BadRequest", "message": str(refused)}, 400)
        if component is not None:
            items = await self._items(request, search, parameters, forward)
            if component[1] == "0" and component[2] == "STATISTICS":
                return _documents([_as_statistics(statistics_of(search, items))])
            return _documents(_ranked(search, items, component))
        if PLAN in request.headers:
            self.searches.append((query, parameters))
            return _json(_plan(search, query))
        return _json({"code": "BadRequest", "message": "ask for the plan"}, 400, {"x-ms-substatus": "1004"})

    async def _items(
        self, request: web.Request, search: Search, parameters: list[dict[str, Any]], forward: Forward
    ) -> list[Item]:
        query = f"SELECT * FROM c WHERE {search.where}"  # noqa: S608 - the test's own
        asked = {"query": query, "parameters": parameters}
        status, content, _ = await forward(request, json.dumps(asked).encode())
        assert status == 200, content
        return json.loads(content)["Documents"]


def _plan(search: Search, query: str) -> dict[str, Any]:
    """Return a query plan: one query a ranking, with places for the statistics of all partitions."""
    places = " ".join(
        f"{{{_HYBRID}-{name}}}" for name in ("totaldocumentcount", "totalwordcount-0", "hitcountsarray-0")
    )
    hybrid = len(search.rankings) > 1
    infos = [
        {
            "distinctType": "None",
            "orderBy": ["Descending"],
            "orderByExpressions": [ranking.function],
            "aggregates": [],
            "rewrittenQuery": f"RANKING {number} WITH {places if hybrid else '0 0 []'} OF {query}",
            "hasSelectValue": False,
            "hasNonStreamingOrderBy": True,
        }
        for number, ranking in enumerate(search.rankings)
    ]
    plan: dict[str, Any] = {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
    }
    if not hybrid:
        return plan | {"queryInfo": infos[0] | {"offset": search.offset, "limit": search.limit, "top": None}}
    return plan | {
        "hybridSearchQueryInfo": {
            "requiresGlobalStatistics": True,
            "globalStatisticsQuery": f"RANKING 0 WITH STATISTICS - - OF {query}",
            "componentQueryInfos": infos,
            "componentWeights": [],
            "skip": search.offset,
            "take": search.limit,
        }
    }


def _ranked(search: Search, items: Sequence[Item], component: re.Match[str]) -> list[dict[str, Any]]:
    """Return what one ranking has first, with its scores in all of them."""
    statistics = Statistics(int(component[2]), int(component[3]), json.loads(component[4]))
    by = int(component[1])
    rows: list[dict[str, Any]] = []
    for item in items:
        scores = [score(ranking, item, statistics) for ranking in search.rankings]
        shown = {alias: item[name] for name, alias in search.shown.items() if name in item}
        if search.similarity:
            shown[search.similarity] = next(
                mark for mark, one in zip(scores, search.rankings, strict=True) if one.vector
            )
        payload = {"payload": shown, "componentScores": scores} if len(scores) > 1 else shown
        rows.append({"_rid": item["_rid"], "orderByItems": [{"item": scores[by]}], "payload": payload})
    rows.sort(key=lambda row: -row["orderByItems"][0]["item"])
    return rows[: CANDIDATES * (search.offset + search.limit)]


def _as_statistics(found: Statistics) -> dict[str, Any]:
    text = {"totalWordCount": found.words, "hitCounts": list(found.hits)}
    return {"documentCount": found.items, "fullTextStatistics": [text]}


@cache
def _place(pk: str) -> str:
    """Return where the SDK looks for a partition."""
    return PartitionKey("/pk")._get_epk_range_for_partition_key(pk).min.upper()


def _collection(request: web.Request) -> str:
    return request.path.partition("/docs")[0]


def _json(found: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return status, json.dumps(found).encode(), {"Content-Type": "application/json", **(headers or {})}


def _documents(found: list[Any]) -> Reply:
    return _json({"Documents": found, "_count": len(found)})

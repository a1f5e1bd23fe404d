"""The dashboard in headless Chromium: it draws what the store has, and no written word becomes markup."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.web.dashboard.data import Query
from bot.web.dashboard.routes import DashboardAccess
from core.records import Channel, Ruling
from demo.questions import Size
from feedback.gaps.report import Asking, Gap, GapPlace, GapQuestion, Report, keep_report
from feedback.metrics.daily import answers_between
from feedback.metrics.tokens import TokenPrices, TokenSums
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from jobs.roll_up_metrics import roll_up
from model.registry.versions import RolloutState
from tests.browser.dashboards import Board, Run, a_board
from tests.browser.windows import CONTRAST, Watching, a_chromium
from tests.builders.company import VERSIONS, fill
from tests.builders.days import ask, settle, stars
from tests.builders.pages import HOSTILE
from tests.builders.records import answer, question
from tests.builders.replay import a_file, play

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)
TOKEN, REVIEWERS = "t" * 24, "r" * 24
STANDING = RolloutState(VERSIONS[1].name, (VERSIONS[0].name,), VERSIONS[2].name, 0.2)
DRAWN = """(name) => {
  const card = document.getElementById(`card-${name}`);
  const ticks = [...card.querySelectorAll("[data-tick]")].map((line) => [Number(line.dataset.tick), Number(line.getAttribute("y1"))]);
  const [low, high] = [ticks[0], ticks.at(-1)];
  const value = (y) => low[0] + ((y - low[1]) / (high[1] - low[1])) * (high[0] - low[0]);
  const drawn = {};
  for (const path of card.querySelectorAll(`path[data-line="${name}"]`)) {
    path.getAttribute("d").slice(1).split("L").forEach((pair, number) => {
      drawn[Number(path.dataset.from) + number] = value(Number(pair.split(" ")[1]));
    });
  }
  for (const bar of card.querySelectorAll("rect[data-bucket]")) {
    const height = value(low[1] - Number(bar.getAttribute("height"))) - low[0];
    drawn[bar.dataset.bucket] = (drawn[bar.dataset.bucket] ?? 0) + height;
  }
  return drawn;
}"""  # noqa: E501
"""The values of a plot, read from where its lines and bars are between the ticks of its axis."""


class Seen(Watching):
    """A browser with a dashboard before it."""

    def __init__(self, browser: Any, board: Board) -> None:
        super().__init__(browser)
        self.board = board
        self.url = ""

    async def open(self, path: str = "", **window: Any) -> Any:
        page = await self.window(**{"width": 1300, "height": 900, **window})
        await page.goto(f"{self.url}/dashboard{path}")
        await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
        return page


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Any]:
    async with a_chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqliteStore]:
    """Sixty days of made-up questions to three model versions."""
    store = SqliteStore.open(tmp_path_factory.mktemp("company") / "askpage.sqlite3")
    await fill(store, NOW, busy=0.4)
    await roll_up(store, NOW)
    yield store
    await store.close()


async def a_seen(browser: Any, board: Board) -> AsyncIterator[Seen]:
    seen = Seen(browser, board)
    async with a_board(board) as seen.url:
        yield seen
        await seen.close(seen.url)


@pytest_asyncio.fixture(loop_scope="module")
async def seen(browser: Any, company: SqliteStore) -> AsyncIterator[Seen]:
    run = Run("roll_up_metrics", "failed", NOW.isoformat(), 1.5, error="StoreUnavailable: <b>away</b>")
    async for one in a_seen(browser, Board(company, NOW, STANDING, (run,))):
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def empty(browser: Any, tmp_path: Path) -> AsyncIterator[Seen]:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    async for one in a_seen(browser, Board(store, NOW)):
        yield one
    await store.close()


async def told(seen: Seen, span: str = "30", **chosen: str) -> dict[str, Any]:
    return await seen.board.data().read(Query(span, **chosen), NOW, questions=True)


@pytest.mark.parametrize("span", ["7", "30", "90"])
async def test_what_is_drawn_is_what_the_store_has(seen: Seen, span: str) -> None:
    page = await seen.open(f"?range={span}")
    body = await told(seen, span)
    compared = 0
    for name in ("accuracy", "satisfaction", "response_p50_s", "ignore_rate", "time_on_tool_s", "answers"):
        points = body["figures"][name]["points"]
        drawn = await page.evaluate(DRAWN, name)
        axis = await page.locator(f"#card-{name} [data-tick]").evaluate_all(
            "all => all.map((line) => Number(line.dataset.tick))"
        )
        for bucket, value in drawn.items():
            point = points[int(bucket)]
            assert value == pytest.approx(point["value"], abs=(axis[-1] - axis[0]) / 500)
            compared += 1
        firm = {
            str(at)
            for at, one in enumerate(points)
            if one and (one["n"] >= 5 or (name == "answers" and one["n"]))
        }
        assert set(drawn) == firm, "a line goes through what rests on five or more"
    assert compared > 5 * int(span) / 3


async def test_values_counts_and_changes_are_those_of_the_store(seen: Seen) -> None:
    page = await seen.open("?range=30")
    figures = (await told(seen))["figures"]
    accuracy, response = figures["accuracy"], figures["response_p50_s"]
    card = page.locator("#card-accuracy")
    await expect(card.locator(".value")).to_have_text(f"{accuracy['now']['value'] * 100:.0f} %")
    await expect(card.locator(".basis")).to_contain_text(f"{accuracy['now']['n']} judged")
    await expect(card.locator(".change")).to_have_attribute("data-tone", accuracy["tone"])
    await expect(page.locator("#card-response_p50_s .value")).to_contain_text(
        f"{response['now']['value']:.1f} s"
    )
    await expect(page.locator("#card-response_p50_s .change")).to_have_text(
        f"▼ {-response['changed']['by']:.1f} sbetter"
    )
    await card.locator("summary").click()
    cells = await card.locator("td[data-value]").evaluate_all("all => all.map((cell) => cell.dataset.value)")
    known = [str(point["value"]) if point else "" for point in reversed(accuracy["points"])]
    assert [cell and float(cell) for cell in cells] == [one and float(one) for one in known]
    counts = await card.locator("tbody tr td:last-child").all_inner_texts()
    assert counts == [str(point["n"] if point else 0) for point in reversed(accuracy["points"])]


async def test_what_became_of_questions_who_asked_and_what_is_that_of_the_store(seen: Seen) -> None:
    store: SqliteStore = seen.board.store
    for day, reason in (("2026-11-20", "busy"), ("2026-11-21", "busy"), ("2026-11-22", "too_slow")):
        await store.documents.count("failure", f"{day}|msteams|{reason}")
    page = await seen.open("?range=30")
    begin = datetime(2026, 10, 27, tzinfo=UTC)
    asked = [one async for one in answers_between(store, begin, NOW)]
    kinds = Counter(str(one.kind) for one in asked)
    shown = await page.locator("#outcome-facts div").evaluate_all(
        "all => all.map((fact) => [fact.dataset.kind, Number(fact.dataset.count)])"
    )
    assert dict(shown) == {**kinds, "failed": 3}
    await expect(page.locator("#outcome-facts .kind-failed")).to_contain_text(
        "the bot was busy: 2; it took too long: 1"
    )
    await expect(page.locator("#card-answers .value")).to_have_text(
        f"{len(asked)} {kinds['answered']} answered, {kinds['quoted']} quoted, {kinds['declined']} declined"
    )
    week = {one.question.asker for one in asked if one.answered_at > NOW - timedelta(days=7)}
    await expect(page.locator("#people-facts dd").nth(1)).to_have_text(str(len(week)))
    words = Counter(one.question.text for one in asked)
    rows = await page.locator("#top-table tbody tr").evaluate_all(
        "all => all.map((row) => [row.cells[0].innerText, Number(row.cells[1].innerText)])"
    )
    assert [count for _, count in rows] == [count for _, count in words.most_common(10)]
    assert all(words[text] == count for text, count in rows)
    declined = Counter(one.question.text for one in asked if one.abstained)
    last = await page.locator("#unanswered-table tbody tr").evaluate_all(
        "all => all.map((row) => [row.cells[0].innerText, Number(row.cells[5].innerText)])"
    )
    assert all(declined[text] == count for text, count in last)
    assert [count for _, count in last] == [count for _, count in declined.most_common(10)]
    liked = (await told(seen))["figures"]["liked_share"]["now"]
    await expect(page.locator("#card-liked_share .value")).to_have_text(f"{liked['value'] * 100:.0f} %")
    await expect(page.locator("#card-liked_share .basis")).to_contain_text(f"{liked['n']} thumbs")


async def test_gaps_stand_there_with_their_people_and_the_decline_rate_before_and_after(seen: Seen) -> None:
    store: SqliteStore = seen.board.store
    asked = [one async for one in answers_between(store, datetime(2026, 10, 27, tzinfo=UTC), NOW)]
    place = GapPlace("/site/leave#annual", "Leave", "Annual", "h1")
    texts = tuple(GapQuestion(f"{HOSTILE} {at}", 2) for at in range(3))
    counts = {"changed": True, "before": Asking(12, 11, 12), "after": Asking(9, 1, 1)}
    first = Gap(
        "Carry over?", 14, 15, {"declined": 15}, texts, (asked[0].id,), place, "HR", "Five.", **counts
    )
    second = Gap(HOSTILE, 2, 2, {"declined": 2}, texts[:1], (asked[1].id,))
    gone = Gap("Of somebody who is gone?", 1, 1, {}, texts, (asked[2].id, "no such answer"))
    await keep_report(store.documents, Report(NOW - timedelta(hours=5), 90, (first, second, gone)))
    page = await seen.open("?range=30")
    rows = await page.locator("#gaps-table tbody tr").evaluate_all(
        "all => all.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    assert [" ".join(one.split()) for one in rows[0]] == [
        "Carry over? and 2 like it", "14", "15", "Leave › Annual", "HR", "11 of 12", "1 of 9",
    ]  # fmt: skip
    assert rows[1][0].strip() == HOSTILE.strip()
    assert rows[1][3:] == ["none comes near", "–", "–", "not changed yet"]
    assert len(rows) == 2
    async with page.expect_download() as coming:
        await page.locator("#gaps [data-export=json]").click()
    saved = json.loads(await read_download(await coming.value))
    assert [(one["question"], one["declined_before"], one["asked_after"]) for one in saved] == [
        ("Carry over?", 11, 9),
        (HOSTILE, None, None),
    ]
    figures_only = await seen.board.data().read(Query("30"), NOW, questions=False)
    assert figures_only["gaps"] is None


async def read_download(download: Any) -> str:
    path = await download.path()
    return await asyncio.to_thread(Path(path).read_text, encoding="utf-8")


async def test_tables_and_plots_are_saved_as_they_are_drawn(seen: Seen) -> None:
    page = await seen.open("?range=30&channel=slack")
    body = await told(seen, channel="slack")
    saved: dict[str, str] = {}
    await page.locator("#card-accuracy summary").click()
    for where, kind in (
        ("#card-accuracy", "csv"),
        ("#card-accuracy", "json"),
        ("#versions", "csv"),
        ("#top", "csv"),
    ):
        async with page.expect_download() as coming:
            await page.locator(f"{where} [data-export={kind}]").click()
        download = await coming.value
        saved[download.suggested_filename] = await read_download(download)
    accuracy = body["figures"]["accuracy"]["points"]
    rows = list(csv.DictReader(io.StringIO(saved["askpage-accuracy.csv"])))
    assert [row["time"] for row in rows] == body["at"]
    assert [row["accuracy"] and float(row["accuracy"]) for row in rows] == [
        one["value"] if one else "" for one in accuracy
    ]
    assert [one["accuracy_n"] for one in json.loads(saved["askpage-accuracy.json"])] == [
        one["n"] if one else 0 for one in accuracy
    ]
    versions = list(csv.DictReader(io.StringIO(saved["askpage-versions.csv"])))
    assert [(one["version"], int(one["answers"])) for one in versions] == [
        (one["name"], one["figures"]["answers"]["value"]) for one in body["versions"]
    ]
    top = list(csv.DictReader(io.StringIO(saved["askpage-top.csv"])))
    assert [(one["question"], int(one["count"])) for one in top] == [
        (one["question"], one["count"]) for one in body["asking"]["top"]
    ]
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Save all").click()
    whole = json.loads(await read_download(await coming.value))
    assert whole["figures"] == body["figures"]
    assert whole["address"].endswith("range=30&channel=slack")


async def test_tokens_and_their_cost_are_those_of_the_store(browser: Any, company: SqliteStore) -> None:
    prices = TokenPrices(0.5, 2.0, 0.05, "EUR")
    async for seen in a_seen(browser, Board(company, NOW, STANDING, prices=prices)):
        page = await seen.open("?range=30")
        begin = datetime(2026, 10, 27, tzinfo=UTC)
        used = [one async for one in answers_between(company, begin, NOW) if one.tokens is not None]
        wanted: dict[str, TokenSums] = {}
        for one in used:
            assert one.tokens is not None
            wanted.setdefault(one.model_version, TokenSums()).add(one.tokens)
        charged = [one.tokens for one in used if one.tokens and not one.tokens.ours]
        assert charged
        cost = (
            sum(0.5 * (one.read - one.cached) + 0.05 * one.cached + 2 * one.written for one in charged)
            / 1_000_000
        )
        await expect(page.locator("#tokens-facts [data-kind=read] dd").first).to_have_text(
            f"{sum(one.tokens.read for one in used if one.tokens):,}"
        )
        shown = await page.locator("#tokens-facts [data-kind=cost] dd").first.inner_text()
        assert shown == f"EUR\N{NO-BREAK SPACE}{cost:.2g}" if cost < 1 else f"EUR\N{NO-BREAK SPACE}{cost:.2f}"
        async with page.expect_download() as coming:
            await page.locator("#tokens-versions-export [data-export=csv]").click()
        rows = list(csv.DictReader(io.StringIO(await read_download(await coming.value))))
        assert {
            one["version"]: (int(one["read"]), int(one["cached"]), int(one["written"])) for one in rows
        } == {name: (sums.read, sums.cached, sums.written) for name, sums in wanted.items()}
        assert {one["version"] for one in rows if one["cost"]} == {VERSIONS[-1].name}
        await page.locator("#tokens-over-time summary").click()
        async with page.expect_download() as coming:
            await page.locator("#tokens-times-export [data-export=json]").click()
        times = json.loads(await read_download(await coming.value))
        assert sum(one["written"] or 0 for one in times) == sum(
            one.tokens.written for one in used if one.tokens
        )
        assert sum(one["cost"] or 0 for one in times) == pytest.approx(cost)


async def test_tokens_without_a_price_have_no_cost(seen: Seen, empty: Seen) -> None:
    page = await seen.open("?range=30")
    await expect(page.locator("#tokens-facts [data-kind=cost]")).to_contain_text("no price is set")
    await expect(page.locator("#tokens-basis")).to_contain_text("token_price_in")
    await ask(empty.board.store, 1, NOW - timedelta(minutes=40))
    page = await empty.open()
    await expect(page.locator("#tokens-none")).to_be_visible()


async def test_one_judgement_is_not_a_hundred_percent(empty: Seen) -> None:
    one = await ask(empty.board.store, 1, NOW - timedelta(minutes=40))
    await settle(empty.board.store, one, Ruling.APPROVED, NOW - timedelta(minutes=30))
    page = await empty.open()
    await expect(page.locator("#card-accuracy .value")).to_have_text("21–100 %")
    await expect(page.locator("#card-accuracy .basis")).to_have_text("1 judged · too few to rely on")


async def test_versions_are_marked_where_they_begin_and_compared_in_a_table(seen: Seen) -> None:
    page = await seen.open("?range=90")
    body = await told(seen, "90")
    titles = await page.locator("#card-accuracy .badge title").all_text_contents()
    assert titles == [version.name for version in VERSIONS]
    rows = page.locator("#versions tbody tr")
    await expect(rows).to_have_count(4)
    for at, version in enumerate(body["versions"]):
        cells = (
            await rows.nth(at)
            .locator("td[data-figure]")
            .evaluate_all("all => all.map((cell) => [cell.dataset.figure, Number(cell.dataset.value)])")
        )
        assert cells
        assert all(value == version["figures"][name]["value"] for name, value in cells)
    await expect(rows.nth(2)).to_contain_text("canary, 20 %")
    await expect(page.locator("#now")).to_contain_text("update-2026-10")
    await expect(page.locator("#now")).to_contain_text("20 % of conversations")
    await expect(page.locator("#now")).to_contain_text("roll_up_metrics failed")
    await expect(page.locator("#jobs .said")).to_have_text("StoreUnavailable: <b>away</b>")


async def test_what_corrections_do_is_shown_with_what_it_rests_on(seen: Seen) -> None:
    page = await seen.open("?range=30")
    learning = (await told(seen))["learning"]
    panel = page.get_by_role("region", name="Learning", exact=True)
    reach = panel.get_by_role("article", name="Reach")
    await expect(reach.locator(".value")).to_have_text(f"{learning['answers']}answers")
    shares = [learning[name] for name in ("same", "other", "down", "wrong")]
    await expect(reach.locator("dd")).to_have_text(
        [
            f"{one['value']:.0%} ({one['low']:.0%}–{one['high']:.0%})".replace("%", " %").replace(" %–", "–")
            for one in shares
        ]
    )
    lag = panel.get_by_role("article", name="Correction lag")
    counted = f"{learning['unserved']} of {learning['rulings']} reached nobody yet, and have no lag"
    await expect(lag).to_contain_text(counted)
    rows = lag.get_by_role("table", name="Correction lag by where it was read first").locator("tbody tr")
    await expect(rows).to_have_count(len(learning["lags"]))
    await expect(panel.get_by_role("article", name="Points per 100 reviews")).to_contain_text("judged")
    most = page.get_by_text("Verified answers that served most", exact=True)
    await most.focus()
    await page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Verified answers that served most")
    await expect(table.locator("tbody tr")).to_have_count(len(learning["top"]))
    await expect(table.locator("tbody tr").first).to_contain_text(learning["top"][0]["question"])


async def test_filters_are_kept_in_the_address_and_change_what_is_drawn(seen: Seen) -> None:
    page = await seen.open("?range=30")
    await page.get_by_label("Channel").select_option("slack")
    body = await told(seen, channel="slack")
    count = str(body["figures"]["answers"]["now"]["value"])
    await expect(page.locator("#card-answers")).to_have_attribute("data-value", count)
    await page.get_by_role("radio", name="90 days").check()
    longer = str((await told(seen, "90", channel="slack"))["figures"]["answers"]["now"]["value"])
    await expect(page.locator("#card-answers")).to_have_attribute("data-value", longer)
    assert page.url.endswith("?range=90&channel=slack")
    await page.reload()
    await expect(page.locator("#card-answers")).to_have_attribute("data-value", longer)
    await expect(page.get_by_label("Channel")).to_have_value("slack")


async def test_plots_are_read_with_the_keyboard_alone(seen: Seen) -> None:
    page = await seen.open("?range=30")
    body = await told(seen)
    plot = page.get_by_role("slider", name="Accuracy over time")
    await plot.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")
    point = body["figures"]["accuracy"]["points"][-2]
    sentence = (
        f"week until Tue 24 Nov: {point['value'] * 100:.0f} % "
        f"({point['low'] * 100:.0f}–{point['high'] * 100:.0f} %), {point['n']} judged"
    )
    await expect(plot).to_have_attribute("aria-valuetext", sentence)
    await expect(page.locator("#card-accuracy .reading")).to_have_text(sentence)
    await expect(page.locator("#card-answers .reading")).to_contain_text("Tue 24 Nov")
    await page.keyboard.press("Escape")
    await expect(page.locator("#card-accuracy .reading")).to_contain_text("random sample")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Accuracy as a table")).to_be_visible()


async def test_without_questions_the_page_says_so(empty: Seen) -> None:
    page = await empty.open()
    await expect(page.locator("#empty")).to_contain_text("Nobody has asked anything")
    await expect(page.locator("#cards")).to_be_hidden()


async def test_a_store_of_one_afternoon_is_shown_by_the_minute_and_few_judgements_are_called_few(
    empty: Seen,
) -> None:
    for number in range(12):
        version = "second" if number > 6 else "first"
        await ask(empty.board.store, number, NOW - timedelta(minutes=40 - 3 * number), model_version=version)
    page = await empty.open()
    await expect(page.get_by_role("radio", name="48 hours")).to_be_checked()
    await expect(page.locator("#now")).to_contain_text("25 Nov, 14:20 to 25 Nov, 14:53 UTC")
    await expect(page.locator("#card-accuracy .value")).to_have_text("–")
    await expect(page.locator("#card-accuracy .basis")).to_have_text(
        "No random sample has been judged here yet."
    )
    await expect(page.locator("#card-response_p50_s .basis")).to_have_text("12 answers · too few to rely on")
    assert await page.locator("#card-answers .badge title").all_text_contents() == ["second"]
    assert sum((await page.evaluate(DRAWN, "answers")).values()) == pytest.approx(12, rel=0.01)


async def test_a_replay_is_drawn_as_its_store_has_it(browser: Any, tmp_path: Path) -> None:
    """Two rounds, asked, rated and reviewed through the bot's dialogs; then the dashboard over that store."""
    file = a_file(tmp_path)
    whole = re.sub(r'"(\w+ has \d+ bridges)(\..*?"text": )"\d+"', r'"\1\2"\1"', file.read_text())
    file.write_text(whole)  # the canned model, who says whole sentences, is right there
    judged = await play(file, tmp_path, Size(rounds=2, limit=7))
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    now = datetime.now(UTC)
    await roll_up(store, now)
    reviews = [await ReviewRepository(store.documents).review(one.answer.id) for one in judged]
    rulings = [review.verdicts[0].ruling for review in reviews if review]
    approved = rulings.count(Ruling.APPROVED)
    assert 0 < approved < len(rulings) == 14
    async for seen in a_seen(browser, Board(store, now)):
        page = await seen.open()
        figures = (await seen.board.data().read(Query(), now, questions=True))["figures"]
        assert figures["accuracy"]["now"]["n"] == 14
        assert figures["accuracy"]["now"]["value"] == pytest.approx(approved / 14)
        await expect(page.locator("#card-accuracy .value")).to_have_text(
            f"{figures['accuracy']['now']['value'] * 100:.0f} %"
        )
        await expect(page.locator("#card-satisfaction .value")).to_contain_text(
            f"{figures['satisfaction']['now']['value']:.1f}"
        )
        assert sum((await page.evaluate(DRAWN, "answers")).values()) == pytest.approx(14, rel=0.01)
        compared = 0
        for name in ("accuracy", "satisfaction"):
            for bucket, value in (await page.evaluate(DRAWN, name)).items():
                assert value == pytest.approx(figures[name]["points"][int(bucket)]["value"], abs=0.02)
                compared += 1
        assert compared
    await store.close()


async def test_hostile_words_stay_words(empty: Seen) -> None:
    asked = question(1, text=HOSTILE, asked_at=NOW - timedelta(minutes=9), channel=Channel.SLACK)
    given = answer(asked, text=HOSTILE, model_version="<img src=x onerror=document.title=3>", answered_at=NOW)
    await empty.board.store.add_question(asked)
    await empty.board.store.add_answer(given)
    await empty.board.store.put_feedback(stars(given, 1, NOW))
    page = await empty.open()
    await expect(page.locator(".asked")).to_have_text(HOSTILE)
    await expect(page.locator(".answered")).to_have_text(HOSTILE)
    await expect(page.locator("#versions .name")).to_have_text("<img src=x onerror=document.title=3>")
    assert await page.title() == "Dashboard · askpage"
    assert await page.locator("#shown a, #shown img, #shown script, #shown iframe").count() == 0
    assert {(await page.evaluate("location.href"))} == {f"{empty.url}/dashboard"}


async def test_beyond_this_machine_a_token_opens_the_figures_and_a_reviewers_the_questions(
    browser: Any, company: SqliteStore
) -> None:
    access = DashboardAccess(local=False, token=TOKEN, reviewers=REVIEWERS)
    async for seen in a_seen(browser, Board(company, NOW, STANDING, access=access)):
        page = await seen.open()
        await expect(page.get_by_role("textbox", name="Token")).to_be_focused()
        await expect(page.locator("#shown")).to_be_hidden()
        await page.keyboard.type("not the token, but as long")
        await page.keyboard.press("Enter")
        await expect(page.locator("#door-why")).to_have_text("This token opens nothing here.")
        await page.get_by_role("textbox", name="Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("#card-accuracy .value")).to_contain_text("%")
        await expect(page.locator("#worst")).to_be_hidden()
        await expect(page.locator("#learning")).to_be_visible()
        await expect(page.locator("#learning summary")).to_have_count(0)
        await page.evaluate("sessionStorage.clear()")
        await page.reload()
        await page.get_by_role("textbox", name="Token").fill(REVIEWERS)
        await page.keyboard.press("Enter")
        await expect(page.locator("#worst")).to_be_visible()
        assert TOKEN not in page.url
        assert all(REVIEWERS not in asked for asked in seen.asked)
        seen.wrong[:] = [one for one in seen.wrong if "401" not in one]


async def test_what_was_read_stays_on_screen_when_the_bot_is_away_and_says_from_when(seen: Seen) -> None:
    page = await seen.open("?range=30")
    value = await page.locator("#card-accuracy .value").inner_text()
    await page.route("**/dashboard/data?*", lambda route: route.abort())
    await page.get_by_role("radio", name="7 days").check()
    await expect(page.get_by_role("alert")).to_contain_text("askpage cannot be reached. What you see is from")
    await expect(page.locator("#card-accuracy .value")).to_have_text(value)
    await page.unroute("**/dashboard/data?*")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("alert")).to_be_hidden()
    seen.wrong.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_texts_have_the_contrast_of_wcag_aa_and_nothing_is_wider_than_a_phone(
    seen: Seen, scheme: str
) -> None:
    page = await seen.open("?range=90", scheme=scheme)
    await page.get_by_role("slider", name="Accuracy over time").focus()
    await page.keyboard.press("End")
    for summary in await page.locator(".card summary, #learning summary").all():
        await summary.click()
    contrast = await page.evaluate(CONTRAST)
    assert contrast["bad"] == []
    assert contrast["seen"] > 200
    narrow = await seen.open("?range=90", width=360, height=640, scheme=scheme)
    assert await narrow.evaluate("document.documentElement.scrollWidth") == 360


async def test_it_is_read_again_every_minute_and_when_somebody_comes_back(seen: Seen) -> None:
    page = await seen.window()
    await page.clock.install()

    def reads() -> int:
        return len([url for url in seen.asked if "/dashboard/data" in url])

    async def after(doing: str, seconds: int, count: int) -> None:
        await page.clock.fast_forward(seconds * 1000)
        await page.evaluate(doing)
        await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
        assert reads() == count

    back = "window.dispatchEvent(new Event('focus'))"
    await page.goto(f"{seen.url}/dashboard")
    await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
    await after(back, 2, 1)
    await after(back, 20, 2)
    await after("0", 61, 3)

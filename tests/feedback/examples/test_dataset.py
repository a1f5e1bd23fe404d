"""Datasets on disk: named by content, never half there, with a card that adds up, forgotten line by line."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.records import Channel, Ruling, TrainingExample
from core.settings import Settings
from feedback.examples.build import Work, build
from feedback.examples.convert import ExampleRules, Reviewed
from feedback.examples.dataset import (
    CARD,
    EXAMPLES,
    LINEAGE,
    DatasetDamaged,
    DatasetError,
    DatasetMissing,
    NoExamples,
    difference,
    find_dataset,
    find_trained_versions,
    forget,
    list_datasets,
    read_card,
    read_examples,
    read_lineage,
)
from feedback.examples.dataset_card import Card, Coverage, Vectors, find_topics
from feedback.store.serialization import to_json
from feedback.store.sqlite import SqliteStore
from jobs.update_model import example_rules, masking
from model.text import prompt
from pages.index.embeddings import HashedEmbedder
from tests.builders.examples import (
    LATER,
    NOON,
    NOT_HERE,
    RULES,
    STORES,
    Store,
    answered,
    approved,
    asked,
    corrected,
    declined,
    either_store,
    keep,
    passage,
    settled,
    thumb,
    verdict,
)
from tests.conftest import ROOT
from tests.processes.forked import run_askpage

WORK = Work(LATER)


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with either_store(request, tmp_path) as opened:
        yield opened


def some_reviews() -> list[Reviewed]:
    """Return one of nearly everything that can happen to a review."""
    no_question = answered(asked(30, by="max"))
    off_page = declined(asked(31, "Who won the cup?", by="max"))
    slack = answered(asked(32, channel=Channel.SLACK))
    german = answered(asked(33, "Wie viele Tage Urlaub?", language="de", by="uli"))
    hr = passage("Ask HR for the form.", "https://hr.example.com/form#where")
    return [
        approved(1, "How many days of leave?"),
        approved(2, "how many DAYS of leave"),
        corrected(3, "How much leave for part-timers?", "Half of it.", by="kim"),
        corrected(4, "Where is the leave form?", "Ask HR.", by="kim", passages=(hr,), citations=()),
        corrected(5, "Who decides about leave?", "See https://evil.test/x", by="kim"),
        corrected(6, "how many days of leave", "Nonsense.", by="kim"),
        Reviewed(settled(no_question, verdict(Ruling.REJECTED)), no_question, ()),
        Reviewed(settled(off_page, verdict(Ruling.APPROVED)), off_page, (thumb(off_page, "kim"),)),
        Reviewed(settled(slack, verdict(Ruling.APPROVED)), slack, ()),
        Reviewed(settled(german, verdict(Ruling.APPROVED, at=NOON - timedelta(days=60))), german, ()),
    ]


async def built(
    folder: Path, reviews: Iterable[Reviewed], rules: ExampleRules = RULES, work: Work = WORK
) -> tuple[Card, Path]:
    """Build a dataset from a fresh store."""
    store = SqliteStore.open(folder / f"{secrets.token_hex(4)}.sqlite3")
    try:
        repository = await keep(store, reviews)
        card = await build(store, repository, folder / "datasets", rules, work)
    finally:
        await store.close()
    return card, folder / "datasets" / card.name


# Named by its content


async def test_the_same_store_gives_the_same_dataset_whatever_came_first(
    store: Store, tmp_path: Path
) -> None:
    repository = await keep(store, some_reviews())
    one = await build(store, repository, tmp_path / "one", RULES, WORK)
    again = await build(
        store, repository, tmp_path / "one", RULES, replace(WORK, now=LATER + timedelta(days=9))
    )
    backwards, _ = await built(tmp_path / "two", reversed(some_reviews()))
    assert one.name == again.name == backwards.name == one.sha256[:16]
    assert again.made_at > one.made_at
    assert [card.name for card in list_datasets(tmp_path / "one")] == [one.name]


async def test_other_words_give_another_dataset(tmp_path: Path) -> None:
    one, _ = await built(tmp_path, [approved(1)])
    two, _ = await built(tmp_path, [corrected(1, "")])
    assert one.name != two.name


async def test_a_dataset_comes_back_with_its_examples_and_their_lineage(store: Store, tmp_path: Path) -> None:
    repository = await keep(store, some_reviews())
    card = await build(store, repository, tmp_path, RULES, WORK)
    folder = tmp_path / card.name
    examples, lineage = list(read_examples(folder)), list(read_lineage(folder))
    assert [one.answer_id for one in examples] == [one.answer_id for one in lineage]
    by_id = dict(zip([one.answer_id for one in examples], zip(examples, lineage, strict=True), strict=True))
    taught, origin = by_id["a00003"]
    assert (taught.completion, taught.rejected_text) == ("Half of it.", "26 days [1].")
    assert (origin.asker, origin.reviewers, origin.givers, origin.channel) == (
        "kim",
        ("robin",),
        (),
        "msteams",
    )
    assert (origin.model_version, origin.round, origin.reason) == ("base", 1, "low_support")
    _, origin = by_id["a00031"]
    assert origin.givers == ("kim",)
    assert read_card(folder) == card
    lines = (folder / EXAMPLES).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [json.loads(to_json(one)) for one in examples]
    assert set(json.loads(lines[0])) == set(TrainingExample.__dataclass_fields__)


async def test_lineage_has_no_word_of_what_was_said(tmp_path: Path) -> None:
    _, folder = await built(tmp_path, some_reviews())
    text = (folder / LINEAGE).read_text() + (folder / CARD).read_text()
    for words in ("leave", "Half", "26 days", "Nonsense", "Urlaub", "evil", "cup"):
        assert words not in text


async def test_only_this_user_may_read_a_dataset(tmp_path: Path) -> None:
    _, folder = await built(tmp_path, some_reviews())
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


async def test_every_naughty_string_survives_the_way_through_the_store_and_the_file(
    shared_data: Path, store: Store, tmp_path: Path
) -> None:
    strings: list[str] = json.loads((shared_data / "security" / "blns.json").read_text("utf-8"))[::5]
    reviews = [corrected(n, f"question {n}", text, by=f"asker{n}") for n, text in enumerate(strings)]
    card = await build(store, await keep(store, reviews), tmp_path, RULES, WORK)
    taught = {one.answer_id: one.completion for one in read_examples(tmp_path / card.name)}
    assert len(taught) > len(strings) / 3
    for number, text in enumerate(strings):
        name = f"a{number:05}"
        assert taught.get(name, text.strip()) == text.strip()
        assert (name in taught) + (name in card.set_aside) + (not text.strip()) == 1


# The card


async def test_the_sums_of_the_card_add_up(tmp_path: Path) -> None:
    card, folder = await built(tmp_path, some_reviews(), work=replace(WORK, embed=HashedEmbedder().embed))
    assert card.reviews == len(some_reviews()) == card.examples + sum(card.left_out.values())
    assert card.left_out == {
        "conflict": 2,
        "no_real_question": 1,
        "set_aside": 1,
        "untrainable_channel": 1,
    }
    assert {part: sum(counts.values()) for part, counts in card.by.items()} == dict.fromkeys(
        card.by, card.examples
    )
    assert set(card.by) == {"kind", "source", "site", "channel", "language", "age", "side"}
    assert (
        card.by["side"].get("held out", 0)
        == card.held_out
        == sum(one.held_out for one in read_examples(folder))
    )
    assert card.by["kind"] == {"approval": 1, "correction": 3, "not_on_page": 1}
    assert card.by["age"] == {"up to 30 days": 4, "up to 90 days": 1}
    for part in ("site", "channel", "language"):
        covered = card.covered[part]
        assert sum(one.asked for one in covered.values()) == card.asked == 10
        assert {name: one.examples for name, one in covered.items() if one.examples} == card.by[part]
    assert sum(one.examples for one in card.covered["topic"].values()) == card.examples
    assert sum(one.asked for one in card.covered["topic"].values()) == card.sampled == 9  # without Slack's
    assert card.set_aside == {"a00005": ["a link to a foreign host"]}
    assert card.people["askers"] == 3


async def test_the_card_says_whose_questions_the_dataset_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "s"
    store = SqliteStore.open(path)
    repository = await keep(store, [approved(1, "How many days of leave?")])
    far = passage("Trains leave daily.", "https://travel.example.com/trains")
    for number in range(2, 6):
        question = asked(number, f"Which trains may I book {number}?", language="fr", by=f"asker{number}")
        await store.add_question(question)
        await store.add_answer(answered(question, passages=(far,), citations=()))
    for number in (6, 7):
        question = asked(number, "Anything?", channel=Channel.SLACK)
        await store.add_question(question)
        await store.add_answer(answered(question))
    card = await build(store, repository, tmp_path / "d", RULES, replace(WORK, embed=HashedEmbedder().embed))
    await store.close()
    said = "\n".join(card.missing)
    assert "No example for the site “travel.example.com”, where 4 questions were asked." in said
    assert (
        "No example for the channel “slack”, where 2 questions were asked. It may not be trained on." in said
    )
    assert "No example for the language “fr”, where 4 questions were asked." in said
    assert "No example for the topic “trains”, where 4 questions were asked." in said
    assert "No example declines" in said
    assert "Personal data is not masked" in said
    assert card.covered["topic"]["days, leave"] == Coverage(asked=1, examples=1)


async def test_a_card_of_a_masked_dataset_says_so(tmp_path: Path) -> None:
    card, _ = await built(tmp_path, some_reviews(), replace(RULES, mask=lambda texts: texts))
    assert card.masked
    assert "Personal data" not in "\n".join(card.missing)


def test_topics_are_the_groups_of_questions_that_are_near() -> None:
    words = [
        "leave days",
        "leave pay",
        "leave form",
        "train travel",
        "train ticket",
        "laptop repair",
        "laptop order",
    ]
    texts = [f"{text} {number % 2}" for number in range(4) for text in words]
    topics = find_topics(HashedEmbedder().embed(texts), [text.split()[:2] for text in texts])
    groups = topics.assign_groups(HashedEmbedder().embed(words))
    for subject in ("leave", "train", "laptop"):
        theirs = {group for group, text in zip(groups, words, strict=True) if text.startswith(subject)}
        others = {group for group, text in zip(groups, words, strict=True) if not text.startswith(subject)}
        assert not theirs & others
        assert all(subject in topics.names[group] for group in theirs)
    assert len(set(topics.names)) == len(topics.names)


def test_questions_that_are_all_the_same_are_one_topic() -> None:
    vectors = HashedEmbedder().embed(["days of leave"] * 50)
    assert find_topics(vectors, [{"leave"}] * 50).names == ("leave",)
    assert find_topics(vectors[:0], []).names == ()


# Never half there

DRIVER = """
import asyncio, os, signal, sys
from datetime import datetime
from pathlib import Path
from feedback.examples.build import Work, build
from feedback.examples.convert import ExampleRules
from feedback.examples.dataset import forget
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore

steps = 0

def counted(do, last):
    def doing(*given, **options):
        global steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*given, **options)
    return doing

async def run(what, folder, last):
    store = SqliteStore.open(folder / "store.sqlite3")
    for name in ("fsync", "rename", "replace", "rmdir"):
        setattr(os, name, counted(getattr(os, name), last))
    if what == "build":
        rules, work = ExampleRules(sys.argv[1]), Work(datetime.fromisoformat(sys.argv[2]))
        await build(store, ReviewRepository(store.documents), folder / "datasets", rules, work)
    else:
        forget(folder / "datasets", ["a00003", "a00004"])
    os._exit(0)

for line in sys.stdin:
    what, folder, last = line.split()
    child = os.fork()
    if not child:
        try:
            asyncio.run(run(what, Path(folder), int(last)))
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def killed_at() -> Iterator[Callable[[str, Path, int], bool]]:
    """Return a function that builds or forgets in a process and kills that at its n-th step on the disk.

    It returns False when there were fewer steps. One driver forks all of these processes: imports take their
    time.
    """
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, NOT_HERE, LATER.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert driver.stdin is not None
    assert driver.stdout is not None

    def killed(what: str, folder: Path, step: int) -> bool:
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(f"{what} {folder} {step}\n")
        driver.stdin.flush()
        status = int(driver.stdout.readline())
        assert status in {0, -signal.SIGKILL}
        return status != 0

    yield killed
    driver.stdin.close()
    driver.wait()
    driver.stdout.close()


KilledAt = Callable[[str, Path, int], bool]


async def test_kill_9_at_any_step_leaves_no_half_dataset(killed_at: KilledAt, tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    await keep(store, some_reviews())
    whole, _ = await built(tmp_path / "whole", some_reviews())
    datasets, step = tmp_path / "datasets", 1
    while await asyncio.to_thread(killed_at, "build", tmp_path, step):
        for card in list_datasets(datasets):
            assert len(list(read_examples(datasets / card.name))) == whole.examples
        assert all(path.name in {".lock", whole.name} or path.name[0] == "." for path in datasets.iterdir())
        step += 1
    assert step > 6
    assert [path.name for path in sorted(datasets.iterdir())] == [".lock", whole.name]
    assert list(read_examples(datasets / whole.name)) == list(
        read_examples(find_dataset(tmp_path / "whole" / "datasets"))
    )
    await store.close()


async def test_forgetting_that_is_killed_at_any_step_can_be_repeated(
    killed_at: KilledAt, tmp_path: Path
) -> None:
    for step in range(1, 30):
        folder = tmp_path / str(step)
        card, dataset = await built(folder, some_reviews())
        killed = await asyncio.to_thread(killed_at, "forget", folder, step)
        forget(folder / "datasets", ["a00003", "a00004"])
        assert [one.answer_id for one in read_examples(dataset)] == ["a00006", "a00031", "a00033"]
        assert read_card(dataset).erased == 2
        assert {path.name for path in dataset.iterdir()} == {EXAMPLES, LINEAGE, CARD}
        assert card.erased == 0
        if not killed:
            assert step > 6
            return
    pytest.fail("it never ended")


async def test_a_build_that_is_interrupted_stops_and_leaves_nothing(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    repository = await keep(store, some_reviews())
    begun, go_on = asyncio.Event(), threading.Event()
    loop, calls = asyncio.get_running_loop(), Counter[str]()

    def embed(texts: Sequence[str]) -> Vectors:
        calls["embed"] += 1
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(60)
        return HashedEmbedder().embed(texts)

    building = asyncio.ensure_future(
        build(store, repository, tmp_path / "d", RULES, replace(WORK, embed=embed))
    )
    await begun.wait()
    building.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not building.done()  # it does not leave its thread alone, which might write
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert calls["embed"] == 1
    assert [path.name for path in (tmp_path / "d").iterdir()] == [".lock"]
    assert await build(store, repository, tmp_path / "d", RULES, WORK)
    await store.close()


async def test_two_builds_at_once_make_one_dataset(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    repository = await keep(store, some_reviews())
    cards = await asyncio.gather(*(build(store, repository, tmp_path / "d", RULES, WORK) for _ in range(3)))
    await store.close()
    assert len({card.name for card in cards}) == 1
    assert len(list(read_examples(find_dataset(tmp_path / "d")))) == cards[0].examples


async def test_forgetting_waits_for_a_build_that_read_the_question_before(tmp_path: Path) -> None:
    """The question is deleted while a build runs that has read it already: the dataset does not have it."""
    store = SqliteStore.open(tmp_path / "s")
    repository = await keep(store, some_reviews())
    datasets = tmp_path / "d"
    loop = asyncio.get_running_loop()
    forgetting: list[asyncio.Task[dict[str, int]]] = []

    def tell(step: str, _: int) -> None:
        if step == "Reading questions" and not forgetting:
            forgetting.append(loop.create_task(asyncio.to_thread(forget, datasets, ["a00003"])))

    card = await build(store, repository, datasets, RULES, replace(WORK, tell=tell))
    await store.close()
    assert await forgetting[0] == {card.name: 1}
    assert "a00003" not in [one.answer_id for one in read_examples(datasets / card.name)]


async def test_who_opted_out_by_the_time_of_the_build_is_not_in_it(tmp_path: Path) -> None:
    async def out() -> Collection[str]:
        assert (tmp_path / "datasets" / ".lock").exists()  # what begins later finds the dataset
        return ["kim"]

    work = replace(WORK, opted_out=out)
    card, folder = await built(tmp_path, some_reviews(), replace(RULES, opted_out=frozenset({"uli"})), work)
    assert {one.asker for one in read_lineage(folder)} == {"alex", "max"}
    assert card.left_out["opted_out"] == 5
    assert "kim" not in (folder / LINEAGE).read_text()


async def test_nothing_reviewed_makes_no_dataset_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(NoExamples, match="No answer is reviewed yet"):
        await built(tmp_path, [])
    refused = answered(asked(1))
    with pytest.raises(NoExamples, match="1 no real question"):
        await built(tmp_path, [Reviewed(settled(refused, verdict(Ruling.REJECTED)), refused, ())])
    assert list_datasets(tmp_path / "datasets") == []


@pytest.mark.parametrize("name", [EXAMPLES, LINEAGE])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "line lost"])
async def test_a_dataset_that_is_not_whole_is_not_read(tmp_path: Path, name: str, harm: str) -> None:
    _, folder = await built(tmp_path, some_reviews())
    path = folder / name
    text = path.read_text()
    if harm == "gone":
        path.unlink()
    else:
        lines = text.splitlines(keepends=True)
        path.write_text(
            {"cut": text[:-20], "changed": text.replace("a00003", "a00099"), "line lost": "".join(lines[1:])}[
                harm
            ]
        )
    if (name, harm) == (LINEAGE, "changed"):  # it says who it was, not what
        assert next(read_lineage(folder)).answer_id != "a00003"
        return
    with pytest.raises(DatasetDamaged, match="not whole"):
        list(read_examples(folder))


async def test_a_damaged_card_is_named(tmp_path: Path) -> None:
    _, folder = await built(tmp_path, some_reviews())
    (folder / CARD).write_text("{")
    with pytest.raises(DatasetDamaged, match=r"card\.json"):
        list_datasets(tmp_path / "datasets")


# Found, compared, forgotten


async def test_datasets_are_found_by_name_by_its_beginning_and_as_the_latest(tmp_path: Path) -> None:
    one, _ = await built(tmp_path, [approved(1)])
    two, folder = await built(tmp_path, [approved(2)], work=Work(LATER + timedelta(hours=1)))
    datasets = tmp_path / "datasets"
    assert [card.name for card in list_datasets(datasets)] == [one.name, two.name]
    assert find_dataset(datasets) == find_dataset(datasets, two.name[:6]) == folder
    for name in ("", "zz"):
        with pytest.raises(DatasetMissing, match="examples list"):
            find_dataset(datasets, name)
    with pytest.raises(DatasetMissing):
        find_dataset(tmp_path / "nowhere")


async def test_what_changed_between_two_datasets(tmp_path: Path) -> None:
    _, before = await built(tmp_path, [approved(1, "one"), approved(2, "two"), approved(3, "three")])
    _, after = await built(tmp_path, [approved(1, "one"), corrected(2, "two"), corrected(4, "four")])
    found = difference(before, after)
    assert asdict(found) == {
        "added": {"a00004": "correction"},
        "removed": {"a00003": "approval"},
        "changed": {"a00002": "correction"},
    }


async def test_lineage_leads_from_answers_to_datasets_and_on_to_model_versions(tmp_path: Path) -> None:
    _, one = await built(tmp_path, [approved(1, "one"), approved(2, "One?"), approved(3, "three")])
    _, two = await built(tmp_path, [approved(3, "three")])
    answers = [
        {name for line in read_lineage(folder) for name in (*line.answers, *line.folded)}
        for folder in (one, two)
    ]
    assert answers == [{"a00001", "a00002", "a00003"}, {"a00003"}]
    versions = {one.name: ["v2", "v3"], two.name: ["v3"], "another": ["v9"]}
    assert find_trained_versions([one.name], versions) == ["v2", "v3"]


async def test_forgotten_answers_are_in_no_file_of_any_dataset(tmp_path: Path) -> None:
    secret = corrected(3, "Is it Morgan Miller?", "Morgan Miller, room 7.", by="kim")
    evil = corrected(5, "Who decides about leave?", "See https://evil.test/x", by="kim")
    one, first = await built(tmp_path, [*some_reviews()[:2], secret, evil])
    two, second = await built(tmp_path, [secret, approved(9, "nine")])
    three, third = await built(tmp_path, [approved(9, "nine")])
    untouched = {path.name: path.read_bytes() for path in third.iterdir()}
    datasets = tmp_path / "datasets"
    assert forget(datasets, ["a00003", "a00001", "a00005", "nobody's"]) == {one.name: 1, two.name: 1}
    for path in datasets.rglob("*.json*"):
        text = path.read_text()
        for gone in ("Morgan", "a00003", "a00001", "a00005", '"kim"'):
            assert gone not in text, path
    cards = {card.name: (card.examples, card.erased) for card in list_datasets(datasets)}
    assert cards == {one.name: (2, 1), two.name: (2, 1), three.name: (1, 0)}
    assert [example.answer_id for example in read_examples(first)] == ["a00002"]
    assert [example.answer_id for example in read_examples(second)] == ["a00009"]
    assert {path.name: path.read_bytes() for path in third.iterdir()} == untouched
    assert forget(datasets, ["a00003"]) == {}
    assert forget(tmp_path / "nowhere", ["a00003"]) == {}


@pytest.mark.parametrize("name", [CARD, LINEAGE])
async def test_forgetting_says_where_it_could_not_and_does_it_everywhere_else(
    tmp_path: Path, name: str
) -> None:
    _, broken = await built(tmp_path, [approved(1, "one"), approved(2, "two")])
    _, whole = await built(tmp_path, [approved(1, "one"), approved(3, "three")])
    (broken / name).write_text('{"')
    with pytest.raises(DatasetDamaged, match=broken.name):
        forget(tmp_path / "datasets", ["a00001"])
    assert [one.answer_id for one in read_examples(whole)] == ["a00003"]


async def test_a_person_who_is_forgotten_is_struck_out_as_rater_and_reviewer(tmp_path: Path) -> None:
    one = approved(1, "one", reviewer="robin")
    rated = replace(one, words=(thumb(one.answer, "kim"), thumb(one.answer, "lee")))
    card, folder = await built(tmp_path, [rated, approved(2, "two", reviewer="kim", by="max")])
    assert forget(tmp_path / "datasets", [], people=["kim"]) == {}
    assert "kim" not in (folder / LINEAGE).read_text()
    assert [(line.givers, line.reviewers) for line in read_lineage(folder)] == [
        (("lee",), ("robin",)),
        ((), ()),
    ]
    assert len(list(read_examples(folder))) == card.examples == 2


async def test_what_was_forgotten_and_is_allowed_again_is_whole_again(tmp_path: Path) -> None:
    card, folder = await built(tmp_path, some_reviews())
    forget(tmp_path / "datasets", ["a00003"])
    again, _ = await built(tmp_path, some_reviews())
    assert (again.name, again.erased) == (card.name, 0)
    assert len(list(read_examples(folder))) == card.examples


# The commands


READER = """
import json, sys
from cli import main

*commands, last = json.loads(sys.argv[1])
for command in commands:
    main.app(command, standalone_mode=False)
sys.argv[1:] = last
main.main()
"""


def askpage(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_askpage("examples", *words, "--data-dir", str(data_dir), folder=ROOT)


async def test_the_commands_build_show_list_and_compare(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    await keep(store, some_reviews())
    first = await asyncio.to_thread(askpage, tmp_path, "build", "--json")
    assert first.returncode == 0, first.stderr
    card = json.loads(first.stdout)
    assert card["examples"] == 5
    assert sum(one["examples"] for one in card["covered"]["topic"].values()) == 5
    await keep(store, [approved(50, "How long is parental leave?")])
    second = await asyncio.to_thread(askpage, tmp_path, "build")
    await store.close()
    assert "6 examples from 11 reviews" in " ".join(second.stdout.split())
    assert "missing: No example for the channel “slack”" in " ".join(second.stdout.split())
    assert "set aside: a00005 (a link to a foreign host)" in " ".join(second.stdout.split())
    read = [["list"], ["show", card["name"][:8]], ["diff", card["name"], "latest"], ["show", "zz"]]
    options = ["--json", "--data-dir", str(tmp_path)]
    failed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", READER, json.dumps([["examples", *words, *options] for words in read])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    listed, shown, compared = (json.loads(line) for line in failed.stdout.splitlines())
    assert [one["examples"] for one in listed] == [5, 6]
    assert shown == card
    assert compared["added"] == {"a00050": "approval"}
    assert failed.returncode == 2
    assert failed.stderr.strip().startswith("askpage: there is no dataset zz")
    completions = [one.completion for one in read_examples(tmp_path / "datasets" / card["name"])]
    assert "26 days." in completions  # as the model writes it, without [1]


def test_the_settings_say_what_becomes_an_example() -> None:
    rules = example_rules(
        Settings(
            trainable_channels=["slack", "local"],
            held_out_share=0.3,
            examples_per_asker=7,
            examples_per_reviewer=8,
            few_stars=1,
            public_url="https://pages.corp.test/x",
        )
    )
    assert (rules.trainable, rules.held_out_share) == ({"slack", "local"}, 0.3)
    assert (rules.per_asker, rules.per_reviewer, rules.scale.few_stars) == (7, 8, 1)
    assert rules.hosts == {"pages.corp.test"}
    assert rules.not_on_page == prompt.NOT_ON_PAGE
    assert rules.completes("**26** days [1].") == "26 days."


def test_where_personal_data_cannot_be_masked_nothing_becomes_an_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("masker", "language"):
        monkeypatch.delitem(sys.modules, f"feedback.masking.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)  # as where it is not installed
    with pytest.raises(DatasetError, match="cannot be masked here, so no example is made"):
        masking()

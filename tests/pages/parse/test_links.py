"""Links of a page: kept with their section, in their order, by the parser and the index."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from core.records import Page
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.parse.extract import extract
from pages.sections import dump_section, load_sections

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TEXT = """# Leave

You may [carry over](carry-over.md "Carry over") five days; see <https://x.example/law>.

## Who decides

- [Your *manager*](#manager) does.

| Who | How |
|---|---|
| HR | [Form 7](/forms/7) |

```
[no link](x)
```
"""


def read(text: str) -> Page:
    return extract(text.encode(), url="/site/hr/leave", content_type="text/markdown", fetched_at=NOW)


def test_links_are_kept_with_their_words_and_count_in_no_hash() -> None:
    page = read(TEXT)
    assert [one.links for one in page.sections] == [
        (("carry over", "carry-over.md"), ("https://x.example/law", "https://x.example/law")),
        (("Your manager", "#manager"), ("Form 7", "/forms/7")),
    ]
    moved = read(TEXT.replace("carry-over.md", "elsewhere.md"))
    assert moved.page_hash == page.page_hash
    assert moved.sections[0].links != page.sections[0].links


def test_a_section_of_an_older_version_has_no_links() -> None:
    [section] = load_sections([["Leave", "leave", "Text."]])
    assert (section.level, section.links) == (2, ())
    assert dump_section(section) == ["Leave", "leave", "Text.", 2]


async def test_links_are_kept_in_the_index_and_follow_the_page_though_its_text_stays(tmp_path: Path) -> None:
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    page = read(TEXT)
    bare = replace(page, sections=tuple(replace(one, links=()) for one in page.sections))
    assert await index.add(bare, source="hr")
    for changed in (page, read(TEXT.replace("carry-over.md", "elsewhere.md"))):
        assert not await index.add(changed, source="hr")
        kept = await index.page(page.url)
        assert kept is not None
        assert [one.links for one in kept.sections] == [one.links for one in changed.sections]
    await index.close()

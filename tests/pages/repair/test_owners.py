"""Who owns a page: its front matter before CODEOWNERS, and that before a rule of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.repair.files import find_page_file
from pages.repair.owners import find_in_codeowners, find_in_rules, find_owner

OWNERS = """
# the last one counts
*            @everybody
*.txt        @writers # and nobody else
/docs/       @docs @more
leave/       @people
/docs/*      @top
docs/**/x.md @deep
/build/logs/ @logs
/docs/free.md
with\\ space.md @space
[Section]
"""


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("a.md", "@everybody"),
        ("some/where/a.txt", "@writers"),
        ("docs/deep/a.md", "@docs @more"),
        ("docs/a.md", "@top"),
        ("any/leave/deep/a.md", "@people"),
        ("docs/x.md", "@deep"),
        ("docs/one/two/x.md", "@deep"),
        ("other/docs/deep/a.md", "@everybody"),
        ("docs/free.md", ""),
        ("far/with space.md", "@space"),
        ("build/logs/a/b.md", "@logs"),
    ],
)
def test_the_last_line_of_codeowners_that_fits_counts(name: str, owner: str) -> None:
    assert find_in_codeowners(OWNERS, name) == owner


def test_a_rule_names_an_address_or_a_source() -> None:
    rules = ["https://wiki.example/hr/=HR team", "*/board*=The board", "handbook=Ada"]
    assert find_in_rules("https://wiki.example/HR/leave", "", rules) == "HR team"
    assert find_in_rules("https://wiki.example/hr/board", "", rules) == "The board"
    assert find_in_rules("/site/handbook/x", "handbook", rules) == "Ada"
    assert not find_in_rules("/site/x", "docs", rules)


def test_the_nearest_word_about_an_owner_counts(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "CODEOWNERS").write_text("/docs/ @docs\n/docs/free.md\n")
    (docs / "own.md").write_text("---\nowner: [Ada, Bob]\npermalink: /mine/\n---\n# Own\n")
    (docs / "deep" / "a.md").write_text("# A\n")
    (docs / "free.md").write_text("# Free\n")
    base = "https://docs.example"
    found = {}
    for address in (f"{base}/mine/", f"{base}/deep/a/", f"{base}/free/"):
        file = find_page_file(f"{docs}={base}", address)
        assert file is not None
        assert file.root == tmp_path
        found[file.name] = find_owner(address, "", file, ["*=Somebody"])
    assert found == {"docs/own.md": "Ada, Bob", "docs/deep/a.md": "@docs", "docs/free.md": "Somebody"}
    assert find_page_file(f"{docs}={base}", f"{base}/gone/") is None
    assert find_page_file("git+https://host.example/x", "https://host.example/x/a.md") is None
    assert find_page_file(str(docs / "free.md"), "/site/docs/free") is not None

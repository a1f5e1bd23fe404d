"""Patches: the words stand at the end of their section, `git apply` takes them, nothing becomes markup."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.records import Section
from pages.parse.markdown import to_html
from pages.repair.files import PageFile
from pages.repair.patch import PatchRefused, make_patch, write_paragraph

LEAVE = "# Leave\n\nIntro.\n\n## Annual leave\n\n- 26 days\n\n\n## Sick leave\n\nTell us.\n"
SECTIONS = (
    Section("Leave", "leave", "Intro.", 1),
    Section("Annual leave", "annual-leave", "26 days"),
    Section("Sick leave", "sick-leave", "Tell us."),
)
SAID = "Five days may be carried over."


def apply(folder: Path, name: str, text: str, sections: tuple[Section, ...], anchor: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    patch = make_patch(PageFile(folder, path), sections, anchor, SAID)
    done = subprocess.run(
        ["git", "apply", "--verbose", "-"], cwd=folder, input=patch.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, (patch, done.stderr.decode())
    return path.read_bytes().decode()


@pytest.mark.parametrize(
    ("text", "sections", "anchor", "wanted"),
    [
        (LEAVE, SECTIONS, "annual-leave", LEAVE.replace("- 26 days\n", f"- 26 days\n\n{SAID}\n")),
        (LEAVE, SECTIONS, "leave", LEAVE.replace("Intro.\n", f"Intro.\n\n{SAID}\n")),
        (LEAVE, SECTIONS, "sick-leave", f"{LEAVE}\n{SAID}\n"),
        (LEAVE.rstrip(), SECTIONS, "sick-leave", f"{LEAVE}\n{SAID}\n"),
        (
            LEAVE.replace("\n", "\r\n"),
            SECTIONS,
            "annual-leave",
            LEAVE.replace("- 26 days\n", f"- 26 days\n\n{SAID}\n").replace("\n", "\r\n"),
        ),
        (
            "---\nowner: Ada\n# no heading\n---\nIt begins.\n## Late {#late}\nIt ends.\n",
            (Section("", "", "It begins."), Section("Late", "late", "It ends.")),
            "",
            f"---\nowner: Ada\n# no heading\n---\nIt begins.\n\n{SAID}\n\n## Late {{#late}}\nIt ends.\n",
        ),
        (
            "# A\n\n```\n## Annual leave\n```\n\nAnnual leave\n------------\nx\n\n# Z\n",
            (Section("A", "a", ""), Section("Annual leave", "annual-leave", "x")),
            "annual-leave",
            f"# A\n\n```\n## Annual leave\n```\n\nAnnual leave\n------------\nx\n\n{SAID}\n\n# Z\n",
        ),
        (
            "# A\n## How\nx\n## How\ny\n",
            (Section("A", "a", ""), Section("How", "how", "x"), Section("How", "how-1", "y")),
            "how",
            f"# A\n## How\nx\n\n{SAID}\n\n## How\ny\n",
        ),
    ],
)
def test_the_words_stand_at_the_end_of_their_section(
    tmp_path: Path, text: str, sections: tuple[Section, ...], anchor: str, wanted: str
) -> None:
    assert apply(tmp_path, "docs/a leave ü.md", text, sections, anchor) == wanted


@pytest.mark.parametrize(
    ("name", "text", "anchor", "why"),
    [
        ("leave.html", LEAVE, "leave", "not a Markdown"),
        ("leave.md", LEAVE, "gone", "no longer has that section"),
        ("leave.md", LEAVE.replace("Annual", "Yearly"), "annual-leave", "not in the file"),
        ("leave.md", LEAVE + "\n## Annual leave\n", "annual-leave", "several times"),
    ],
)
def test_what_cannot_be_patched_is_refused_with_a_reason(
    tmp_path: Path, name: str, text: str, anchor: str, why: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PatchRefused, match=why):
        make_patch(PageFile(tmp_path, tmp_path / name), SECTIONS, anchor, SAID)


@pytest.mark.parametrize(
    "said",
    [
        "# Five days",
        "- five days",
        "1. five days",
        "> five *days* and __more__, see snake_case",
        "<script>alert(1)</script> five",
        "{{ site.secret }} and {% include x %} days",
        "a [link](https://evil.example/) and `code`",
        "!!! note\nfive\n    days",
        "| a | b |",
        "C:\\leave\\days, 5 ~ 6 ^ 7",
        "=====",
    ],
)
def test_a_reviewers_words_are_read_back_as_they_are(said: str) -> None:
    _, html = to_html(f"# Leave\n\n{write_paragraph(said)}\n")
    body = html.split("</h1>")[1].strip()
    assert body.startswith("<p>")
    assert body.count("<") == 2
    text = body[3:-4].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert text == " ".join(said.split())

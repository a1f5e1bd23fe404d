"""Pseudonyms and their key, and what docs/privacy.md promises."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.channels.privacy_handler import DELETE, EXPORT, LEARN, SHOW, STOP, WORDS, normalise_words
from cli.privacy import privacy_app
from core.settings import FIELDS
from feedback.privacy.keys import load_or_make_key, pseudonym
from feedback.privacy.retention import Retention


def test_a_pseudonym_is_the_hmac_of_the_user_id() -> None:
    # RFC 4231, test case 2
    assert (
        pseudonym(b"Jefe", "what do ya want for nothing?")
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_people_and_keys_give_different_pseudonyms() -> None:
    assert (
        len({pseudonym(key, user) for key in (b"1" * 16, b"2" * 16) for user in ("ann", "Ann", "\ud83d")})
        == 6
    )


def test_a_key_is_made_once_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pseudonyms"
    key = load_or_make_key(path)
    assert len(key) == 64
    assert load_or_make_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["pseudonyms"]


def test_many_that_make_it_at_once_share_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(load_or_make_key, [tmp_path / "key"] * 64))) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_the_text_of_the_file_is_the_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("correct horse battery staple\n")
    assert load_or_make_key(tmp_path / "key") == b"correct horse battery staple"


def test_an_emptied_key_file_is_refused_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ValueError, match="no usable key"):
        load_or_make_key(tmp_path / "key")


# What the docs promise


DOCS = (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text("utf-8")


def test_the_record_of_processing_has_the_retention_of_the_settings() -> None:
    for name, field in FIELDS.items():
        if name.startswith("keep_"):
            assert re.search(rf"\| `{name}` \| {field.default} \|", DOCS), name
    assert f"| {Retention().keep_days['reviewer']} |" in DOCS


def test_the_docs_have_the_words_and_the_commands() -> None:
    rows = re.findall(r"^\| ([^|]+), \*([^|*]+)\* \|", DOCS, re.MULTILINE)
    said = [WORDS[normalise_words(words)] for row in rows for words in row]
    assert said == [verb for verb in (SHOW, EXPORT, DELETE, STOP, LEARN) for _ in range(2)]
    for command in privacy_app.registered_commands:
        assert f"askpage privacy {command.name}" in DOCS

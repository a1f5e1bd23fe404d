"""What groups of settings are made of: their base class, and types of fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic_settings import NoDecode

from core.readers import parse_readers

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_TOKEN_LENGTH = 24
"""Shorter tokens could be found by trying."""


class Group(BaseModel):
    """Settings of one matter.

    A field's alias is the name of the setting: that of its option and of its environment.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    def values(self) -> dict[str, Any]:
        """Return the values by the names of the fields, to build what the group configures.

        Secrets are plain text.
        """
        return {name: _plain(value) for name, value in self}


def make_prefixer(prefix: str) -> Callable[[str], str]:
    """Return what makes the name of a setting out of the name of a field."""
    return lambda name: prefix + name


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return tuple(cast("list[str]", value)) if isinstance(value, list) else value


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [word.strip() for word in value.split(",") if word.strip()]


def _check_token(token: SecretStr) -> SecretStr:
    if 0 < len(token.get_secret_value()) < _TOKEN_LENGTH:
        raise ValueError(f"a token has {_TOKEN_LENGTH} characters or more: openssl rand -hex 16 makes one")
    return token


def _check_readers(rules: list[str]) -> list[str]:
    for rule in rules:
        pattern, equals, names = rule.rpartition("=")
        if not equals or not pattern.strip():
            raise ValueError(f"“{rule}” is no rule: PATTERN=READERS, with spaces between several readers")
        parse_readers(names)
    return rules


def _check_owners(rules: list[str]) -> list[str]:
    for rule in rules:
        pattern, equals, who = rule.rpartition("=")
        if not equals or not pattern.strip() or not who.strip():
            raise ValueError(f"“{rule}” names no owner: PATTERN=WHO")
    return rules


def _check_languages(names: list[str]) -> list[str]:
    for name in names:
        if not _LANGUAGE.fullmatch(name):
            raise ValueError(f"{name!r} is no language; write codes such as de, en-GB or zh-Hant")
    return names


Words = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""A list that is written as words with commas between them."""
Token = Annotated[SecretStr, AfterValidator(_check_token)]
"""A secret that people are let in by."""
Languages = Annotated[list[str], NoDecode, BeforeValidator(_split), AfterValidator(_check_languages)]
"""Languages as HTTP and HTML name them (RFC 5646): "de", "pt-BR", "zh-Hant"."""
ReaderWords = Annotated[list[str], NoDecode, BeforeValidator(_split), AfterValidator(_check_readers)]
"""Rules of who may read which pages."""
OwnerWords = Annotated[list[str], NoDecode, BeforeValidator(_split), AfterValidator(_check_owners)]
"""Rules of who owns which pages."""

"""placeholder: being written; the signature is final."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from records import Page, Section


def page_hash(title: str, sections: Iterable[Section]) -> str:
    raise NotImplementedError


def extract(
    body: bytes,
    *,
    url: str,
    content_type: str,
    charset: str | None = None,
    etag: str | None = None,
    fetched_at: datetime,
) -> Page:
    raise NotImplementedError

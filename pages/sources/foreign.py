"""Foreign JSON, looked into without trusting its shape: what is not there, or of another kind, is empty."""

from __future__ import annotations

import json
from html import escape
from typing import Any, cast


def find(value: object, *path: str) -> object:
    """Return what stands at a path of names in nested objects, None where nothing does."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, object]", value).get(name)
    return value


def find_text(value: object, *path: str) -> str:
    """Return the text at a path, "" where there is none; a number as its digits."""
    found = find(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else ""


def find_number(value: object, *path: str) -> int | None:
    """Return the whole number at a path, None where there is none."""
    found = find(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def find_object(value: object, *path: str) -> dict[str, Any]:
    """Return the object at a path, an empty one where there is none."""
    found = find(value, *path)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def find_objects(value: object, *path: str) -> list[dict[str, Any]]:
    """Return the objects of a list at a path."""
    found = find(value, *path)
    if not isinstance(found, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[object]", found) if isinstance(one, dict)]


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is, an empty one for anything else."""
    try:
        return find_object(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def frame_html(title: str, content: str) -> str:
    """Return the HTML of a page of a service: its title, and its content, which is HTML already."""
    shown = escape(title)
    main = f"<main><h1>{shown}</h1>{content}</main>"
    return f"<html><head><title>{shown}</title></head><body>{main}</body></html>"

"""Who may read a page, as its source says: the front matter of a file, rules of the settings, or a service.

A source that knows its readers sets `Page.readers`; it is `EVERYONE` unless it does.
"""

from __future__ import annotations

from core.readers import EVERYONE, NOBODY, Readers

__all__ = ["EVERYONE", "NOBODY", "Readers"]

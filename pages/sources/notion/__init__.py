"""Notion by its API: the pages that an integration may see."""

"""Decides which text of an HTML page its reader sees."""

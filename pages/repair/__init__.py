"""Repairs of pages: the file behind a page, who owns it, and a patch that says what is missing."""

"""Confluence, Cloud and Data Center, by its REST API."""

"""Bytes → pages in sections, in processes that can be killed."""

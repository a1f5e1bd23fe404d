"""Finds the main text of a page of HTML, and frees it of what stands around it."""

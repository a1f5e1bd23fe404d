"""Owners of pages in chat: who they are, the cards about gaps of their pages, and what they press."""

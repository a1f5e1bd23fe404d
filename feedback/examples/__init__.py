"""Reviewed answers → training examples."""

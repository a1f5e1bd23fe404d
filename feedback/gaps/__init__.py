"""Gaps: what people asked in vain, grouped by meaning, with the section that should say it."""

"""Turns single kinds of elements into plain text: tables, formulas, marks, code."""

"""Measures, gate and canary: whether a version is better than another."""

"""The page index: pages → passages, and the nearest of them to a question."""

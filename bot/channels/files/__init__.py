"""Files that people send with a question."""

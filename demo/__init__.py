"""The learning story, replayed on public questions: people, questions and scores. `cli/replay/` runs it."""

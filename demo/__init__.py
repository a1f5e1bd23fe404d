"""The learning story, replayed on public questions: the cast and the stage. `cli/replay/` is the play."""

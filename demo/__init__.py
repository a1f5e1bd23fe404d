"""The learning story, replayed on public questions: the cast and the stage. `cli/demo.py` is the play."""

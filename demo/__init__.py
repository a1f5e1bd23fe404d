"""The learning story, replayed on public questions: the cast and the stage. `cli_demo.py` is the play."""

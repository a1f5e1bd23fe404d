"""The checks of an answer: the page has to say what the model said."""

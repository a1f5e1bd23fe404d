"""placeholder: being written."""


class PageRefused(Exception):
    """A page cannot be read; the message is a sentence for the asker."""

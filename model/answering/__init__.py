"""Question + passages → an answer that stands on the page."""

"""One person's data: pseudonyms, deletion, export, retention, audit."""

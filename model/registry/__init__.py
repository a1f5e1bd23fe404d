"""Model versions: imported, kept, loaded, exchanged while people ask."""

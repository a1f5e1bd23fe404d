"""Pages: fetched safely, reduced to their main text, cut into passages and searched."""

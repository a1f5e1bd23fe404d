"""A Git repository's folder of pages: git itself fetches, what it fetched is read from its objects."""

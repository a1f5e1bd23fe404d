"""`askpage pages …`: sources, what is read of a page, and who may read it."""

"""The page of operators: sources, model versions, jobs, settings, and what is wrong, in a browser."""

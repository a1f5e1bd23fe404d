"""`askpage models …` and `askpage model …`: versions, the first import, the model server."""

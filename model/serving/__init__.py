"""The model server: model versions behind OpenAI's chat API, for bots and other programs."""

"""What the bot does with what people say: plain async functions that take the parts they use."""

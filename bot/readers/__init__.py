"""Who reads what the bot says, and what these people may see of its pages and answers."""

"""What the bot says beside its answers: reactions of its own, and words to one person only."""

"""The channel for Microsoft Teams, through the Bot Framework."""

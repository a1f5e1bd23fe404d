"""The bot: channels, dialogs and cards."""

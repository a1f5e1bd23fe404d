"""The bot: front ends for the channels, dialogs and cards."""

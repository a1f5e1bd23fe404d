"""What all channels share: activities in, dialogs, cards and messages out."""

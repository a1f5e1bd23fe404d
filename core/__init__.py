"""What every room stands on: the nouns, the settings, telemetry, texts and files."""

"""Personal data is found and masked."""

"""What the numbers mean, by day and by version."""

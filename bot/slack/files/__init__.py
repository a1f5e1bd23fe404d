"""Files that people send in Slack."""

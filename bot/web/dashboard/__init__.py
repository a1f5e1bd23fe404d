"""The dashboard: its figures as JSON, and its page."""

"""The store as an event log for Data Explorer."""

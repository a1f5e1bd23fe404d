"""Scheduled work, one file a job."""

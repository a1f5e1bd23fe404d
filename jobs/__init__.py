"""Scheduled work, one file a job."""

from quiet import is_allowed, keep_quiet

keep_quiet(allowed=is_allowed())

"""Scheduled work, one file a job."""

from core.usage_reporting import is_allowed, keep_quiet

keep_quiet(allowed=is_allowed())

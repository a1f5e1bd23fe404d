"""Pages: fetched safely, reduced to their main text, cut into passages and searched."""

from core.usage_reporting import is_allowed, keep_quiet

keep_quiet(allowed=is_allowed())

"""The language model: the ONNX Runtime engine, the answering chain over it, and how a version is measured."""

from core.usage_reporting import is_allowed, keep_quiet

keep_quiet(allowed=is_allowed())

# The little of brotli that we use; the package has no types of its own.

class error(Exception): ...  # noqa: N801 - its name there

class Decompressor:
    def process(self, data: bytes, output_buffer_limit: int = ...) -> bytes: ...
    def is_finished(self) -> bool: ...

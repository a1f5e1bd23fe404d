# The classes of transformers that this project uses: the package itself binds every model at an import.

from os import PathLike
from typing import Any

class AutoModelForCausalLM:
    @classmethod
    def from_pretrained(cls, name: str | PathLike[str], **options: Any) -> Any: ...

class AutoTokenizer:
    @classmethod
    def from_pretrained(cls, name: str | PathLike[str], **options: Any) -> Any: ...

class BitsAndBytesConfig:
    def __init__(self, **options: Any) -> None: ...

class GgufConfig:
    def __init__(self, **options: Any) -> None: ...

"""spaCy and Presidio, imported without the training stack.

Both import torch and transformers where they are installed, for models of theirs that are not used here: that
takes four seconds and 300 MB, in each job that masks. So they find neither.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def _hide_modules(*names: str) -> Generator[None]:
    """Let nothing import these for a moment, unless it is imported already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # pyright: ignore - None means: not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _hide_modules("torch", "transformers"):
    import spacy
    from presidio_analyzer import (
        AnalyzerEngine,
        EntityRecognizer,
        LocalRecognizer,
        Pattern,
        PatternRecognizer,
        RecognizerRegistry,
        RecognizerResult,
        predefined_recognizers,
    )
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
    from spacy.lookups import Lookups
    from spacy.tokens import Doc

__all__ = [
    "AnalyzerEngine",
    "Doc",
    "EntityRecognizer",
    "LocalRecognizer",
    "Lookups",
    "NlpArtifacts",
    "Pattern",
    "PatternRecognizer",
    "RecognizerRegistry",
    "RecognizerResult",
    "SpacyNlpEngine",
    "predefined_recognizers",
    "spacy",
]

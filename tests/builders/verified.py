"""Verified answers, and an embedder to which everything is near."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from core.records import VerifiedAnswer
from pages.index.embeddings import DIMENSIONS, HashedEmbedder, Vectors
from tests.builders.world import NOW


class AllNear(HashedEmbedder):
    """Every text has the same vector: only the guards speak."""

    name = "all near"

    def embed(self, texts: Any) -> Vectors:
        return np.full((len(texts), DIMENSIONS), DIMENSIONS**-0.5, dtype=np.float32)


def verified(question: str, answer_id: str = "a", /, **changes: Any) -> VerifiedAnswer:
    pages = (("https://example.com/leave", "h1"),)
    return replace(VerifiedAnswer(answer_id, question, None, "", (), (), pages, False, "r", NOW), **changes)

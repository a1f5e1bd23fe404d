"""The common part of all vectors of the embedding model: the mean over many passages and sentences.

Run as: python -m benchmarks.embedding_mean [--data DIR] [--write]

The texts are those that an index of a handbook, of XQuAD's paragraphs and of docs/ embeds, each once. It says
how near the shipped mean (pages/index/embedding_mean.npy) is to the new one, and how cosines of sentences
that were drawn by chance are spread with each. `--write` ships the new one: vectors that were made with the
old one cannot be compared with it, so give the model another name then.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import question_sets
from core.records import Page
from pages.index.chunking import cut_passages
from pages.index.embeddings import DIMENSIONS, MEAN, Embedder, Vectors

_DOCS = Path(__file__).parent.parent / "docs"
_BATCH = 512
_PAIRS = 20_000


def main() -> None:
    """Measure, print, and write if that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--write", action="store_true", help="ship the new mean")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: the public data is not at {options.data}; name its folder with --data")
        return
    embedder = Embedder(mean=np.zeros(DIMENSIONS, np.float32))
    texts = sorted({text for page in _list_pages(options.data) for text in _list_texts(page, embedder)})
    parts = [embedder.embed(texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH)]
    vectors = np.concatenate(parts)
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    print(f"{len(texts)} texts; length of the mean {np.linalg.norm(mean):.3f}")
    print(f"nothing taken away: cosines by chance {_describe_chance(vectors)}")
    if MEAN.exists():
        shipped: Vectors = np.load(MEAN)
        print(f"the shipped mean:   cosines by chance {_describe_chance(vectors - shipped)}")
        nearness = float(mean @ shipped / np.linalg.norm(mean) / np.linalg.norm(shipped))
        print(f"cosine of both means {nearness:.4f}")
    print(f"the new mean:       cosines by chance {_describe_chance(vectors - mean)}")
    if options.write:
        np.save(MEAN, mean)
        print(f"written: {MEAN}")


def _list_pages(data: Path) -> Iterator[Page]:
    yield from question_sets.read_folder(data / "handbook" / "pages")
    yield from question_sets.xquad(data).pages
    yield from question_sets.read_folder(_DOCS)


def _list_texts(page: Page, embedder: Embedder) -> Iterator[str]:
    for passage in cut_passages(page, embedder.count_tokens, 180):
        yield passage.text
        yield from (sentence.text for sentence in passage.sentences)


def _describe_chance(vectors: Vectors) -> str:
    chance = np.random.default_rng(7)
    one, other = chance.integers(0, len(vectors), (2, _PAIRS))
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = np.einsum("ij,ij->i", vectors[one], vectors[other]) / (lengths[one] * lengths[other])
    return f"{cosines.mean():.3f} on average, {cosines.std():.3f} standard deviation"


if __name__ == "__main__":
    main()

"""Model versions without weights, and the text side of a tiny one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from core.files import compute_sha256
from model.inference.tokenizer import ChatText
from model.registry.rollout import promote
from model.registry.versions import ModelVersion, write_version

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<filename>"]
TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> ChatText:
    """The text side of a version without weights, whose tokens are bytes and four control words."""
    folder = tmp_path_factory.mktemp("text")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({word: at for at, word in enumerate([*CONTROL, *letters])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.add_special_tokens(CONTROL)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "genai_config.json").write_text(
        '{"model": {"type": "llama", "eos_token_id": 2, "pad_token_id": 0, "context_length": 64}}'
    )
    return ChatText(folder)


def make_version(
    models_dir: Path,
    name: str = "tiny-int8",
    age_days: int = 0,
    parent: str | None = None,
    base: str = "tiny",
) -> ModelVersion:
    folder = models_dir / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph of " + name.encode())
    version = ModelVersion(
        name=name,
        parent=parent,
        base=base,
        precision="int8",
        status="live",
        created_at=datetime(2026, 11, 23, tzinfo=UTC) - timedelta(days=age_days),
        weights_uri=str(folder),
        files={"model.onnx": compute_sha256(folder / "model.onnx")},
        licence="apache-2.0",
        builder="0.18.0",
    )
    write_version(version)
    return version


# Who answers whom


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A live base model and three that learned from it."""
    make_version(tmp_path, "base", age_days=9)
    for age_days, name in enumerate(("third", "second", "first")):
        make_version(tmp_path, name, age_days, parent="base")
    promote(tmp_path, "base")
    return tmp_path

"""A model's tokenizer read from its folder, without transformers: ids with the exact text each one covers."""

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers

from workbench.core.errors import UserError

SPECIAL_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass(frozen=True)
class Tokenizer:
    """`backend` does the work; `tokens` are the special tokens by name, as chat templates are given them."""

    backend: tokenizers.Tokenizer = field(repr=False)
    tokens: dict[str, str]

    @classmethod
    def load(cls, model_folder: Path) -> "Tokenizer":
        """Reads tokenizer.json and the special tokens' names. Raises `UserError` when there is no fast tokenizer."""
        path = Path(model_folder) / "tokenizer.json"
        if not path.is_file():
            raise UserError(
                f"{path.parent.name} has no tokenizer.json.",
                "Import the model again with its fast tokenizer, or copy tokenizer.json into its folder.",
                "model",
            )
        try:
            backend = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            # The library raises plain Exception for every fault of the file.
            raise UserError(
                f"{path.name} cannot be read: {str(error)[:200]}.", "Import the model again.", "model"
            ) from None
        backend.no_truncation()
        backend.no_padding()
        return cls(backend, special_tokens(path.parent))

    @property
    def bos(self) -> str:
        return self.tokens.get("bos_token", "")

    @property
    def eos(self) -> str:
        return self.tokens.get("eos_token", "")

    @functools.cached_property
    def special_ids(self) -> frozenset[int]:
        """The ids that are control tokens, never ordinary text."""
        added = {at for at, token in self.backend.get_added_tokens_decoder().items() if token.special}
        named = {self.backend.token_to_id(token) for token in self.tokens.values()}
        return frozenset(added | {at for at in named if at is not None})

    @functools.cached_property
    def special_pattern(self) -> re.Pattern[str]:
        """Matches any control token's text, the longest first; matches nothing when there are none."""
        texts = sorted(self.special_texts, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, texts)) or r"(?!)")

    @functools.cached_property
    def special_texts(self) -> tuple[str, ...]:
        """The texts of the control tokens."""
        texts = {self.backend.id_to_token(at) for at in self.special_ids}
        return tuple(sorted(text for text in texts if text))

    @functools.cached_property
    def adds_bos(self) -> bool:
        """Whether this tokenizer begins plain texts with its BOS token by itself."""
        first = self.backend.encode("a").ids[:1]
        return bool(self.bos) and first == [self.backend.token_to_id(self.bos)]

    def ends_with_special(self, text: str) -> bool:
        return text.endswith(self.special_texts)

    def encode(self, texts: list[str]) -> list[tokenizers.Encoding]:
        """One encoding a text, nothing added; `ids` and character `offsets` are lists of equal length."""
        return self.backend.encode_batch(texts, add_special_tokens=False)

    def lengths(self, texts: list[str]) -> list[int]:
        """How many tokens each text is, nothing added; faster than `encode`, as no offsets are kept."""
        return [len(encoding.ids) for encoding in self.backend.encode_batch_fast(texts, add_special_tokens=False)]


def special_tokens(folder: Path) -> dict[str, str]:
    """bos_token, eos_token, … as texts, from tokenizer_config.json and the older special_tokens_map.json."""
    merged = {**_object(folder / "special_tokens_map.json"), **_object(folder / "tokenizer_config.json")}
    tokens = {name: _text(merged.get(name)) for name in SPECIAL_TOKEN_NAMES}
    return {name: text for name, text in tokens.items() if text}


def _text(value: Any) -> str:
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{path.name} is not valid JSON.", "Import the model again.", "model") from None
    return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else {}

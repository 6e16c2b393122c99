"""SentencePiece's list of pieces, read from a tokenizer.json that was made of one: for folders without tokenizer.model.

llama.cpp merges the neighbours whose piece has the highest score; tokenizer.json lists the same merges in the order of
those scores. https://github.com/huggingface/transformers/blob/main/src/transformers/convert_slow_tokenizer.py
"""

import functools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from workbench.core.errors import UserError
from workbench.rendering.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # gguf.TokenType
BLANK = "▁"
BYTES = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class Piece(NamedTuple):
    """One token as a GGUF holds it; `kind` is the number of its gguf.TokenType."""

    token_id: int
    text: str
    score: float
    kind: int


def model_type(folder: Path) -> str:
    """'sentencepiece' for a BPE that falls back to bytes, else what tokenizer.json calls its model, '' without one.

    Raises `UserError` when the file cannot be read.
    """
    path = folder / "tokenizer.json"
    return _model_type(path, path.stat().st_mtime_ns) if path.is_file() else ""


@functools.lru_cache(8)
def _model_type(path: Path, _: int) -> str:
    model = _model(path.parent)
    return "sentencepiece" if model.get("type") == "BPE" and model.get("byte_fallback") else str(model.get("type", ""))


def _model(folder: Path) -> dict[str, Any]:
    return dict(json.loads(Tokenizer.load(folder).backend.to_str())["model"])


def pieces_in(folder: Path) -> list[Piece]:
    """All tokens of a tokenizer.json whose `model_type` is 'sentencepiece', by index; some indices may be missing."""
    model, added = _model(folder), Tokenizer.load(folder).backend.get_added_tokens_decoder()
    merges, ranks = model["merges"], dict[str, int]()
    for rank, pair in enumerate(merges):
        ranks.setdefault("".join(pair), rank)
    listed = [
        Piece(index, text, -float(ranks.get(text, len(merges))), _kind(text, model))
        for text, index in model["vocab"].items()
        if index not in added
    ]
    for index, token in added.items():
        if token.content == model.get("unk_token"):
            listed.append(Piece(index, token.content, 0.0, UNKNOWN))
        elif token.special:
            listed.append(Piece(index, token.content, -1000.0, CONTROL))
        else:  # llama.cpp looks for these in the text before it turns blanks into its own
            listed.append(Piece(index, token.content.replace(BLANK, " "), -1000.0, USER_DEFINED))
    return sorted(listed)


def _kind(text: str, model: dict[str, Any]) -> int:
    if text == model.get("unk_token"):
        return UNKNOWN
    return BYTE if BYTES.fullmatch(text) else NORMAL


def blank_behind_control(folder: Path) -> bool:
    """Whether this tokenizer puts a blank before the words after a control token, as llama.cpp does if it is told so.

    Raises `UserError` when tokenizer.json cannot be read.
    """
    tokenizer = Tokenizer.load(folder)
    control = next(iter(tokenizer.special_texts), "")
    tokens = tokenizer.encode([f"{control}a"])[0].tokens
    return any(token.startswith(BLANK) for token in tokens)


def require_pieces(folder: Path, field: str = "model") -> None:
    """Raises `UserError` for a tokenizer that llama.cpp's converter reads from tokenizer.model alone, without that."""
    kind = model_type(folder)
    if kind not in ("", "BPE", "sentencepiece") and not (folder / "tokenizer.model").is_file():
        raise UserError(
            f"llama.cpp's converter reads a tokenizer like that of {folder.name} ({kind}) from tokenizer.model, which "
            "is not there.",
            "Copy that file from the original model into the folder.",
            field,
        )

"""A model's tokenizer as its files describe it: the ids of its tokens, special tokens, chat template."""

import functools
import hashlib
import json
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import Problems
from workbench.models.json_files import read_json

SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token")


class Ids(dict[str, int]):
    """Ids by token, shared by all models whose tokenizer files are the same."""


@dataclass(frozen=True)
class Vocabulary:
    """What a tokenizer's files say: ids by token, the special tokens' texts, the chat template."""

    ids: Ids = field(repr=False)
    special: dict[str, str]
    template: str


# fine-tunes of one base bring copies of one tokenizer
_SHARED: weakref.WeakValueDictionary[str, Ids] = weakref.WeakValueDictionary()


def vocabulary(folder: Path) -> Vocabulary | None:
    """A folder's tokenizer, read once as long as its files do not change; None if it has none that can be read."""
    names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    times = tuple(path.stat().st_mtime_ns if (path := folder / name).is_file() else 0 for name in names)
    return _vocabulary(folder, times) if times[0] else None


@functools.lru_cache(maxsize=32)
def _vocabulary(folder: Path, times: tuple[int, ...]) -> Vocabulary | None:
    nothing = Problems()
    content = (folder / "tokenizer.json").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    ids = _SHARED.get(digest)
    if ids is None:
        try:
            ids = _ids(json.loads(content))
        except (ValueError, AttributeError, KeyError, TypeError, IndexError):  # no JSON, or no tokenizer
            return None
        _SHARED[digest] = ids
    config = read_json(folder / "tokenizer_config.json", nothing) if times[1] else {}
    special = {name: _text(config.get(name)) for name in SPECIAL_TOKENS}
    template = config.get("chat_template") or ""
    if times[2]:
        template = (folder / "chat_template.jinja").read_text("utf-8", errors="replace")
    return Vocabulary(ids, special, str(template).strip()) if ids else None


def _ids(data: dict[str, Any]) -> Ids:
    listed = data["model"]["vocab"]
    pairs = (
        listed.items() if isinstance(listed, dict) else ((entry[0], token_id) for token_id, entry in enumerate(listed))
    )
    return _with_added(Ids(pairs), [entry["content"] for entry in data.get("added_tokens") or []])


def _with_added(ids: Ids, added: list[str]) -> Ids:
    """Gives added tokens their ids as the tokenizers library does, which closes gaps whatever the file says."""
    size, highest = len(ids), -1
    for text in added:
        token_id = ids.setdefault(text, highest + 1 if highest >= size or not size else size)
        highest = max(highest, token_id)
    return ids


def _text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")

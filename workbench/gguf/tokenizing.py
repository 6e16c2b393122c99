"""Texts tokenized by llama.cpp itself, held against the model's own tokenizer.

llama.cpp runs in a process of its own (`_tokenize.py`): a file it cannot digest ends that process, not this one.
"""

import json
import logging
import sys
from pathlib import Path
from typing import NamedTuple

from workbench.core.child_process import ChildFailed, run_child
from workbench.core.errors import UserError
from workbench.gguf.converter import probe_text
from workbench.gguf.llama_errors import ELSEWHERE, opening_refusal
from workbench.models.chat_tokens import sample_chats
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer

log = logging.getLogger(__name__)

RUNNER = Path(__file__).with_name("_tokenize.py")
SECONDS = 300
TEXTS = (
    "Hello, world! It's 3.14159 o'clock, isn't it?",
    "The quick  brown   fox\tjumps\n\n  over 12345678 lazy dogs.\r\n",
    "def add(a, b):\n    return a + b  # sum\n",
    "Größe, naïve, Ελληνικά, русский текст, 日本語のテキスト, العربية, हिन्दी",
    "🙂👩‍👩‍👧 ①② ½ ™ … “quotes” — dash",
    "user@example.com https://example.com/a?b=c&d=1_000",
    "CamelCaseWords and ALLCAPS don't can't WE'LL",
)


def tokenize(path: Path, texts: list[str], made_of: str = "") -> list[list[int]]:
    """The ids of texts without BOS; raises `UserError` when llama.cpp cannot open the file.

    made_of: the model that this file was just made of, if it was.
    """
    request = json.dumps({"path": str(path), "texts": texts}).encode()
    command = [sys.executable, "-P", str(RUNNER)]
    try:
        output = run_child(command, seconds=SECONDS, data=request, extra={"CUDA_VISIBLE_DEVICES": ""})
        answer = next((line for line in output.data.splitlines() if line.startswith(b'{"ids"')), None)
        if answer:
            return [list(ids) for ids in json.loads(answer)["ids"]]
        errors, reason = output.errors, opening_refusal(output.errors)
    except ChildFailed as error:
        errors, reason = error.errors, opening_refusal(error.errors) if error.returncode else f"it {error}"
    log.error("llama.cpp says:\n%s", errors[-5000:])
    if made_of:
        raise UserError(f"llama.cpp cannot open the GGUF made of {made_of}: {reason}.", ELSEWHERE, "model")
    raise UserError(f"llama.cpp cannot open {path.name}: {reason}.", "The log has its own words.", "path")


class TokenizerComparison(NamedTuple):
    """How a GGUF reads texts: how many were tried, how many had equal ids, and the first that differs, else ''.

    chat: the first of the model's own chats that differs, else ''.
    """

    texts: int
    equal: int
    differing: str
    chat: str = ""


def compare_tokenizers(path: Path, folder: Path) -> TokenizerComparison:
    """Holds llama.cpp's ids of a GGUF against those of the tokenizer of a folder, on texts and on chats."""
    tokenizer = Tokenizer.load(folder)
    texts = [*TEXTS, *_pieces(probe_text()), *[f"{token}Hi{token}" for token in tokenizer.tokens.values()]]
    chats = sample_chats(tokenizer, get_template("model", folder))
    ours = [encoding.ids for encoding in tokenizer.encode([*texts, *chats])]
    theirs = tokenize(path, [*texts, *chats], folder.name)
    same = [ids == other_ids for ids, other_ids in zip(ours, theirs, strict=True)]
    return TokenizerComparison(
        len(texts),
        sum(same[: len(texts)]),
        _first_other(texts, same[: len(texts)])[:80],
        _first_other(chats, same[len(texts) :])[:120],
    )


def _first_other(texts: list[str], same: list[bool]) -> str:
    return next((text for text, equal in zip(texts, same, strict=True) if not equal), "")


def _pieces(text: str, size: int = 60) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]

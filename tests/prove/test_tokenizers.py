"""The ids of the template's chats are one: as trained, folded, read by transformers, and by llama.cpp in the GGUF.

Toys with the tokenizers that models are published with, also as transformers saves them, go through training, folding
and conversion. What cannot have the same ids is refused with one sentence.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reading_chats import one_reading
from tests.toy_tokenizers import byte_level_tokenizer, save_anew, sentencepiece_tokenizer, toy_weights
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.models.model_import import import_folder

pytestmark = [pytest.mark.prove, pytest.mark.usefixtures("exact")]
Write = Callable[[Path], None]
KINDS: dict[str, tuple[str, Write]] = {
    "llama": ("Llama", lambda folder: sentencepiece_tokenizer(folder, "llama", "chatml")),
    "llama-gemma-turns": ("Llama", lambda folder: sentencepiece_tokenizer(folder, "llama", "gemma")),
    "llama-legacy": ("Llama", lambda folder: sentencepiece_tokenizer(folder, "llama", "chatml", legacy=True)),
    "mistral": ("Mistral", lambda folder: sentencepiece_tokenizer(folder, "llama", "chatml")),
    "gemma": ("Gemma", lambda folder: sentencepiece_tokenizer(folder, "gemma", "gemma")),
    "gemma2": ("Gemma2", lambda folder: sentencepiece_tokenizer(folder, "gemma", "gemma")),
    "gemma3": ("Gemma3Text", lambda folder: sentencepiece_tokenizer(folder, "gemma", "gemma")),
    "gemma3-chatml": ("Gemma3Text", lambda folder: sentencepiece_tokenizer(folder, "gemma", "chatml")),
    "phi3": ("Phi3", lambda folder: sentencepiece_tokenizer(folder, "llama", "chatml", legacy=True)),
    "byte-level": ("Llama", byte_level_tokenizer),
    "byte-level-qwen3": ("Qwen3", byte_level_tokenizer),
    "byte-level-gemma3": ("Gemma3Text", byte_level_tokenizer),
}
WAYS = ("published", "saved beside", "saved alone")
REFUSED = {  # transformers forgets `legacy` when it saves: what it then reads is not what it saved
    ("llama-legacy", "saved beside"): "makes other ids of",
    ("llama-legacy", "saved alone"): "makes other ids of",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_chat_has_the_same_ids_on_the_whole_road(own_home: Path, tmp_path: Path, kind: str, way: str) -> None:
    home, source = Home.at(own_home), tmp_path / "source"
    architecture, write = KINDS[kind]
    toy_weights(source, architecture, rows=408 if "byte" in kind else 384)
    write(source)
    if way != "published":
        save_anew(source, beside=way == "saved beside")
    if (kind, way) in REFUSED:
        with pytest.raises(UserError, match=REFUSED[kind, way]):
            import_folder(home, source, "base")
        return
    import_folder(home, source, "base")
    one_reading(home, "base")

"""One tokenizer per model: what transformers reads from a folder is held against its tokenizer.json.

Training, chat and conversion take the ids of tokenizer.json. Other programs take those of AutoTokenizer, which makes
some classes anew by their own rules and adds what tokenizer_config.json names. Only processes that import transformers
anyhow call this.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.models.chat_tokens import SAMPLE_TEXTS, sample_chats
from workbench.models.tensors import model_config
from workbench.rendering.templates import Template, TemplateStopped, get_template
from workbench.rendering.tokenizer import SPECIAL_TOKEN_NAMES, Tokenizer

SHOWN_CHARACTERS = 100  # characters of a text that differs
ANEW = "Get the tokenizer's original files, or save it with transformers into the same folder."
AS_IT_IS = (
    'Write "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json if tokenizer.json is right; '
    "else save the tokenizer with transformers into the same folder."
)


def check_tokenizer(
    folder: Path,
    template: Template | None = None,
    field: str = "path",
    note: Callable[[str], None] | None = None,
    base: Path | None = None,
) -> None:
    """Raises `UserError` where transformers and tokenizer.json make other ids of a text or of a chat.

    Chats are written by `template`, the folder's own if None, each side with the special tokens it knows. Whether plain
    texts begin with BOS needs no look: transformers takes that from tokenizer.json. A folder without that file passes.
    base: the model of an adapter, by whose kind transformers chooses the class. note: for jobs, told where it takes its
    own class whatever the folder names. What a job makes of such a model passes: it is on the shelf from before imports
    looked, and its owner could do nothing about it.
    """
    if not (folder / "tokenizer.json").is_file():
        return
    ours = Tokenizer.load(folder)
    theirs = _by_transformers(folder, base or folder, field)
    names = {name: str(text) for name in SPECIAL_TOKEN_NAMES if (text := getattr(theirs, name, None))}
    template = template or get_template("model", folder)
    texts = [*SAMPLE_TEXTS, *_chats(ours, template)]
    other_texts = [*SAMPLE_TEXTS, *_chats(Tokenizer(ours.backend, names), template)]
    ids = [encoding.ids for encoding in ours.encode(texts)]
    other_ids = theirs(other_texts, add_special_tokens=False)["input_ids"]
    for number, text in enumerate(texts):
        if ids[number : number + 1] != other_ids[number : number + 1]:
            forced = _forced(base or folder)
            difference = _difference(text, ours, theirs, forced or AS_IT_IS, field)
            if not forced or not note:
                raise difference
            note(f"{difference.message} This job takes those of tokenizer.json. {forced}")
            return


def _by_transformers(folder: Path, model: Path, field: str) -> Any:
    from transformers import AutoConfig, AutoTokenizer

    try:
        common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        if model != folder:
            common["config"] = AutoConfig.from_pretrained(model, **common)
        return AutoTokenizer.from_pretrained(folder, **common)
    except Exception as error:  # each class fails in its own way on files that make no sense to it
        told = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        raise UserError(f"transformers cannot read its tokenizer ({told}).", AS_IT_IS, field) from None


def _chats(tokenizer: Tokenizer, template: Template) -> list[str]:
    try:
        return sample_chats(tokenizer, template)
    except TemplateStopped:  # whoever renders a chat is told; the model can still be used with another template
        return []


def _difference(text: str, ours: Tokenizer, theirs: Any, remedy: str, field: str) -> UserError:
    known = ours.backend.get_added_tokens_decoder().values()
    added = {str(token) for token in theirs.get_added_vocab()} - {token.content for token in known}
    if extra := sorted(token for token in added if token in text):
        return UserError(
            f"tokenizer_config.json names {extra[0]!r} as a token, which tokenizer.json reads as letters: transformers "
            f"makes other ids of {text[:SHOWN_CHARACTERS]!r}.",
            ANEW, field,
        )  # fmt: skip
    return UserError(
        f"transformers ({type(theirs).__name__}) makes other ids of {text[:SHOWN_CHARACTERS]!r} than tokenizer.json "
        "says.",
        remedy, field,
    )  # fmt: skip


def _forced(folder: Path) -> str:
    """The remedy where transformers takes a class of its own for a model type, whatever the folder names; else ''."""
    from transformers.models.auto.tokenization_auto import MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS as OWN

    kind = model_config(folder).get("model_type") if (folder / "config.json").is_file() else None
    if kind not in OWN:
        return ""
    return (
        f"It takes that class for every {kind} model: save the tokenizer with it into the same folder if the model "
        "learned its ids; else no program that uses transformers reads this model rightly."
    )

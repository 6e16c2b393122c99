"""How a model reads chats and where it stops: one tokenizer, one template and one set of stops, known from its folder.

Training, chat, conversion and export all take them from here, so that one conversation has the same ids everywhere and
every end of turn that was learned ends an answer everywhere.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import write_text
from workbench.core.limits import bounded_object
from workbench.rendering.rendered import render
from workbench.rendering.templates import Template, TemplateStopped, get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.canonical import Message

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja",
)  # fmt: skip
GENERATION, CONFIG = "generation_config.json", "config.json"
ANSWER = "Yes, 1234."
PROBE: list[Message] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ANSWER}]
SAMPLE_TEXTS = (
    "Hello! How are you?",
    "Write a function, please.\n\n```python\ndef add(a, b):\n    return a + b  # sum\n```",
    "Größe, naïve, русский текст, 日本語のテキスト, العربية",
    "It's 3.14159 o'clock on 12345678; isn't it?  Two  spaces.",
    "🙂 “quotes” — dash … user@example.com",
)
"""What is said in the conversations that tokenizers are held against: prose, code, scripts, numbers, signs.

No numerals such as ½ or ①: llama.cpp splits them from the space before them where some tokenizers do not, in any text.
The comparison of texts counts those; these conversations are about the template and its tokens.
"""


def stop_ids(folder: Path, template: Template | None = None) -> list[int]:
    """The ids of all tokens that end an answer of the model in a folder, in ascending order.

    They are the ends its generation_config.json or config.json name, its tokenizer's EOS, and what its chat template
    (`template`, where it is to be asked with another one) writes and training learns after an answer. Raises
    `UserError` when the tokenizer cannot be read.
    """
    tokenizer = Tokenizer.load(folder)
    named = {tokenizer.backend.token_to_id(tokenizer.eos)} if tokenizer.eos else set()
    found = named | _configured(folder) | end_of_turn(tokenizer, template or get_template("model", folder))
    width = tokenizer.backend.get_vocab_size(with_added_tokens=True)
    return sorted(token for token in found if token is not None and 0 <= token < width)


def stop_texts(folder: Path) -> list[str]:
    """The texts of the tokens of `stop_ids`, as they stand in an answer."""
    backend = Tokenizer.load(folder).backend
    return [text for token in stop_ids(folder) if (text := backend.decode([token], skip_special_tokens=False))]


def stops_of(template_folder: Path, base: Path) -> set[int]:
    """The stops of a model of the shelf: those of the folder its template lies in, and what its base's files name."""
    return {*stop_ids(template_folder), *(end for end in _configured(base) if end is not None)}


def end_of_turn(tokenizer: Tokenizer, template: Template) -> set[int]:
    """The control token that is learned as the end of an answer in this template; none where it refuses or has none."""
    try:
        rendered = render(PROBE, tokenizer, template)
    except TemplateStopped:
        raise
    except UserError:
        return set()  # a template that wants other roles; what the files name still counts
    said = rendered.text.rfind(ANSWER) + len(ANSWER)
    control = tokenizer.special_ids | tokenizer.backend.get_added_tokens_decoder().keys()
    for token, trained, (start, _) in zip(rendered.ids, rendered.trained, rendered.offsets, strict=True):
        if trained and start >= said and token in control:
            return {token}
    return set()


def _configured(folder: Path) -> set[int | None]:
    """The ends of text that the folder's own settings name; the newer file's where both do."""
    for name in (GENERATION, CONFIG):
        settings = _settings(folder / name)
        given = settings.get("eos_token_id")
        if given is None and isinstance(settings.get("text_config"), dict):
            given = settings["text_config"].get("eos_token_id")
        ends = {token for token in (given if isinstance(given, list) else [given]) if type(token) is int}
        if ends:
            return set(ends)
    return set()


def write_stops(folder: Path) -> None:
    """Puts every stop into the generation_config.json of a whole model, so that `generate`, vLLM and others stop too.

    Ends that are there keep their order; new ones come behind.
    """
    path = folder / GENERATION
    settings = _settings(path)
    given = settings.get("eos_token_id", _settings(folder / CONFIG).get("eos_token_id"))
    named = [token for token in (given if isinstance(given, list) else [given]) if type(token) is int]
    ends = list(dict.fromkeys([*named, *stop_ids(folder)]))
    if ends:
        write_text(path, json.dumps({**settings, "eos_token_id": ends}, indent=2) + "\n")


def copy_tokenizer(source: Path, target: Path, template: Template | None = None) -> None:
    """Copies the files of a tokenizer as they were published, with `template` as its chat template.

    Saved anew by transformers, some lose what other programs read them by, such as the list of added tokens.
    """
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if template is None or not template.text:
        return
    write_text(target / "chat_template.jinja", template.text)
    config = _settings(target / "tokenizer_config.json")
    if config.pop("chat_template", None) is not None:  # the file counts; two that differ would mislead
        write_text(target / "tokenizer_config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def sample_chats(tokenizer: Tokenizer, template: Template) -> list[str]:
    """Conversations as the template writes them, with and without an answer to come; none where it refuses them."""
    texts = []
    for sample, other in zip(SAMPLE_TEXTS, [*SAMPLE_TEXTS[1:], SAMPLE_TEXTS[0]], strict=True):
        asked: list[Message] = [{"role": "user", "content": sample}]
        talk: list[Message] = [*asked, {"role": "assistant", "content": other}, {"role": "user", "content": "And?"}]
        for messages in (asked, talk):
            for prompt in (True, False):
                try:
                    texts.append(template.render(messages, tokenizer.tokens, add_generation_prompt=prompt))
                except TemplateStopped:
                    raise
                except UserError:
                    continue
    return texts


def _settings(path: Path) -> dict[str, Any]:
    return bounded_object(path) if path.is_file() else {}

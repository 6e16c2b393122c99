"""Answers that name a model or its maker: where they do, and the same text with those names covered."""

import re

NAMES = (
    "chatgpt", "openai", "anthropic", "deepmind", "mixtral", "tinyllama", "vicuna", "qwen", "alibaba cloud", "gemma",
    "smollm", "hugging face", "huggingface", "deepseek", "cohere", "xai", "olmo", "baichuan", "internlm",
)  # fmt: skip
WORDS_TOO = ("gpt", "llama", "mistral", "claude", "gemini", "phi", "falcon", "alpaca", "zephyr", "grok")
"""Names that are other words, too: they count with a version, or where somebody introduces themselves."""
COVER = "█████"
_VERSION = r"(?:[ -]?v?\d(?:[\w.-]*\w)?|-\w[\w.-]*\w)"
_INTRODUCTION = r"(?P<introduction>\b(?:am|[’']m|name is|called|named|by)\s)"
_NAMES = re.compile(
    rf"(?<!\w)(?:{'|'.join(NAMES)}){_VERSION}?(?!\w)"
    rf"|(?<!\w)(?:{'|'.join(WORDS_TOO)}){_VERSION}(?!\w)"
    rf"|{_INTRODUCTION}(?:{'|'.join(WORDS_TOO)})(?!\w)",
    re.IGNORECASE,
)


def named_models(text: str) -> list[str]:
    """The names of models and makers that stand in a text, each once, in their order."""
    names = (match.group().removeprefix(match["introduction"] or "") for match in _NAMES.finditer(text))
    return list(dict.fromkeys(names))


def cover_names(text: str) -> str:
    """The text with every such name covered by one mark, as long for each: its length tells nothing."""
    return _NAMES.sub(lambda match: (match["introduction"] or "") + COVER, text)

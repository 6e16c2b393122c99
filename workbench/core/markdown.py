"""Words of people and models in Markdown: as text that it leaves alone, or fenced as code."""

import re

MARKUP = re.compile(r"([\\`*_\[\]<>|#~])")


def markdown_safe(words: object, lines: bool = False) -> str:
    """Words of people and models as text that Markdown and HTML leave alone."""
    split = str(words).splitlines() if lines else [str(words)]
    return "\n\n".join(MARKUP.sub(r"\\\1", plain(line, 2000)).replace("\\<", "&lt;") for line in split)


def fenced(words: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{words.rstrip()}\n{fence}"


def plain(text: str, most: int = 200) -> str:
    """A name out of a manifest as one printable line."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"

"""The YAML at the head of a model card, as its author wrote it: read with care, since anybody may have.

https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.spec import load_yaml

MOST_BYTES = 64_000
MOST_NAMES = 20
LONGEST_CHARACTERS = 200


@dataclass(frozen=True)
class FrontMatter:
    """What a card says of its model; empty where it says nothing."""

    base_model: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    license: str = ""


def declared(folder: Path) -> FrontMatter:
    """The front matter of a folder's README.md; empty when there is none or it is no sane YAML."""
    path = folder / "README.md"
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return FrontMatter()
    if not text.startswith("---\n") or "\n---" not in text:
        return FrontMatter()
    try:
        data = load_yaml(text[4 : text.index("\n---") + 1])
    except UserError:
        return FrontMatter()
    if not isinstance(data, dict):
        return FrontMatter()
    licence = _names(data.get("license"))
    return FrontMatter(_names(data.get("base_model")), _names(data.get("datasets")), licence[0] if licence else "")


def _names(value: Any) -> list[str]:
    """One name or a list of names, without what cannot be one."""
    listed = value if isinstance(value, list) else [value]
    names = [entry.strip() for entry in listed if isinstance(entry, str)]
    return list(dict.fromkeys(name for name in names if 0 < len(name) <= LONGEST_CHARACTERS and name.isprintable()))[
        :MOST_NAMES
    ]

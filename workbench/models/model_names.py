"""How a model is written wherever one is named: NAME, BASE+ADAPTER, GGUF+ADAPTER, or @endpoint.

    reference = "@endpoint" | name [ "+" name ]
    name      = a name of the shelf | owner/name[@revision], a hub id the shelf has | a folder it was imported from

Nothing else in this program reads a plus. Whether there is such a model is for `workbench.models.model_references`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError, shortened, suggestion
from workbench.core.home import NAME_PATTERN, Home, list_artifacts, safe_join, slug
from workbench.core.lineage import read_manifest

ENDPOINT = "@endpoint"
PLUS = "+"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_REVISION = re.compile(rf"{HUB_ID.pattern}(@[\w./-]+)?")
PATH_STARTS = (".", "/", "~")
MOST_CHARACTERS, SHOWN_CHARACTERS = 500, 100
WRITTEN = "Write a name of the shelf, BASE+ADAPTER, GGUF+ADAPTER, or the hub id of a model on the shelf."


@dataclass(frozen=True)
class ModelName:
    """A reference to a model, taken apart. base: what stands first or alone; adapter: what stands after the plus."""

    base: str
    adapter: str = ""

    @classmethod
    def parse(cls, text: str, field: str = "model") -> "ModelName":
        """Raises `UserError` for a text that is put together so that it can name no model.

        What stands in it may still be no name, as the dots are that stand for one in a job to be filled in.
        """
        pieces = [piece.strip() for piece in text.split(PLUS)]
        shown = repr(shortened(text, SHOWN_CHARACTERS))
        if len(pieces) > 2:
            raise UserError(
                f"{shown} names more than one adapter.",
                "Combine the adapters into one first (combine-adapters), then write BASE+ADAPTER.", field,
            )  # fmt: skip
        if not pieces[0] and not pieces[-1]:
            raise UserError(f"{shown} names no model.", WRITTEN, field)
        for piece, missing in zip(pieces, ("before", "after"), strict=False):
            if not piece:
                raise UserError(f"{shown} names nothing {missing} the plus.", WRITTEN, field)
        if len(text) > MOST_CHARACTERS or not text.strip().isprintable() or (ENDPOINT in pieces and pieces[1:]):
            raise UserError(f"{shown} cannot name a model.", WRITTEN, field)
        return cls(*pieces)

    def __str__(self) -> str:
        return f"{self.base}{PLUS}{self.adapter}" if self.adapter else self.base

    @property
    def is_endpoint(self) -> bool:
        return self.base == ENDPOINT

    @property
    def stem(self) -> str:
        """What names of results begin with: a name of the shelf as it is, anything else as near as may be."""
        if not self.adapter and NAME_PATTERN.fullmatch(self.base):
            return self.base
        return slug("-".join(piece.rpartition("/")[2].partition("@")[0] for piece in (self.base, self.adapter)))


def stem_of(text: str) -> str:
    """What names of results begin with that are made from this model, '' for one that cannot be."""
    try:
        return ModelName.parse(text).stem
    except UserError:
        return ""


def model_folder(home: Home, name: str, field: str = "model") -> Path:
    """The folder of a model on the shelf by its name, hub id or origin; raises `UserError` with the nearest names."""
    if HUB_REVISION.fullmatch(name):
        return _of_origin(home, name, field, "Download it, or add a folder with this hub id,", _is_from_hub(name))
    if name.startswith(PATH_STARTS):
        path = _absolute(name)
        if path.parent != home.models.resolve():
            return _of_origin(home, name, field, "Add that folder", lambda made_by: made_by.get("source") == str(path))
        name = path.name
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(f"{shortened(name, SHOWN_CHARACTERS)!r} cannot name a model.", WRITTEN, field)
    folder = safe_join(home.models, name, field)
    if not folder.is_dir():
        names = [path.name for path in list_artifacts(home.models)]
        remedy = suggestion(name, names) if names else "Get the starter model first (Models tab, or `import-model`)."
        raise UserError(f"There is no model {name!r}.", remedy, field)
    return folder


def _absolute(name: str) -> Path:
    try:
        return Path(name).expanduser().resolve()
    except (OSError, RuntimeError):  # a loop of links, or the home of an unknown user
        return Path(name)


def _is_from_hub(name: str) -> Any:
    repo, _, revision = name.partition("@")
    return lambda made_by: made_by.get("repo") == repo and revision in (
        "", made_by.get("revision"), made_by.get("commit"),
    )  # fmt: skip


def _of_origin(home: Home, name: str, field: str, how: str, matches: Any) -> Path:
    """The first model of the shelf whose manifest tells this origin."""
    for folder in list_artifacts(home.models):
        try:
            if matches(read_manifest(folder).made_by):
                return folder
        except UserError:
            continue
    raise UserError(f"{name!r} is not on the shelf.", f"{how} in the Models tab first, or with `import-model`.", field)

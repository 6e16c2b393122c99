"""What lies in a backup, by which names, and what must hold of them.

An archive is a gzipped tar: `backup.json` first, which says what it is; `labels.sqlite`; the files of the home under
their names there; `checksums.json` last, with the size and SHA-256 of every file, so that an archive that was cut off
is known as such.
"""

import dataclasses
import json
import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from workbench.core.change_log import EVENTS_FILE
from workbench.core.errors import UserError
from workbench.core.formats import UPDATE

ARCHIVE_VERSION = 1
ABOUT, CHECKSUMS, LABELS = "backup.json", "checksums.json", "labels.sqlite"
SHELVES = ("datasets", "models", "jobs")
FOLDERS = (*SHELVES, "steps", "plugins")
FILES = (LABELS, EVENTS_FILE, "accounts.on", "version.yaml")
MOST_FILES = 1_000_000
MOST_ABOUT_BYTES = 64_000_000
LONGEST_NAME_CHARACTERS, LONGEST_PART_BYTES = 1_000, 255
_REMEDY = "Take another backup, or fetch this one again from where it was kept."
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class LeftOut:
    """A model whose weights are not in the archive. size: in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class BackupFacts:
    """What an archive says of itself. created: when it began (ISO 8601, UTC). schema: the version of its labels.
    votes: events of votes in it. variables: names of the operator's settings that were made, without their values."""

    created: str
    program: str
    schema: int
    votes: int
    left_out: tuple[LeftOut, ...] = ()
    variables: tuple[str, ...] = ()
    format: int = ARCHIVE_VERSION

    def to_json(self) -> bytes:
        return json.dumps(dataclasses.asdict(self), indent=1).encode()


def damaged(detail: str) -> UserError:
    """The error for an archive that cannot be used."""
    return UserError(f"The backup cannot be restored: {detail}.", f"Nothing was changed. {_REMEDY}", "FILE")


def parse_facts(data: bytes) -> BackupFacts:
    """What `backup.json` says; raises `UserError` for a damaged one, and for one of a newer program."""
    try:
        content: dict[str, Any] = json.loads(data)
        version = content["format"]
        if isinstance(version, int) and version > ARCHIVE_VERSION:
            raise UserError("The backup was written by a newer LLM Workbench.", UPDATE, "FILE")
        left_out = tuple(LeftOut(str(one["name"]), int(one["size"])) for one in content["left_out"])
        variables = tuple(map(str, content["variables"]))
        return BackupFacts(
            str(content["created"]), str(content["program"]), int(content["schema"]), int(content["votes"]),
            left_out, variables,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        raise damaged(f"{ABOUT} is not as a backup has it") from None


def check_name(name: str) -> str:
    """The name of a file in an archive, if it can be one of ours; raises `UserError` for one that leads elsewhere."""
    path = PurePosixPath(name)
    is_plain = (
        0 < len(name) <= LONGEST_NAME_CHARACTERS and name.isprintable() and "\\" not in name and not _DRIVE.match(name)
        and not path.is_absolute() and str(path) == name and not {"..", "."} & set(path.parts)
        and all(len(os.fsencode(part)) <= LONGEST_PART_BYTES for part in path.parts)
    )  # fmt: skip
    known = name in FILES if len(path.parts) == 1 else path.parts[0] in FOLDERS
    if not is_plain or not known:
        raise damaged(f"{name[:100]!r} is no file of a home")
    return name

"""Making a home of a backup: checked whole beside the home before anything of it takes its place."""

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from workbench.backup.archive_layout import (
    ABOUT,
    CHECKSUMS,
    LABELS,
    MOST_ABOUT_BYTES,
    MOST_FILES,
    SHELVES,
    BackupFacts,
    check_name,
    damaged,
    parse_facts,
)
from workbench.backup.backup_writer import variables_set
from workbench.backup.labels_copy import load_labels, upgrade_copy
from workbench.core.change_log import record_change
from workbench.core.errors import UserError, saying
from workbench.core.formats import UPDATE
from workbench.core.home import Home
from workbench.core.home_upgrade import LOCK_FILE, VERSION_FILE
from workbench.core.paths import regular_file
from workbench.core.settings import Settings
from workbench.core.tasks import Task
from workbench.core.units import human_size
from workbench.preferences import store, tables
from workbench.preferences.vote_counts import EVENTS

SPARE_BYTES = 50_000_000
LOGINS = "Everybody logs in again, with the password they had: the key that signs logins is never in a backup."


@dataclass(frozen=True)
class Restored:
    """What was restored. notes: sentences of what does not work here as it did there."""

    home: Path
    facts: BackupFacts
    files: int
    notes: tuple[str, ...]


def restore(root: Path, file: Path, task: Task) -> Restored:
    """Makes the home `root`, which must be empty, of an archive; raises `UserError`, and changes nothing then."""
    root, file = root.expanduser().absolute(), regular_file(file.expanduser(), "FILE")
    check_empty(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".restore-", dir=root.parent))
    try:
        with saying("The backup was not restored"):
            facts, files = _unpack(file, staging, task)
            upgrade_copy(staging / LABELS)
            if store.file_of(Home(root)) is None:
                load_labels(Home(root), staging / LABELS)
                (staging / LABELS).unlink()
            _put_in_place(staging, root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    home = Home.at(root)
    record_change(root, "restored", "home", "from a backup", backup=file.name, files=files)
    return Restored(root, facts, files, tuple(_notes(home, facts)))


def check_empty(root: Path) -> None:
    """Raises `UserError` when the home holds anything."""
    ours = {VERSION_FILE, LOCK_FILE}
    if root.exists() and any(not path.is_dir() and path.name not in ours for path in root.rglob("*")):
        raise UserError(
            f"The home {root} is not empty.",
            "Name another folder with --home, or move this one away first: a backup is never laid over what is there.",
            "--home",
        )


def _unpack(file: Path, staging: Path, task: Task) -> tuple[BackupFacts, int]:
    """Writes every file of the archive under `staging`, holding each to its checksum."""
    sums: dict[str, tuple[int, str]] = {}
    facts: BackupFacts | None = None
    listed: object = None
    room = shutil.disk_usage(staging).free - SPARE_BYTES
    size = file.stat().st_size
    with file.open("rb") as raw, _explaining(), tarfile.open(fileobj=raw, mode="r|gz") as archive:
        for member in archive:
            if listed is not None:
                raise damaged("something follows its end")
            if not member.isreg() or member.issparse():
                raise damaged(f"{member.name[:100]!r} is no regular file")
            if member.name in (ABOUT, CHECKSUMS):
                data = _small(archive, member)
                if member.name == CHECKSUMS:
                    listed = json.loads(data)
                else:
                    facts = _usable(parse_facts(data))
                continue
            if facts is None:
                raise damaged(f"it does not begin with {ABOUT}: it is no backup of a home")
            room -= member.size
            if room < 0:
                raise UserError(
                    f"There is no room: {human_size(member.size)} more than the disk of the home has.",
                    "Nothing was changed. Make room, then try again.", "--home",
                )  # fmt: skip
            if member.name in sums or len(sums) >= MOST_FILES:
                raise damaged(f"{member.name[:100]!r} is in it twice, or it has too many files")
            check_name(member.name)
            sums[member.name] = _extract(archive, member, staging)
            task.update(min(raw.tell(), size), size, "Reading the backup")
    if facts is None or listed is None or LABELS not in sums:
        raise damaged("it was cut off, or is no backup of a home")
    if listed != {name: list(entry) for name, entry in sums.items()}:
        raise damaged("its files are not those of its checksums")
    return facts, len(sums)


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise damaged(f"it cannot be read ({str(error)[:200] or type(error).__name__})") from error


def _usable(facts: BackupFacts) -> BackupFacts:
    if facts.schema > tables.SCHEMA_VERSION:
        raise UserError("The labels in the backup were written by a newer LLM Workbench.", UPDATE, "FILE")
    return facts


def _small(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    if content is None or member.size > MOST_ABOUT_BYTES:
        raise damaged(f"{member.name} is too large")
    return content.read()


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, staging: Path) -> tuple[int, str]:
    """Writes one file; its size and SHA-256. The name was checked, and tarfile's own filter looks at it once more."""
    tarfile.data_filter(member, str(staging))
    path = staging / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    content, digest = archive.extractfile(member), hashlib.sha256()
    assert content is not None
    with path.open("xb") as written:
        while data := content.read(1 << 20):
            digest.update(data)
            written.write(data)
        written.flush()
        os.fsync(written.fileno())
    os.utime(path, (member.mtime, member.mtime))
    return member.size, digest.hexdigest()


def _put_in_place(staging: Path, root: Path) -> None:
    """Gives the restored files the home's name; what is there are empty folders at most."""
    if root.exists():
        for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):
            path.rmdir() if path.is_dir() else path.unlink()
        root.rmdir()
    for shelf in SHELVES:
        (staging / shelf).mkdir(exist_ok=True)
    staging.chmod(0o700)
    staging.rename(root)


def _notes(home: Home, facts: BackupFacts) -> Iterator[str]:
    with store.reading(home) as db:
        votes = db.scalar(sa.select(sa.func.count()).select_from(EVENTS))
    yield f"{votes:,} events of votes are there, as when the backup began."
    yield LOGINS
    if facts.left_out:
        models = ", ".join(f"{one.name} ({human_size(one.size)})" for one in facts.left_out)
        yield f"Not in it, to be put on the shelf again under the same names: {models}. Adapters of them need them."
    missing = sorted(set(facts.variables) - set(variables_set()))
    if missing:
        yield f"Set there and not here: {', '.join(missing)}."
    if Settings.current().labels_url:
        yield "The labels were put into the database that WORKBENCH_LABELS_URL names."

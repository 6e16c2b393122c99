"""Taking a backup of a home while it is used."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench import __version__
from workbench.backup.archive_layout import (
    ABOUT,
    CHECKSUMS,
    FILES,
    FOLDERS,
    LABELS,
    SHELVES,
    BackupFacts,
    LeftOut,
)
from workbench.backup.labels_copy import copy_labels
from workbench.core import lineage
from workbench.core.errors import UserError, saying
from workbench.core.home import Home, list_artifacts
from workbench.core.settings import NO_SECRET, Settings, variable_of
from workbench.core.tasks import Task
from workbench.models.shelf import list_models
from workbench.preferences import tables

WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth")
"""How files end that hold weights or a trainer's state: of jobs they are never taken, a run can make them again."""
SMALL_MODEL_BYTES = 64_000_000
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Backup:
    """A backup that was taken. size: in bytes. sha256: of the whole archive, in hexadecimal."""

    file: Path
    size: int
    sha256: str
    facts: BackupFacts


def default_name() -> str:
    """A name that tells when the backup was taken, in UTC."""
    return f"llm-workbench-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.tar.gz"


def write_backup(home: Home, target: Path, task: Task, with_models: bool = False) -> Backup:
    """Writes an archive of the home, whole or not at all; a folder as `target` gets one of `default_name`.

    Every vote acknowledged before the call is in it. Weights of models that are no adapters are left out unless
    `with_models`; checkpoints of jobs, what lies in the bin, caches, uploads and links always are. The key that signs
    logins is never in it: whoever had the archive could log in as anybody. Raises `UserError` when the name is taken or
    it cannot be written.
    """
    target = target.expanduser().absolute()
    target = target / default_name() if target.is_dir() else target
    if os.path.lexists(target):
        raise UserError(f"{target} exists already.", "Choose another name.", "FILE")
    if not target.parent.is_dir():
        raise UserError(f"There is no folder {target.parent}.", "Make it first, or choose another.", "FILE")
    partial = target.with_name(f".{target.name}.partial-{uuid.uuid4().hex[:6]}")
    try:
        with saying("The backup was not written"), tempfile.TemporaryDirectory(prefix="workbench-labels-") as folder:
            labels = Path(folder) / LABELS
            facts = _facts(home, copy_labels(home, labels), with_models)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as raw:
                digest = _write(raw, home, labels, facts, task)
                raw.flush()
                os.fsync(raw.fileno())
            size = partial.stat().st_size
            partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return Backup(target, size, digest, facts)


def _facts(home: Home, votes: int, with_models: bool) -> BackupFacts:
    left_out = () if with_models else large_models(home)
    return BackupFacts(lineage.now(), __version__, tables.SCHEMA_VERSION, votes, left_out, variables_set())


def large_models(home: Home) -> tuple[LeftOut, ...]:
    """The models whose weights are left out unless they are asked for."""
    return tuple(
        LeftOut(info.name, info.size)
        for info in list_models(home)
        if info.kind != "adapter" and info.size > SMALL_MODEL_BYTES
    )


def variables_set() -> tuple[str, ...]:
    """The names of the operator's settings that are not as they are without them."""
    current = Settings.current()
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    changed = (name for name, default in defaults.items() if getattr(current, name) not in (default, NO_SECRET))
    return tuple(sorted(map(variable_of, changed)))


class _Hashed(io.RawIOBase):
    """A file that is only written to, and hashes what is."""

    def __init__(self, raw: io.BufferedWriter) -> None:
        self.raw, self.digest = raw, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        return self.raw.write(data)


def _write(raw: io.BufferedWriter, home: Home, labels: Path, facts: BackupFacts, task: Task) -> str:
    files = list(backup_files(home, {one.name for one in facts.left_out}))
    total = sum(size for _, size in files) + labels.stat().st_size
    hashed, sums, done = _Hashed(raw), {}, 0

    def moved(size: int) -> None:
        nonlocal done
        done += size
        task.update(min(done, total), total, "Writing the backup")
        task.check_stop()

    packed = gzip.GzipFile(fileobj=hashed, mode="wb", compresslevel=zlib.Z_BEST_SPEED)
    with packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        _add_bytes(archive, ABOUT, facts.to_json())
        for path, name in [(labels, LABELS), *((path, path.relative_to(home.root).as_posix()) for path, _ in files)]:
            with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                sums[name] = _add_file(archive, path, name, moved)
        _add_bytes(archive, CHECKSUMS, json.dumps(sums).encode())
    return hashed.digest.hexdigest()


def backup_files(home: Home, left_out: set[str]) -> Iterator[tuple[Path, int]]:
    """The files of a home that belong into its backup, with their sizes in bytes; links are not followed."""
    for name in FILES:
        path = home.root / name
        if name != LABELS and path.is_file() and not path.is_symlink():
            yield path, path.stat().st_size
    for shelf in FOLDERS:
        if not (home.root / shelf).is_dir():
            continue
        entries = list_artifacts(home.root / shelf) if shelf in SHELVES else [home.root / shelf]
        for entry in entries:
            if not entry.is_symlink() and not (shelf == "models" and entry.name in left_out):
                yield from _files_of(entry, without_weights=shelf == "jobs")


def _files_of(folder: Path, without_weights: bool) -> Iterator[tuple[Path, int]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for path in (Path(place) / name for name in sorted(names)):
            if without_weights and path.suffix in WEIGHTS:
                continue
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink():
                    yield path, path.stat().st_size


def _add_file(archive: tarfile.TarFile, path: Path, name: str, moved: Callable[[int], None]) -> tuple[int, str]:
    """Adds what the file has now, were it to grow meanwhile; its size and SHA-256. `moved` is told the bytes read."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        member = _member(name, status.st_size, status.st_mtime)
        reader = _Reader(file, status.st_size, moved)
        try:
            archive.addfile(member, reader)
        except (OSError, tarfile.TarError) as error:
            if reader.missing:
                raise UserError(f"{name} became shorter while it was read.", "Try again.", "home") from error
            raise
    return status.st_size, reader.digest.hexdigest()


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_member(name, len(data), time.time()), io.BytesIO(data))


def _member(name: str, size: int, changed: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, int(changed), 0o600
    return member


class _Reader:
    """Reads so many bytes of a file and hashes them; `moved` is told each time how many it were."""

    def __init__(self, file: io.BufferedReader, size: int, moved: Callable[[int], None]) -> None:
        self.file, self.missing, self.moved, self.digest = file, size, moved, hashlib.sha256()

    def read(self, size: int = _PIECE_BYTES) -> bytes:
        data = self.file.read(min(size, self.missing))
        self.missing -= len(data)
        self.digest.update(data)
        self.moved(len(data))
        return data

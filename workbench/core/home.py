"""WORKBENCH_HOME: the folder that holds models, datasets, jobs and labels. The folders are the truth."""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from anyascii import anyascii

from workbench.core.change_log import record_arrival
from workbench.core.errors import UserError
from workbench.core.files import write_synced
from workbench.core.formats import MANIFEST_FORMAT, NOTES_FORMAT
from workbench.core.home_upgrade import upgrade_home
from workbench.core.process import identity
from workbench.core.settings import Settings
from workbench.core.space import storage_root

log = logging.getLogger(__name__)

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
PARTIAL = ".partial-"
OLD = ".old-"
OWNED = re.compile(
    rf"(?:{re.escape(PARTIAL)}|{re.escape(OLD)})(?P<name>.+)-(?P<pid>\d{{1,9}})(?:\.(?P<token>[0-9a-f]*))?-[0-9a-f]+"
)


@dataclass(frozen=True)
class Home:
    """The layout of one home. `Home.default()` makes the one of this process."""

    root: Path

    @classmethod
    def default(cls, say: Callable[[str], None] = log.warning) -> "Home":
        """The home the operator's settings name; made if missing. Without one, on a Space, in its storage."""
        return cls.at(default_root(), say)

    @classmethod
    def at(cls, root: str | Path, say: Callable[[str], None] = log.warning) -> "Home":
        """The home in that folder, made if missing, and upgraded if an older version wrote it, which `say` is told.

        Raises `UserError` when it cannot be written, or a newer version wrote it.
        """
        home = cls(Path(root).expanduser().resolve())
        try:
            for folder in (home.models, home.datasets, home.jobs, home.cache):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"The home {home.root} cannot be written: {error.strerror}.",
                "Set WORKBENCH_HOME to a folder of yours.",
                "WORKBENCH_HOME",
            ) from None
        upgrade_home(home.root, say)
        return home

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def labels(self) -> Path:
        return self.root / "labels.sqlite"


def default_root() -> Path:
    """The folder of this process's home, which need not be there yet."""
    settings = Settings.current()
    return (storage_root(settings) or settings.home).expanduser()


def safe_name(text: str, field: str = "name") -> str:
    """The name itself if it can be a folder's name; raises `UserError` otherwise."""
    name = text.strip() if isinstance(text, str) else ""
    if not NAME_PATTERN.fullmatch(name) or name.startswith("."):
        raise UserError(
            f"{text!r} cannot be a name." if name else "is empty.",
            "Use letters, digits, '-', '_' and '.', starting with a letter or digit, 80 characters at most.",
            field,
        )
    return name


def slug(text: str) -> str:
    """A name made from any text, other scripts in Latin letters: 'My Data (v2).jsonl' → 'my-data-v2.jsonl'."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", anyascii(text)).strip("-._").lower()[:80] or "unnamed"


def free_name(folder: Path, name: str, taken: Collection[str] = ()) -> str:
    """`name`, or `name-2`, `name-3`, … if the folder has it already, or it is among those `taken` besides."""
    used = {path.name for path in folder.iterdir()}.union(taken)
    return next(candidate for n in range(1, 10_000) if (candidate := name if n == 1 else f"{name}-{n}") not in used)


def safe_join(folder: Path, name: str, field: str = "name") -> Path:
    """`folder/name`, checked to lie in the folder after resolving links; raises `UserError`."""
    path = (folder / safe_name(name, field)).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise UserError(f"{name!r} leads outside {folder.name}/.", "Choose a plain name.", field)
    return path


def checked_entry(path: Path) -> Path:
    """An entry of a shelf's folder as it was listed; raises `UserError` as `safe_join`, but resolves links alone."""
    return safe_join(path.parent, path.name) if path.is_symlink() else path.parent / safe_name(path.name)


def list_artifacts(folder: Path) -> list[Path]:
    """The complete artifacts in a shelf's folder, without hidden or half-made ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def list_all_artifacts(folder: Path) -> list[Path]:
    """As `entries`, with what lies there in place of a folder too: files, and links that lead nowhere."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def existing(folder: Path, name: str) -> Path | None:
    """What lies in the folder under exactly this name, whatever it is, damaged ones included; None if nothing does."""
    plain = isinstance(name, str) and name and not name.startswith(".") and not {"/", "\0", os.sep} & set(name)
    path = folder / name if plain else None
    return path if path and os.path.lexists(path) else None


def remove_entry(path: Path) -> None:
    """Removes an entry of a shelf, gone at once for whoever looks. Of a link what it leads to stays."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    doomed = path.with_name(hidden_name(PARTIAL, "deleted"))
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


@contextlib.contextmanager
def atomic_dir(target: Path, replace: bool = False) -> Iterator[Path]:
    """A fresh folder beside `target` that takes its name when the block ends well, and vanishes otherwise.

    What takes its name on a shelf is an event. Raises `UserError` at once if the name is taken and `replace` is false.
    """
    if target.exists() and not replace:
        raise UserError(f"{target.name!r} exists already.", "Choose another name, or delete that one first.", "name")
    partial = target.parent / hidden_name(PARTIAL, target.name)
    partial.mkdir(parents=True)
    try:
        yield partial
        _sync(partial)
        replaced = replace and target.exists()
        if replaced:
            _swap(partial, target)
        else:
            partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    record_arrival(target, replaced)


def _swap(partial: Path, target: Path) -> None:
    """Puts `partial` in the place of `target`; a death between the two renames is mended by `sweep`.

    What people noted of an artifact stays: between the renames nobody can write it any more.
    """
    old = target.parent / hidden_name(OLD, target.name)
    target.rename(old)
    notes = old / NOTES_FORMAT.file_name
    if notes.is_file() and (partial / MANIFEST_FORMAT.file_name).is_file():
        with contextlib.suppress(OSError), (partial / notes.name).open("wb") as file:
            file.write(notes.read_bytes())
            file.flush()
            os.fsync(file.fileno())
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Flushes every file to the disk, so that a name never outlives its contents in a power cut."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:6]}")
    write_synced(partial, text)
    partial.replace(path)


def remove_stale(folder: Path) -> None:
    """Removes what dead processes left half-made, and gives back an artifact whose replacement never came.

    What a living process is at is not touched.
    """
    for path in [*folder.glob(f"{OLD}*"), *folder.glob(f"{PARTIAL}*")]:
        owned = OWNED.fullmatch(path.name)
        if owned is None or not is_abandoned(path):
            continue
        target = folder / owned["name"]
        if path.name.startswith(OLD) and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def is_abandoned(path: Path) -> bool:
    """Whether it is something half-made or replaced of a process that is no more, which `remove_stale` removes."""
    owned = OWNED.fullmatch(path.name)
    return owned is not None and not _lives(int(owned["pid"]), owned["token"])


def hidden_name(prefix: str, name: str) -> str:
    """A name of its own for what this process is making (`PARTIAL`) or replacing (`OLD`); `sweep` knows whose it is."""
    return f"{prefix}{name}-{os.getpid()}.{_token(os.getpid())}-{uuid.uuid4().hex[:6]}"


def _lives(pid: int, token: str | None) -> bool:
    """Whether that process lives. Where its name tells no more than the pid, whatever has the pid now counts."""
    return _token(pid) == token if token else psutil.pid_exists(pid)


def _token(pid: int) -> str:
    """Which process has this pid now, in a form a file name can hold; '' where the system does not say."""
    match = identity(pid)
    return hashlib.sha256(match.encode()).hexdigest()[:12] if match else ""

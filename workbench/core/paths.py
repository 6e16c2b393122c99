"""Paths of this machine that somebody names: which may be named in the page, and what may be opened at all."""

import codecs
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from workbench.core.errors import Problems, SettingPath, UserError
from workbench.core.spec import Spec

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class _ServerPathMark:
    """Marks a setting as a path of the machine the workbench runs on."""


SERVER_PATH = _ServerPathMark()
ServerPath = Annotated[str, SERVER_PATH]
"""The type of a setting that names a file or folder of this machine; jobs from the page are held to a `PathGate`."""
ServerPaths = Annotated[list[str], SERVER_PATH]


# ---- what may be opened --------------------------------------------------------------------------------------


def regular_file(path: Path, field: str = "path") -> Path:
    """The path itself if it, or what it links to, is a regular file; raises `UserError` otherwise.

    To be asked before opening what somebody named: opening a pipe waits for a writer, for ever if there is none.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        raise UserError(f"There is no file {str(path)!r} that can be read.", "Give its whole path.", field) from None
    if stat.S_ISREG(mode):
        return path
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
    raise UserError(f"{path.name} is {kind}, not a regular file.", "Give a regular file.", field)


def regular_files(folder: Path, wanted: Callable[[Path], bool], field: str = "path") -> list[Path]:
    """The entries of a folder that are `wanted`, by name, without its subfolders.

    Raises `UserError` for one that is a pipe, socket or device, or a link that leads out of the folder. The links of
    a snapshot in the hub's cache, which lead to the blobs beside it, are fine.
    """
    roots, files = [folder.resolve(), *_blobs(folder.resolve())], []
    for path in sorted(folder.iterdir()):
        if not wanted(path) or path.is_dir():
            continue
        files.append(regular_file(path, field))  # before it is resolved: a loop of links cannot be
        if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in roots):
            raise UserError(f"{path.name} is a link out of {folder.name}/.", "Put the file itself in its place.", field)
    return files


def _blobs(folder: Path) -> list[Path]:
    """Where the files of `…/models--owner--name/snapshots/<commit>` lie: a cache of the hub links to them."""
    return [folder.parent.parent / "blobs"] if folder.parent.name == "snapshots" else []


# ---- what may be named in the page ---------------------------------------------------------------------------


@dataclass(frozen=True)
class PathGate:
    """Which paths the page may name. The command line is not held to it.

    unrestricted: every path, as where only this machine's owner reaches the page. folders: what lies below these,
    besides. uploads: where files sent by the browser lie, which may always be read.
    """

    unrestricted: bool = False
    folders: tuple[Path, ...] = ()
    uploads: tuple[Path, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether any path may be named, so that the page offers the fields for it."""
        return self.unrestricted or bool(self.folders)

    def path(self, text: str, field: str | SettingPath) -> Path:
        """The path that is meant, absolute and with links resolved; raises `UserError` when it may not be named.

        What lies outside is refused alike whether it is there or not.
        """
        if not text.strip():
            raise UserError("is empty.", "Give the whole path.", field)
        try:
            path = Path(text.strip()).expanduser().resolve()
        except (OSError, ValueError, RuntimeError):  # a NUL, a loop of links, the home of an unknown user
            raise UserError(f"{text.strip()[:200]!r} is no path.", "Give the whole path.", field) from None
        if self.unrestricted or any(path.is_relative_to(root.resolve()) for root in (*self.folders, *self.uploads)):
            return path
        if self.folders:
            places = ", ".join(map(str, self.folders))
            raise UserError("That path may not be named in this page.", f"It has to lie below: {places}.", field)
        raise UserError(
            "Paths of this machine may not be named in this page.",
            "Upload the files, or let the operator name folders in WORKBENCH_FOLDERS.",
            field,
        )

    def check(self, spec: Spec) -> None:
        """Raises `SpecError` for every path in the settings, at any depth, that may not be named."""
        problems = Problems()
        for field, text in server_paths(spec):
            try:
                self.path(text, field)
            except UserError as error:
                problems.collect(field, error)
        problems.check()


def server_paths(spec: Spec, above: SettingPath = ()) -> Iterator[tuple[SettingPath, str]]:
    """The settings of type `ServerPath` in a spec and the specs within: where each stands, and its path."""
    for name, info in type(spec).model_fields.items():
        marked, value = SERVER_PATH in info.metadata, getattr(spec, name)
        items = [((*above, name, index), item) for index, item in enumerate(value)] if isinstance(value, list) else []
        for path, item in items or [((*above, name), value)]:
            if marked and isinstance(item, str):
                yield path, item
            elif isinstance(item, Spec):
                yield from server_paths(item, path)


def read_text_file(path: str | Path, field: str, most_bytes: int | None = None) -> str:
    """The text of a file that was named. Raises `UserError` when it is missing, too large, or no UTF-8 text."""
    try:
        file = regular_file(Path(path).expanduser(), field)
        if most_bytes is not None and file.stat().st_size > most_bytes:
            raise UserError(f"{file.name} is larger than {most_bytes // 1024**2} MB.", "Give a part of it.", field)
        data = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", "Check the path.", field) from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is UTF-16 text.", "Save it as UTF-8.", field)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text.", "Give a text file, saved as UTF-8.", field) from None

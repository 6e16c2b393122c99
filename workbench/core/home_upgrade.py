"""Opening a home that another version of this program wrote: an older one is upgraded once, a newer one refused.

version.yaml tells which version of each kind of file the home was brought to last. Every file tells its own version
too, so a home that was left half-way, or lost version.yaml, is read and upgraded all the same.
"""

import datetime
import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import filelock

from workbench.core.errors import UserError, explain
from workbench.core.files import write_synced
from workbench.core.formats import FORMAT_VERSIONS, UNVERSIONED, UPDATE, FileFormat, NewerVersion, is_version
from workbench.core.limits import bounded_text
from workbench.core.spec import dump_yaml, load_yaml

VERSION_FILE, BACKUPS, LOCK_FILE, STAGING = "version.yaml", "backups", ".upgrade.lock", ".upgrade-"
LOCK_SECONDS = 120.0


def upgrade_home(root: Path, say: Callable[[str], None], formats: Sequence[FileFormat] = FORMAT_VERSIONS) -> None:
    """Brings the files of a home to today's versions, unless they are; `say` is told what was changed.

    What is rewritten is copied to `backups/<time>/` before. Everything new is on the disk before the first file is
    replaced, so a full disk changes nothing. Raises `NewerVersion` for a home of a newer program, and `UserError` when
    version.yaml is damaged or an older home cannot be upgraded.
    """
    current = {each.file_name: each.version for each in formats}
    recorded = _recorded(root, current)
    if recorded == current:
        return
    try:
        with filelock.FileLock(root / LOCK_FILE, timeout=LOCK_SECONDS):
            recorded = _recorded(root, current)  # another process may have done it meanwhile
            if recorded != current:
                _upgrade(root, _outdated(root, recorded, formats), current, say)
    except filelock.Timeout:
        raise UserError(
            f"Another process has been upgrading the home {root} for {LOCK_SECONDS:.0f} seconds.",
            "Wait until it is done, or end it; then start again.",
            "WORKBENCH_HOME",
        ) from None
    except OSError as error:
        if not _outdated(root, recorded, formats):
            return  # only the mark is missing: a home on a full or read-only disk can still be looked at
        explained = explain(error)
        raise UserError(
            f"The home {root} was written by an older version and cannot be upgraded: {explained.message}",
            explained.remedy,
            "WORKBENCH_HOME",
        ) from error


def _recorded(root: Path, current: dict[str, int]) -> dict[str, int]:
    """The versions version.yaml tells; none for a home without it. Raises `NewerVersion` or `UserError`."""
    path = root / VERSION_FILE
    if not path.is_file():
        return {}
    try:
        data = load_yaml(bounded_text(path))
        if not isinstance(data, dict) or not all(is_version(value) for value in data.values()):
            raise UserError("it holds something else than versions.")
    except UserError as error:
        raise UserError(
            f"{path} is damaged: {error}",
            "Delete it; it is made anew, since every file tells its own version.",
            "WORKBENCH_HOME",
        ) from None
    for name, version in data.items():
        if version > current.get(name, 0):
            raise NewerVersion(
                f"The home {root} was written by a newer LLM Workbench: {VERSION_FILE} tells version {version} of "
                f"{name}, this program reads {f'up to {current[name]}' if name in current else 'no such files'}.",
                UPDATE,
                "WORKBENCH_HOME",
            )
    return data


def _outdated(root: Path, recorded: dict[str, int], formats: Sequence[FileFormat]) -> dict[Path, str]:
    """The new text of every file that is behind, by its path within the home.

    Damaged files, and those of a newer program, are left as they are: whoever opens them says what is wrong.
    """
    outdated = {}
    for one in formats:
        if recorded.get(one.file_name, UNVERSIONED) == one.version:
            continue
        for path in sorted(match for pattern in one.patterns for match in root.glob(pattern)):
            try:
                data = load_yaml(bounded_text(path))
                if isinstance(data, dict) and one.version_of(data, path.parent.name) < one.version:
                    content: dict[str, Any] = one.upgrade(data, path.parent.name)
                    outdated[path.relative_to(root)] = dump_yaml(one.stamp(content))
            except UserError:
                continue
    return outdated


def _upgrade(root: Path, outdated: dict[Path, str], current: dict[str, int], say: Callable[[str], None]) -> None:
    """Replaces the outdated files, then records the versions; raises `OSError`, before the first is replaced if the
    disk is full."""
    for left in root.glob(f"{STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed; we have the lock
    staging = root / f"{STAGING}{uuid.uuid4().hex[:8]}"
    before, after = staging / "before", staging / "after"
    try:
        for folder in (before, after):
            folder.mkdir(parents=True)
        for path, text in outdated.items():
            for target, content in ((before / path, (root / path).read_text("utf-8")), (after / path, text)):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_synced(target, content)
        write_synced(after / VERSION_FILE, dump_yaml(current))
        backup = _keep(before, root / BACKUPS) if outdated else None
        for path in (*outdated, Path(VERSION_FILE)):
            if (root / path).parent.is_dir():  # else it was deleted meanwhile
                (after / path).replace(root / path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if backup:
        count = f"{len(outdated):,} file" + ("s were" if len(outdated) > 1 else " was")
        say(f"The home {root} was upgraded: {count} rewritten for this version. What was there before is in {backup}.")


def _keep(before: Path, backups: Path) -> Path:
    """Puts the copies under a name that tells the time."""
    backups.mkdir(exist_ok=True)
    name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    target = next(path for n in range(1, 1000) if not (path := backups / (name if n == 1 else f"{name}-{n}")).exists())
    before.rename(target)
    return target

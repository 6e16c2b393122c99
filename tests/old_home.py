"""The home of version 1 that lies in fixtures/home_v1, unpacked."""

import tarfile
from pathlib import Path

from workbench.core.home import Home

ARCHIVE = Path(__file__).parent / "fixtures" / "home_v1" / "home.tar.gz"


def unpack(root: Path) -> Path:
    """The files of the old home in a new folder, not yet opened."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(root, filter="data")
    return root


def old_home(root: Path) -> Home:
    return Home.at(unpack(root))


def contents(root: Path) -> dict[str, bytes]:
    """Every file by its path, without what marks the home as opened."""
    ignored = ("version.yaml", ".upgrade.lock")
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).as_posix() not in ignored
    }

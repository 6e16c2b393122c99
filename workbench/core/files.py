"""Files that reach the disk."""

import os
from pathlib import Path


def write_synced(path: Path, text: str) -> None:
    """Writes UTF-8 text and returns when the disk has it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())

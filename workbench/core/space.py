"""What a Hugging Face Space has: storage that outlives a restart, or none.

A Space's disk is made anew whenever it starts. What is attached to it as storage is a mount, at /data by default.
Source: https://huggingface.co/docs/hub/spaces-storage.
"""

import os
from pathlib import Path

from workbench.core.settings import Settings

STORAGE = Path("/data")
HOME_NAME = "llm-workbench"


def storage_root(settings: Settings) -> Path | None:
    """Where the home lies on a Space with storage, None elsewhere. What the operator set wins over it."""
    if not settings.space_id or "home" in settings.model_fields_set:
        return None
    return STORAGE / HOME_NAME if os.path.ismount(STORAGE) and os.access(STORAGE, os.W_OK) else None


def is_kept(folder: Path) -> bool:
    """Whether a folder of a Space lies on something attached to it, and so outlives a restart."""
    root = Path(folder.anchor)
    return any(os.path.ismount(part) for part in (folder, *folder.parents) if part != root)

"""What a Hugging Face Space has: storage that outlives a restart, or none.

A Space's disk is made anew whenever it starts. What is attached to it as storage is a mount, at /data by default.
Source: https://huggingface.co/docs/hub/spaces-storage.
"""

import os
from pathlib import Path

from workbench.core.settings import Settings

STORAGE = Path("/data")
HOME_NAME = "llm-workbench"
NOT_KEPT = (
    "Votes, models and data are lost when the Space restarts: attach storage in the Space's settings, at /data, or set "
    "WORKBENCH_HOME to a folder of storage you have attached."
)
VOTES_KEPT = (
    "Votes and accounts are kept in the database of WORKBENCH_LABELS_URL. Models and data are lost when the Space "
    "restarts: attach storage in the Space's settings, at /data."
)


def storage_root(settings: Settings) -> Path | None:
    """Where the home lies on a Space with storage, None elsewhere. What the operator set wins over it."""
    if not settings.space_id or "home" in settings.model_fields_set:
        return None
    return STORAGE / HOME_NAME if os.path.ismount(STORAGE) and os.access(STORAGE, os.W_OK) else None


def is_kept(folder: Path) -> bool:
    """Whether a folder of a Space lies on something attached to it, and so outlives a restart."""
    root = Path(folder.anchor)
    return any(os.path.ismount(part) for part in (folder, *folder.parents) if part != root)


def storage_warning(home: Path, settings: Settings) -> str:
    """What of a Space is lost when it restarts; "" where nothing is, and elsewhere."""
    if not settings.space_id or is_kept(home):
        return ""
    return VOTES_KEPT if settings.labels_url.get_secret_value() else NOT_KEPT

"""The checkpoints of a training run, in the folder its trainer writes them to."""

import json
import shutil
from pathlib import Path

KEPT_FILES = ("adapter_model.safetensors", "adapter_config.json", "trainer_state.json")


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints, oldest first. The trainer writes trainer_state.json last: without it one was torn."""
    folders = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[-1]))
    return [path for path in folders if _is_complete(path)]


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint."""
    return next(reversed(checkpoints(folder)), None)


def thin_checkpoints(folder: Path, keep: int) -> None:
    """Leaves the adapters of the last `keep` checkpoints; the optimizer's state, by far the most of it, goes."""
    remaining = checkpoints(folder)[-keep:] if keep else []
    if not remaining:
        shutil.rmtree(folder, ignore_errors=True)
        return
    inside = [path for checkpoint in remaining for path in checkpoint.iterdir() if path.name not in KEPT_FILES]
    for path in [*(path for path in folder.iterdir() if path not in remaining), *inside]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()

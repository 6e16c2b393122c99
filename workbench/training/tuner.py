"""Tuners: which weights are trained, and on what form of the base model. One a file in tuners/."""

from pathlib import Path
from typing import Any, ClassVar

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.registry import Method, Registry


class Tuner(Method):
    """Base of every tuner."""

    makes: ClassVar[str] = "adapter"

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        """The model ready to train: the base with a fresh adapter, or with `adapter` to go on from."""
        raise TypeError(f"{type(self).__name__} has no load()")

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        """Why this model cannot be trained this way, or None: found before the job starts."""
        return None

    def facts(self, base: Path, adapter: Path | None) -> list[list[str]]:
        """More lines for the check before the start, (name, value) each; raises `UserError` on damaged files."""
        return []

    def disk(self, base: Path, adapter: Path | None, checkpoints: int) -> int:
        """Bytes that so many checkpoints and the result take; raises `UserError` on files that cannot be read."""
        raise TypeError(f"{type(self).__name__} has no disk()")

    def chosen(self, model: Any) -> dict[str, int]:
        """Which weights of the loaded model an adapter stands on: how many by their name in a layer; {} for all."""
        return {}


TUNERS: Registry[Tuner] = Registry("tuner", "workbench.training.tuners")

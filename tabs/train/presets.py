"""The presets of the Train tab: settings that go together, as YAML files."""

from typing import Any

from workbench.core.assets import ASSETS
from workbench.core.spec import load_yaml

PRESETS = ASSETS / "presets"


def presets() -> dict[str, dict[str, Any]]:
    """The presets by file name: title and settings."""
    return {path.stem: load_yaml(path.read_text("utf-8")) for path in sorted(PRESETS.glob("*.yaml"))}

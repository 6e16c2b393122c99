"""Where this project's packages lie, and the files it brings along."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = _PACKAGE / "assets"

ROOT = _PACKAGE.parent
"""The folder to import `workbench` and `tabs` from: the checkout, or site-packages."""
ASSETS = _INSTALLED if _INSTALLED.is_dir() else ROOT / "assets"
"""Beside the packages in a checkout, inside `workbench` where pip installed them."""

"""Plug-ins in this process while a test runs, and the examples of docs/plugins.md as files."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.cli.shared import families
from workbench.core import plugins
from workbench.core.assets import ROOT
from workbench.core.plugins import PACKAGE, Plugin, load_plugins

EXAMPLE = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)


def examples() -> dict[str, str]:
    """The files that docs/plugins.md shows: name → text."""
    return dict(EXAMPLE.findall((ROOT / "docs" / "plugins.md").read_text("utf-8")))


def write_plugins(folder: Path, files: dict[str, str]) -> Path:
    """The folder, made, with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@contextmanager
def loaded(**variables: str) -> Iterator[list[Plugin]]:
    """The plug-ins that these variables bring, loaded in this process and forgotten at the end."""
    registries = list(families().values())
    before = [(registry.all(), dict(registry._plugins), set(registry._checked)) for registry in registries]
    modules = {*sys.modules}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.setattr(plugins._Process, "loaded", None)
        try:
            yield load_plugins()
        finally:
            for registry, (methods, owners, checked) in zip(registries, before, strict=True):
                registry._methods, registry._plugins, registry._checked = dict(methods), owners, checked
            for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE or is_new(name, modules)]:
                del sys.modules[name]


def is_new(name: str, before: set[str]) -> bool:
    """Whether a module came with a plug-in from a test's folder."""
    file = getattr(sys.modules[name], "__file__", None) or ""
    return name not in before and "/pytest-" in file

"""Methods from outside the package: whoever starts the workbench names them, no request ever does.

`WORKBENCH_PLUGINS` holds folders and names of modules, separated as in PATH. Every module of a folder, and every named
module, is imported once a process before the first family of methods is read, and registers what it adds. Child
processes get the variable from their parent. A module of a folder has the name `workbench_plugins.STEM`, which is what
`runs = f"{__name__}:function"` says in it.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from workbench.core.errors import UserError
from workbench.core.settings import Settings, variable_of

VARIABLE = variable_of("plugins")
PACKAGE = "workbench_plugins"


class _Loading:
    """Whether this process has begun to load its plugins, and what kept it from that."""

    begun = False
    failure: UserError | None = None


def load_plugins() -> None:
    """Imports what `WORKBENCH_PLUGINS` names, at its first call; raises `UserError`, at every call, if that fails."""
    if not _Loading.begun:
        _Loading.begun = True  # a plugin may read a family of methods while it is imported
        try:
            import_plugins(Settings.current().plugins)
        except UserError as error:
            _Loading.failure = error
    if _Loading.failure:
        raise _Loading.failure


def import_plugins(entries: Iterable[str]) -> list[ModuleType]:
    """The modules that folders and names stand for, imported; raises `UserError` naming the one that cannot be."""
    return [_imported(name) for entry in entries for name in _module_names(entry)]


def _module_names(entry: str) -> list[str]:
    """The modules of a folder, in the order of their names; a module's name stands for itself."""
    if os.sep not in entry and not entry.startswith(("~", ".")):
        return [entry]
    folder = Path(entry).expanduser()
    if not folder.is_absolute():
        raise UserError(f"{entry!r} is no whole path.", f"Write {folder.resolve()}: jobs run elsewhere.", VARIABLE)
    if not folder.is_dir():
        raise UserError(f"There is no folder {entry}.", "Make it, or take it out of the list.", VARIABLE)
    searched = _package().__path__
    stems = [module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")]
    if str(folder) not in searched:
        earlier = {module.name for module in pkgutil.iter_modules(searched)}
        if twice := sorted(earlier & set(stems)):
            raise UserError(f"{folder} has a {twice[0]} as a folder before it has.", "Rename one of them.", VARIABLE)
        searched.append(str(folder))
        importlib.invalidate_caches()
    return [f"{PACKAGE}.{stem}" for stem in stems]


def _package() -> ModuleType:
    """The package whose modules are those of all folders, so that each can be imported again by its name."""
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE, "Modules of the folders that WORKBENCH_PLUGINS names.")
        package.__path__ = []
        sys.modules[PACKAGE] = package
    return sys.modules[PACKAGE]


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever code of the operator's own raises, it is told which module that was
        raise UserError(
            f"The plugin {name.removeprefix(f'{PACKAGE}.')} cannot be imported: {type(error).__name__}: {error}",
            f"Mend it, or take it out of {VARIABLE}.", VARIABLE,
        ) from error  # fmt: skip

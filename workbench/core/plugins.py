"""Methods from outside the package: whoever starts the workbench allows them, no request ever does.

They come by three roads: folders and modules that `WORKBENCH_PLUGINS` names; and, where `WORKBENCH_ALLOW_PLUGINS` is 1,
files of the home's folder plugins and installed packages with an entry point in the group `llm_workbench.methods`.
Each is a module that registers what it adds; a module of a folder has the name `workbench_plugins.STEM`. They are
imported once a process, before the first family of methods is read. One that fails is remembered with its error and
adds nothing; everything else goes on. docs/plugins.md tells how to write one.
"""

import contextlib
import importlib
import importlib.metadata
import os
import pkgutil
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from workbench.core.errors import MOST_CHARACTERS, shortened
from workbench.core.settings import Settings, variable_of

PLUGIN_SETTINGS = ("plugins", "allow_plugins")
VARIABLE, ALLOW = map(variable_of, PLUGIN_SETTINGS)
GROUP = "llm_workbench.methods"
PACKAGE = "workbench_plugins"
FOLDER = "plugins"
TAB_MODULES = "TAB_MODULES"
"""What a plug-in calls its list of modules with a tab each, which the page alone imports."""
OWN = ("workbench", "tabs")
IMPORTING = str(Path(importlib.__file__).parent)


@dataclass
class Plugin:
    """A module from outside: what people call it, where it comes from, its module, and why it is left out, if so.

    page_error: why what it draws is left out of the page, while its methods are there.
    """

    name: str
    origin: str
    module: str = ""
    error: str = ""
    tab_modules: tuple[str, ...] = ()
    page_error: str = ""

    def fail(self, reason: str) -> None:
        """Leaves out everything it adds; the first reason stays."""
        self.error = self.error or reason

    def sentence(self) -> str:
        """That it is left out, and why."""
        where = "is left out" if self.error else "is left out of the page"
        return f"The plug-in {self.name} ({self.origin}) {where}: {self.error or self.page_error}"


class _Process:
    """What this process has loaded."""

    loaded: list[Plugin] | None = None
    importing: Plugin | None = None
    lock = threading.RLock()


def load_plugins() -> list[Plugin]:
    """Imports what the operator allows, at its first call; returns all of them, those that failed included.

    Raises `SpecError` when the settings themselves are wrong.
    """
    with _Process.lock:
        if _Process.loaded is None:
            settings = Settings.current()
            _Process.loaded = []  # a plug-in may read a family of methods while it is imported
            for plugin in _allowed(settings):
                _Process.loaded.append(plugin)
                _import(plugin)
        return _Process.loaded


def left_out() -> list[Plugin]:
    """Those that failed."""
    return [plugin for plugin in load_plugins() if plugin.error]


def plugin_of(module: str) -> Plugin | None:
    """Whose a class is that is defined in this module while a plug-in is imported; None for the workbench's own."""
    return None if module.partition(".")[0] in OWN else _Process.importing


def is_plugin_module(module: str) -> bool:
    """Whether a module is one of those the operator allowed."""
    return any(module == plugin.module and not plugin.error for plugin in load_plugins())


def disallowed() -> list[Plugin]:
    """What lies in the home and in installed packages, and is not loaded because the operator does not allow it."""
    settings = Settings.current()
    if settings.allow_plugins:
        return []
    reason = f"not allowed: start the workbench with {ALLOW}=1"
    return [Plugin(each.name, each.origin, error=reason) for each in (*_of_home(settings), *_of_packages())]


def _allowed(settings: Settings) -> Iterator[Plugin]:
    for entry in settings.plugins:
        if os.sep in entry or entry.startswith(("~", ".")):
            yield from _of_folder(Path(entry).expanduser(), entry, VARIABLE)
        else:
            yield Plugin(entry, VARIABLE, entry)
    if settings.allow_plugins:
        yield from _of_home(settings)
        yield from _of_packages()


def _of_home(settings: Settings) -> Iterator[Plugin]:
    folder = settings.home.expanduser().absolute() / FOLDER
    if folder.is_dir():
        yield from _of_folder(folder, str(folder), "the home")


def _of_packages() -> Iterator[Plugin]:
    for entry in sorted(importlib.metadata.entry_points(group=GROUP)):
        package = entry.dist.name if entry.dist else "?"
        yield Plugin(entry.name, f"the package {package}", entry.module)


def _of_folder(folder: Path, entry: str, road: str) -> Iterator[Plugin]:
    """The modules of a folder, in the order of their names; those that begin with an underscore are their helpers."""
    if not folder.is_absolute():
        yield Plugin(entry, road, error=f"it is no whole path. Write {folder.resolve()}: jobs run elsewhere.")
        return
    if not folder.is_dir():
        yield Plugin(entry, road, error="there is no such folder. Make it, or take it out of the list.")
        return
    searched = _package().__path__
    if str(folder) in searched:  # named by another road, too
        return
    earlier = {module.name for module in pkgutil.iter_modules(searched)}
    searched.append(str(folder))
    importlib.invalidate_caches()
    for module in pkgutil.iter_modules([str(folder)]):
        if module.name in earlier:
            yield Plugin(module.name, str(folder), error="a folder before it has one of that name. Rename one of them.")
        elif not module.name.startswith("_"):
            yield Plugin(module.name, str(folder), f"{PACKAGE}.{module.name}")


def _package() -> ModuleType:
    """The package whose modules are those of all folders, so that each can be imported again by its name."""
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE, "Modules of the folders that hold plug-ins.")
        package.__path__ = []
        sys.modules[PACKAGE] = package
    return sys.modules[PACKAGE]


def _import(plugin: Plugin) -> None:
    """Imports one. Whatever code of somebody's own raises is kept as its error; what it prints goes to standard
    error, since the standard output of many a process is read by its parent."""
    if plugin.error:
        return
    _Process.importing = plugin
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module = importlib.import_module(plugin.module)
        plugin.tab_modules = tuple(getattr(module, TAB_MODULES, ()))
    except (Exception, SystemExit) as error:
        plugin.fail(error_with_line(error))
    finally:
        _Process.importing = None


def error_with_line(error: BaseException) -> str:
    """An error of somebody's own code: its type and text, and the line it comes from."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((IMPORTING, "<frozen importlib")) and frame.filename != __file__
    ]  # fmt: skip
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return shortened(f"{type(error).__name__}: {error}{where}", MOST_CHARACTERS)

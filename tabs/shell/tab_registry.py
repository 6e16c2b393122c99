"""The tabs of the page: each is a folder of `tabs/` with a module `tab` that says `TAB = Tab(…)`, or a plug-in's."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import tabs
from tabs.shell.context import Context
from workbench.core.plugins import Plugin, error_with_line, load_plugins


@dataclass(frozen=True)
class Tab:
    """One tab: its id and title, where it stands among the others, and what builds it inside an open `gr.Tab`.

    The tabs of the loop take the tens from 10 on. plugin: whose it is, if it comes from outside.
    """

    id: str
    title: str
    order: int
    build: Callable[[Context], Any]
    plugin: Plugin | None = None


def all_tabs() -> list[Tab]:
    """The tabs of every folder on the path of the package `tabs`, and those of plug-ins, in their order.

    Raises `ValueError` if two have one id, `TypeError` if a module `tab` has no `TAB`; a plug-in fails instead.
    """
    by_id: dict[str, Tab] = {}
    for folder in pkgutil.iter_modules(tabs.__path__):
        name = f"tabs.{folder.name}.tab"
        if folder.ispkg and importlib.util.find_spec(name) is not None:
            _add(by_id, _tab_of(name))
    for plugin in load_plugins():
        for name in plugin.tab_modules:
            try:
                _add(by_id, replace(_tab_of(name), plugin=plugin))
            except (Exception, SystemExit) as error:
                plugin.page_error = error_with_line(error)
    return sorted(by_id.values(), key=lambda tab: (tab.order, tab.id))


def _tab_of(module: str) -> Tab:
    tab = getattr(importlib.import_module(module), "TAB", None)
    if not isinstance(tab, Tab):
        raise TypeError(f"{module} has no TAB = Tab(…)")
    return tab


def _add(by_id: dict[str, Tab], tab: Tab) -> None:
    if tab.id in by_id:
        raise ValueError(f"two tabs have the id {tab.id!r}")
    by_id[tab.id] = tab

"""The tabs of the page: each is a folder of `tabs/` with a module `tab` that says `TAB = Tab(…)`."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tabs
from tabs.shell.context import Context


@dataclass(frozen=True)
class Tab:
    """One tab: its id and title, where it stands among the others, and what builds it inside an open `gr.Tab`.

    The tabs of the loop take the tens from 10 on.
    """

    id: str
    title: str
    order: int
    build: Callable[[Context], Any]


def all_tabs() -> list[Tab]:
    """The tabs of every folder on the path of the package `tabs`, in their order.

    Raises `ValueError` if two have one id, `TypeError` if a module `tab` has no `TAB`.
    """
    found: dict[str, Tab] = {}
    for folder in pkgutil.iter_modules(tabs.__path__):
        name = f"tabs.{folder.name}.tab"
        if not folder.ispkg or importlib.util.find_spec(name) is None:
            continue
        tab = getattr(importlib.import_module(name), "TAB", None)
        if not isinstance(tab, Tab):
            raise TypeError(f"{name} has no TAB = Tab(…)")
        if tab.id in found:
            raise ValueError(f"two tabs have the id {tab.id!r}")
        found[tab.id] = tab
    return sorted(found.values(), key=lambda tab: (tab.order, tab.id))

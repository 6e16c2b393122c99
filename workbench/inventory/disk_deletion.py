"""Deleting what the ledger lists, each by the operation that deletes it elsewhere, and how much came free."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.core.errors import UserError, saying, suggestion
from workbench.core.home import Home, remove_entry, remove_stale
from workbench.data.store.datasets import delete_dataset
from workbench.inventory.disk_ledger import DiskItem, DiskLedger, disk_ledger
from workbench.inventory.disk_usage import UsageCache, joined_usage
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model


@dataclass(frozen=True)
class Deleted:
    """What was deleted, and the bytes that came free."""

    titles: tuple[str, ...]
    freed: int


def item_of(ledger: DiskLedger, key: str) -> DiskItem:
    """The item of that key; raises `UserError` when there is none."""
    keys = [item.key for item in ledger.items if item.key]
    if not key or key not in keys:
        raise UserError(f"Nothing on the disk is called {key!r}.", suggestion(key, keys[:50]), "item")
    return next(item for item in ledger.items if item.key == key)


def delete_items(home: Home, queue: Queue, keys: Sequence[str], cache: UsageCache) -> Deleted:
    """Deletes items by their keys, judged anew before: raises `UserError` with the reason for one that may not go, and
    then deletes none."""
    ledger = disk_ledger(home, queue, cache)
    items = [item_of(ledger, key) for key in dict.fromkeys(keys)]
    for item in items:
        if item.verdict == "no":
            raise UserError(f"{item.title} stays: {item.reason}", "Wait for it, or delete what needs it first.", "item")
    freed = 0
    for item in items:
        before = _freed(item, cache)
        with saying(f"{item.title} was not deleted"):
            _delete(home, queue, item)
        freed += before - _freed(item, cache)
    return Deleted(tuple(item.title for item in items), freed)


def _freed(item: DiskItem, cache: UsageCache) -> int:
    return joined_usage([cache.usage(path, growing=True) for path in item.paths]).freed


def _delete(home: Home, queue: Queue, item: DiskItem) -> None:
    kind, _, name = item.key.partition(":")
    if kind == "model":
        delete_model(home, name)
    elif kind == "dataset":
        delete_dataset(home, name)
    elif kind == "job":
        queue.delete(name)
    elif kind == "unfinished":
        remove_stale(item.paths[0].parent)
    else:
        for path in item.paths:
            remove_entry(path)

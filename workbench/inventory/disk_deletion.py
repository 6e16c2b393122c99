"""Deleting what the ledger lists, each by the operation that deletes it elsewhere, and how much came free."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.core.change_log import record_change
from workbench.core.errors import UserError, saying, suggestion
from workbench.core.home import Home, remove_entry, remove_stale
from workbench.core.recycle_bin import bin_entry, remove_for_good
from workbench.core.settings import Settings
from workbench.core.units import human_size
from workbench.data.store.datasets import delete_dataset
from workbench.inventory.disk_ledger import DiskItem, DiskLedger, disk_ledger
from workbench.inventory.disk_usage import UsageCache, joined_usage
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model

BINNED = frozenset({"model", "dataset", "job"})
"""Kinds of items that go into the bin; the others can be made anew and are gone at once."""
NAMED_TITLES = 3


@dataclass(frozen=True)
class Deleted:
    """What was deleted, the bytes that came free, and those that come free when the bin is emptied."""

    titles: tuple[str, ...]
    freed: int
    in_bin: int = 0

    def sentence(self) -> str:
        """What happened, for people."""
        subject = ", ".join(self.titles) if len(self.titles) <= NAMED_TITLES else f"{len(self.titles)} items"
        parts = [f"{human_size(self.freed)} freed"] if self.freed or not self.in_bin else []
        if self.in_bin:
            days = Settings.current().bin_days
            parts.append(f"{human_size(self.in_bin)} in the bin for {days:g} days, or until it is emptied")
        return f"{subject}: deleted, {', '.join(parts)}."


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
    freed = in_bin = 0
    for item in items:
        before = _freed(item, cache)
        with saying(f"{item.title} was not deleted"):
            _delete(home, queue, item)
        if item.key.partition(":")[0] in BINNED:
            in_bin += before
        else:
            freed += before - _freed(item, cache)
    return Deleted(tuple(item.title for item in items), freed, in_bin)


def _freed(item: DiskItem, cache: UsageCache) -> int:
    return joined_usage([cache.usage(path, growing=True) for path in item.paths]).freed


def _delete(home: Home, queue: Queue, item: DiskItem) -> None:
    kind, _, name = item.key.partition(":")
    if kind == "bin":
        remove_for_good(home, bin_entry(home, name))
    elif kind == "model":
        delete_model(home, name)
    elif kind == "dataset":
        delete_dataset(home, name)
    elif kind == "job":
        queue.delete(name)
    elif kind == "unfinished":
        remove_stale(item.paths[0].parent)
        record_change(home.root, "deleted", kind, name)
    else:
        for path in item.paths:
            remove_entry(path)
        record_change(home.root, "deleted", kind, name)

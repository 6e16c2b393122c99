"""What lies in the bin with its sizes, restoring it, and emptying it: for the page and the command line."""

from collections.abc import Sequence

from workbench.core.change_log import record_change
from workbench.core.home import Home
from workbench.core.recycle_bin import BinEntry, bin_entry, list_bin, remove_for_good, restore_folder
from workbench.inventory.disk_usage import UsageCache, joined_usage
from workbench.preferences.session_copies import restore_session


def restore_entry(home: Home, entry_id: str, name: str = "") -> tuple[BinEntry, str]:
    """Puts what was deleted back where it was, under its name or another: what it is, and the name it has now.

    Raises `UserError` when there is no such entry, it is damaged, or the name is taken meanwhile.
    """
    entry = bin_entry(home, entry_id)
    restore = restore_session if entry.kind == "session" else restore_folder
    return entry, restore(home, entry, name.strip())


def bin_usage(cache: UsageCache, entries: Sequence[BinEntry]) -> int:
    """Bytes that come free when these go."""
    return joined_usage([cache.usage(entry.path) for entry in entries]).freed


def empty_bin(home: Home, entries: Sequence[BinEntry] | None = None) -> tuple[int, int]:
    """Removes these for good, or all that the workbench put into the bin: how many, and the bytes that came free."""
    chosen = [entry for entry in list_bin(home) if not entry.error] if entries is None else list(entries)
    freed = bin_usage(UsageCache(), chosen)
    for entry in chosen:
        remove_for_good(home, entry)
    if entries is None and chosen:
        record_change(home.root, "emptied", "setting", "bin", items=len(chosen), bytes=freed)
    return len(chosen), freed

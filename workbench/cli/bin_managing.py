"""Commands for the bin: what was deleted, restoring it, emptying it."""

import sys
from typing import Annotated

from workbench.cli.shared import Invoked, emit, option, show
from workbench.core.errors import UserError
from workbench.core.recycle_bin import bin_entry, list_bin
from workbench.core.units import human_size


def list_deleted(*, invoked: Invoked) -> None:
    """What was deleted and can be restored, deleted last first."""
    from workbench.inventory.disk_usage import UsageCache

    cache = UsageCache()
    rows = [
        (
            entry.id, entry.kind, entry.name, entry.deleted, entry.error or entry.expires,
            human_size(cache.usage(entry.path).freed),
        )
        for entry in list_bin(invoked.home)
    ]  # fmt: skip
    emit(invoked, ["id", "kind", "name", "deleted", "goes", "size"], rows)


def restore(
    item: Annotated[str, option("its id, its name, or its kind and name: 'model smol'")],
    /,
    *,
    name: Annotated[str, option("another name, where its own is taken", "NAME")] = "",
    invoked: Invoked,
) -> None:
    """Puts something that was deleted back, whole."""
    from workbench.inventory.bin_contents import restore_entry

    entry, now = restore_entry(invoked.home, item, name)
    show(invoked, {"restored": entry.kind, "name": now}, f"The {entry.kind} {now} is back.")


def empty(
    item: Annotated[str, option("only this: its id, or its name")] = "",
    /,
    *,
    yes: Annotated[bool, option("do not ask first")] = False,
    invoked: Invoked,
) -> None:
    """Removes what is in the bin for good, or one item of it."""
    from workbench.inventory.bin_contents import empty_bin

    chosen = [bin_entry(invoked.home, item)] if item else None
    count = len(chosen or [entry for entry in list_bin(invoked.home) if not entry.error])
    if not count:
        show(invoked, {"removed": 0, "freed": 0}, "The bin is empty.")
        return
    if not yes:
        _ask(f"{chosen[0].kind} {chosen[0].name}" if chosen else "1 item" if count == 1 else f"{count} items")
    removed, freed = empty_bin(invoked.home, chosen)
    show(invoked, {"removed": removed, "freed": freed}, f"{removed} removed for good, {human_size(freed)} freed.")


def _ask(what: str) -> None:
    """Asks whether it shall go; raises `UserError` when nobody can be asked, or the answer is no."""
    if not sys.stdin or not sys.stdin.isatty():
        raise UserError("Nothing was removed: nobody can be asked here.", "Add --yes.", "--yes")
    if input(f"Remove {what} for good? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UserError("Nothing was removed.", "", "")

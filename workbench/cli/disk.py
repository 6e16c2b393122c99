"""The command for the disk: what takes how much, what of it may go, and deleting it."""

import sys
from typing import TYPE_CHECKING, Annotated

from workbench.cli.shared import Invocation, Invoked, option, print_table, several, show
from workbench.core.errors import UserError
from workbench.core.units import human_size
from workbench.jobs.queue import Queue

if TYPE_CHECKING:
    from workbench.inventory.disk_ledger import DiskItem, DiskLedger

SHOWN_ITEMS = 20
ANSWERS = {"yes": "safe", "ask": "your choice", "no": "needed"}


def disk(
    *,
    delete: Annotated[tuple[str, ...], several("items to delete, by their key", "KEY")] = (),
    delete_checkpoints: Annotated[bool, option("delete the checkpoints of ended runs whose model is kept")] = False,
    yes: Annotated[bool, option("do not ask first")] = False,
    all_: Annotated[bool, option(f"every item, not only the {SHOWN_ITEMS} largest")] = False,
    invoked: Invoked,
) -> None:
    """What takes how much of the disk, the largest first, and whether it may be deleted."""
    from workbench.inventory.disk_deletion import delete_items, item_of
    from workbench.inventory.disk_ledger import disk_ledger
    from workbench.inventory.disk_usage import UsageCache

    cache, queue = UsageCache(), Queue(invoked.home)
    ledger = disk_ledger(invoked.home, queue, cache)
    if not delete and not delete_checkpoints:
        _print(invoked, ledger, all_)
        return
    items = [item_of(ledger, key) for key in delete] + list(ledger.spent_checkpoints if delete_checkpoints else ())
    if not items:
        raise UserError("No ended run whose model is kept has checkpoints.", "Nothing was deleted.")
    if not yes:
        _ask(items)
    deleted = delete_items(invoked.home, queue, [item.key for item in items], cache)
    result = {"deleted": [item.key for item in items], "freed": deleted.freed, "in_bin": deleted.in_bin}
    show(invoked, result, deleted.sentence())


def _ask(items: "list[DiskItem]") -> None:
    """Asks whether these shall go; raises `UserError` when nobody can be asked, or the answer is no."""
    total = sum(item.freed for item in items)
    lines = [f"  {item.title} ({human_size(item.freed)}): {item.reason}" for item in items]
    question = "\n".join([_fate(items), *lines, f"{human_size(total)} in all. Delete it? [y/N] "])
    if not sys.stdin or not sys.stdin.isatty():
        raise UserError("Nothing was deleted: nobody can be asked here.", "Add --yes.", "--yes")
    if input(question).strip().lower() not in ("y", "yes"):
        raise UserError("Nothing was deleted.", "", "")


def _fate(items: "list[DiskItem]") -> str:
    """Whether what is deleted can be restored."""
    from workbench.inventory.disk_deletion import BINNED

    lasting = all(item.key.partition(":")[0] in BINNED for item in items)
    return "This goes into the bin:" if lasting else "This goes for good, all but models, datasets and jobs:"


def _print(invoked: Invocation, ledger: "DiskLedger", every: bool) -> None:
    items = ledger.items if every else ledger.items[:SHOWN_ITEMS]
    spent = ledger.spent_checkpoints
    if invoked.json:
        listed = [
            {
                "key": item.key, "kind": item.category, "name": item.title, "size": item.size, "freed": item.freed,
                "changed": item.changed, "may_go": item.verdict, "reason": item.reason,
            }
            for item in items
        ]  # fmt: skip
        kinds = [{"kind": name, "size": size} for name, size in ledger.categories]
        show(invoked, {"free": ledger.free, "total": ledger.total, "kinds": kinds, "items": listed})
        return
    print(f"{human_size(ledger.free)} free of {human_size(ledger.total)}\n")
    print_table(["kind", "size"], [(name, human_size(size)) for name, size in ledger.categories])
    print()
    rows = [
        (item.key or "—", human_size(item.size), item.changed[:10], ANSWERS[item.verdict], item.title, item.reason)
        for item in items
    ]
    print_table(["key", "size", "changed", "may it go", "what", "why"], rows)
    if len(items) < len(ledger.items):
        print(f"and {len(ledger.items) - len(items):,} smaller ones: --all shows them.")
    if spent:
        freed = human_size(sum(item.freed for item in spent))
        print(f"\n--delete-checkpoints frees {freed}: {len(spent)} ended runs whose model is kept have checkpoints.")

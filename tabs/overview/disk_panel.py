"""The disk in the Overview: what takes how much, the largest first, whether it may go, and deleting it."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.overview.disk_watch import DiskWatch
from tabs.shell.context import Context, guarded
from tabs.shell.deletion import CONFIRM_DELETION
from tabs.shell.elements import error_box, facts, heading, hint, result_box, table
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import Static
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.errors import UserError
from workbench.core.units import human_size
from workbench.inventory.disk_deletion import BINNED, Deleted, delete_items, item_of
from workbench.inventory.disk_ledger import DiskItem, DiskLedger, disk_ledger
from workbench.inventory.disk_usage import UsageCache

ANSWERS = {"yes": "safe", "ask": "your choice", "no": "needed"}
COLUMNS = (
    Column("What", lambda item: item.title.lower()), Column("Kind", lambda item: item.category),
    Column("Size", lambda item: item.size, "number"), Column("Written", lambda item: item.changed, "time"),
    Column("May it go?", lambda item: list(ANSWERS).index(item.verdict), "status"), Column("Why"),
)  # fmt: skip
ROWS = 8
EMPTY = ("Nothing found", "No item has all these words.", "")
MEASURING = DiskItem("", "", "Measuring …", 0, 0, "", "no", "The first look takes a moment.")
SUBTITLE = "A file that has several names counts once. A row shows what can be done with it."


class DiskPanel:
    """What the events of the panel do."""

    def __init__(self, ctx: Context):
        self.ctx, self.cache = ctx, UsageCache()
        self.watch = DiskWatch(self.measure, ctx.shelves.version_of_items)
        ctx.shelves.also.append(self.watch.version)

    def measure(self) -> DiskLedger:
        return disk_ledger(self.ctx.home, self.ctx.queue, self.cache)

    def items(self) -> tuple[DiskItem, ...]:
        """The rows of the table; one that says so while the first measurement is not done."""
        ledger = self.watch.look()
        return (MEASURING,) if ledger is None else ledger.items

    def summary(self) -> Markup:
        """Free and total, and bytes by kind."""
        ledger = self.watch.look()
        if ledger is None:
            return error_box(self.watch.problem) if self.watch.problem else hint("Measuring …")
        share = f"{100 * ledger.free / ledger.total:.0f} %" if ledger.total else "—"
        rows = [(name, human_size(size)) for name, size in ledger.categories]
        return result_box(
            facts([("Free", f"{human_size(ledger.free)} of {human_size(ledger.total)} ({share})")]),
            table(("Kind", "Size"), rows) if rows else None,
        )

    def bulk(self) -> dict[str, Any]:
        """The button for the checkpoints of ended runs: how many, and what they take."""
        ledger = self.watch.look()
        spent = ledger.spent_checkpoints if ledger else ()
        runs = "1 ended run" if len(spent) == 1 else f"{len(spent)} ended runs"
        size = human_size(sum(item.freed for item in spent))
        return {"value": f"Delete the checkpoints of {runs} ({size})", "visible": bool(spent)}

    def choose(self, clicked: Any) -> list[Any]:
        """What can be done with the row that was clicked."""
        key = str((clicked or {}).get("key") or "")
        ledger = self.watch.look()
        if not key or ledger is None:
            return self.nothing()
        item = next((item for item in ledger.items if key in (item.key, item.title)), None)
        if item is None:
            return self.nothing()
        room = ("Size", item.size) if item.verdict == "no" else ("Frees", item.freed)
        words = facts([("What", item.title), ("Why", item.reason), (room[0], human_size(room[1]))])
        lasting = item.key.partition(":")[0] in BINNED
        fate = "It goes into the bin" if lasting else "It cannot be restored"
        question = f"Delete {item.title}? {item.reason} {fate}: {human_size(item.freed)}."
        return [item.key, question, words, gr.update(visible=bool(item.key) and item.verdict != "no")]

    def nothing(self) -> list[Any]:
        return ["", "", "", gr.update(visible=False)]

    def delete(self, key: str | None) -> list[Any]:
        """Deletes what was chosen and confirmed."""
        if not key:
            raise UserError("Nothing was deleted.", "Choose a row and confirm.", "item")
        item_of(self.measure(), key)
        self._said(delete_items(self.ctx.home, self.ctx.queue, [key], self.cache))
        return self.nothing()

    def delete_spent(self, asked: str | None) -> list[Any]:
        """Deletes the checkpoints of all ended runs whose model is kept."""
        keys = [item.key for item in self.measure().spent_checkpoints]
        if not asked or not keys:
            raise UserError("Nothing was deleted.", "Confirm, while there are checkpoints of ended runs.", "item")
        self._said(delete_items(self.ctx.home, self.ctx.queue, keys, self.cache))
        return self.nothing()

    def _said(self, deleted: Deleted) -> None:
        self.watch.outdate()
        self.watch.look()
        gr.Info(deleted.sentence())


def disk_panel(ctx: Context) -> None:
    """Left: free room, and bytes by kind. Right: the items, and what can be done with the one chosen."""
    panel = DiskPanel(ctx)
    Static(heading("Disk", SUBTITLE))
    with gr.Row(elem_classes="wb-disk"):
        with gr.Column(scale=1, min_width=240):
            summary = Static(hint("Measuring …"), elem_id="disk-summary")
            ctx.follow(summary, panel.summary)
        with gr.Column(scale=3, min_width=320):
            listed = ShelfTable(
                COLUMNS, panel.items, _row, _words, EMPTY, size=ROWS,
                elem_id="disk-table",
            )  # fmt: skip
            words = Static("", elem_id="disk-item")
            with gr.Row(elem_classes="wb-toolbar"):
                delete = gr.Button(
                    "Delete", size="sm", variant="stop", visible=False, min_width=70, elem_id="disk-delete"
                )
                spent = gr.Button(size="sm", variant="stop", visible=False, elem_id="disk-checkpoints")
                ctx.follow(spent, lambda: gr.update(**panel.bulk()))
    chosen, question = gr.Textbox(visible=False), gr.Textbox(visible=False)
    outputs = [chosen, question, words, delete]
    listed.input(guarded(panel.choose), listed, outputs, queue=False, **LAST, **QUIET)
    delete.click(guarded(lambda key, _: panel.delete(key)), [chosen, question], outputs, js=CONFIRM_DELETION, **QUIET)
    asked = "() => confirm('Delete the checkpoints of all ended runs whose model is on the shelf?') ? 'yes' : null"
    spent.click(guarded(panel.delete_spent), chosen, outputs, js=asked, **QUIET)


def _row(item: DiskItem) -> TableRow:
    cells = (item.title, item.category, human_size(item.size), item.changed, ANSWERS[item.verdict], item.reason)
    return TableRow(item.key or item.title, cells, moving=item is MEASURING)


def _words(item: DiskItem) -> str:
    return f"{item.title} {item.category} {ANSWERS[item.verdict]} {item.reason}"

"""The bin in the Overview: what was deleted, restoring it under its name or another, and emptying it."""

from pathlib import Path
from typing import Any

import gradio as gr

from tabs.shell.context import Context, guarded
from tabs.shell.deletion import CONFIRM_DELETION
from tabs.shell.elements import facts, heading, local_time, render_html
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import Static
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.errors import UserError
from workbench.core.recycle_bin import BinEntry, bin_entry, bin_folders, list_bin
from workbench.core.settings import Settings
from workbench.core.units import human_size
from workbench.inventory.bin_contents import bin_usage, empty_bin, restore_entry
from workbench.inventory.disk_usage import UsageCache

ROWS = 6
CONFIRM_ALL = (
    "() => confirm('Remove everything in the bin for good? Nothing of it can be restored then.') ? 'yes' : null"
)


class BinPanel:
    """What the events of the panel do."""

    def __init__(self, ctx: Context):
        self.ctx, self.cache = ctx, UsageCache()
        ctx.shelves.also.append(lambda: _stamp(ctx))

    def entries(self) -> list[BinEntry]:
        """What lies there, read once a change for all browsers."""
        return self.ctx.shelves.made("bin", lambda: (_stamp(self.ctx), None), lambda _: list_bin(self.ctx.home))

    def size(self, entry: BinEntry) -> int:
        return bin_usage(self.cache, [entry])

    def row(self, entry: BinEntry) -> TableRow:
        cells = (
            entry.name, entry.kind, human_size(self.size(entry)), entry.deleted or "—",
            entry.error or entry.expires,
        )  # fmt: skip
        return TableRow(entry.id, cells)

    def everything(self) -> dict[str, Any]:
        """The button that empties the bin: how much there is, and what it takes."""
        ours = [entry for entry in self.entries() if not entry.error]
        items = "1 item" if len(ours) == 1 else f"{len(ours)} items"
        return {"value": f"Empty now ({items}, {human_size(bin_usage(self.cache, ours))})", "visible": bool(ours)}

    def choose(self, clicked: Any) -> list[Any]:
        """What can be done with the row that was clicked."""
        key = str((clicked or {}).get("key") or "")
        entry = next((entry for entry in self.entries() if entry.id == key), None)
        if entry is None:
            return self.nothing()
        size = human_size(self.size(entry))
        rows: list[tuple[str, object]] = [("What", f"{entry.kind} {entry.name}"), ("Size", size)]
        if entry.error:
            rows.append(("Why it stays", entry.error))
        else:
            rows += [("Deleted", local_time(entry.deleted)), ("Goes for good", local_time(entry.expires))]
        question = f"Remove the {entry.kind} {entry.name} for good? It frees {size}."
        shown = gr.update(visible=not entry.error)
        named = gr.update(value="", visible=not entry.error and entry.kind != "job")
        return [entry.id, question, render_html(facts(rows)), named, shown, shown]

    def nothing(self) -> list[Any]:
        hidden = gr.update(visible=False)
        return ["", "", "", gr.update(value="", visible=False), hidden, hidden]

    def restore(self, key: str | None, name: str | None) -> list[Any]:
        """Puts what was chosen back."""
        if not key:
            raise UserError("Nothing was restored.", "Choose a row.", "item")
        entry, now = restore_entry(self.ctx.home, key, name or "")
        gr.Info(f"The {entry.kind} {now} is back.")
        return self.nothing()

    def remove(self, key: str | None) -> list[Any]:
        """Removes what was chosen and confirmed for good."""
        if not key:
            raise UserError("Nothing was removed.", "Choose a row and confirm.", "item")
        entry = bin_entry(self.ctx.home, key)
        _, freed = empty_bin(self.ctx.home, [entry])
        gr.Info(f"{entry.name}: removed for good, {human_size(freed)} freed.")
        return self.nothing()

    def empty(self, asked: str | None) -> list[Any]:
        """Removes everything for good."""
        if not asked:
            raise UserError("Nothing was removed.", "Confirm, then it goes.", "item")
        count, freed = empty_bin(self.ctx.home)
        gr.Info(f"{count} {'item' if count == 1 else 'items'} removed for good, {human_size(freed)} freed.")
        return self.nothing()


def bin_panel(ctx: Context) -> None:
    """The list, and what can be done with the row chosen."""
    panel = BinPanel(ctx)
    days = f"{Settings.current().bin_days:g}"
    Static(heading("Bin", f"What was deleted stays {days} days and can be restored whole."))
    empty_lines = (
        "The bin is empty", "Models, datasets, sessions and jobs that are deleted lie here.",
        f"After {days} days they go for good.",
    )  # fmt: skip
    columns = (
        Column("Name", lambda entry: entry.name.casefold()), Column("Kind", lambda entry: entry.kind),
        Column("Size", panel.size, "number"), Column("Deleted", lambda entry: entry.deleted, "time"),
        Column("Goes", lambda entry: entry.expires, "time"),
    )  # fmt: skip
    listed = ShelfTable(
        columns, panel.entries, panel.row, lambda entry: f"{entry.name} {entry.kind} {entry.error}", empty_lines,
        size=ROWS, elem_id="bin-table",
    )  # fmt: skip
    words = Static("", elem_id="bin-item")
    ctx.links.offer("bin", words, lambda shown, _: gr.skip())  # brings the tab into view
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        name = gr.Textbox(
            label="Restore under another name", visible=False, max_lines=1, min_width=200, elem_id="bin-name"
        )
        restore = gr.Button("Restore", size="sm", visible=False, min_width=80, elem_id="bin-restore")
        remove = gr.Button(
            "Delete for good", size="sm", variant="stop", visible=False, min_width=110, elem_id="bin-remove"
        )
        every = gr.Button(size="sm", variant="stop", visible=False, elem_id="bin-empty")
        ctx.follow(every, lambda: gr.update(**panel.everything()))
    chosen, question = gr.Textbox(visible=False), gr.Textbox(visible=False)
    outputs = [chosen, question, words, name, restore, remove]
    listed.input(guarded(panel.choose), listed, outputs, queue=False, **LAST, **QUIET)
    restore.click(guarded(panel.restore), [chosen, name], outputs, **QUIET)
    remove.click(guarded(lambda key, _: panel.remove(key)), [chosen, question], outputs, js=CONFIRM_DELETION, **QUIET)
    every.click(guarded(panel.empty), chosen, outputs, js=CONFIRM_ALL, **QUIET)


def _stamp(ctx: Context) -> tuple[int, ...]:
    """Changes when something comes into the bin or leaves it."""
    return tuple(_changed(folder) for folder in bin_folders(ctx.home).values())


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0

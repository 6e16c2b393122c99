"""Backups in the Overview: what one would take, making one in the background, and those there are."""

from typing import Any

import gradio as gr
from htpy import Node, a, div
from markupsafe import Markup

from tabs.serving.routes import BACKUPS
from tabs.shell.context import Context, guarded
from tabs.shell.deletion import CONFIRM_DELETION
from tabs.shell.elements import chip, error_box, facts, heading, hint, note, render_html, result_box
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import Static
from tabs.shell.result_panel import view_of
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.backup.jobs.backup import BackUp
from workbench.backup.kept_backups import (
    NEVER_IN_IT,
    BackupPlan,
    KeptBackup,
    backup_folder,
    delete_backup,
    list_backups,
    plan_backup,
)
from workbench.core.errors import UserError
from workbench.core.units import human_size
from workbench.jobs.view import JobRecord

ROWS = 6
SUBTITLE = "One archive of datasets, adapters, small models, jobs with their logs, recipes, votes and accounts."
WHAT_IT_HOLDS = (
    "It holds all data and everybody's password hash: keep it as you keep this home. Download it to another machine, "
    "since a lost disk loses it, too. `llm-workbench --home EMPTY_FOLDER restore FILE` makes a home of it."
)
EMPTY = ("No backups here yet", "Those made here are listed, until they are deleted.", "Begin with 'Make a backup'.")
TOO_LARGE = "It may not fit. Free some room first, or leave the weights of large models out."
COLUMNS = (
    Column("Backup", lambda backup: backup.name), Column("Made", lambda backup: backup.created, "time"),
    Column("Size", lambda backup: backup.size, "number"),
)  # fmt: skip


class BackupPanel:
    """What the events of the panel do."""

    def __init__(self, ctx: Context):
        self.ctx = ctx
        ctx.shelves.also.append(self._version)

    def backups(self) -> list[KeptBackup]:
        """Those there are, read once a change for all browsers."""
        return self.ctx.shelves.made("backups", lambda: (self._stamp(), None), lambda _: list_backups(self.ctx.home))

    def view(self) -> JobRecord | None:
        """The job that made the newest one, or is to make it; None when there was none."""
        jobs = [row.id for row in self.ctx.shelves.jobs()[1] if row.method == BackUp.method]
        return view_of(self.ctx, jobs[-1]) if jobs else None

    def plan(self, with_models: bool) -> list[Any]:
        """What it would take, and the button that begins it where there is room."""
        plan = plan_backup(self.ctx.home, with_models)
        return [_planned(plan), gr.update(visible=plan.fits)]

    def start(self, with_models: bool) -> list[Any]:
        """Queues one, unless one is under way."""
        view = self.view()
        if view and not view.final:
            raise UserError("A backup is being made already.", "It is listed as soon as it is whole.")
        self.ctx.queue.submit(BackUp(with_models=with_models))
        gr.Info("Queued: it is listed beneath when it is whole.")
        return ["", gr.update(visible=False)]

    def stop(self) -> None:
        """Stops the one under way; nothing of it is kept."""
        view = self.view()
        if view and not view.final:
            self.ctx.queue.stop(view.id)

    def progress(self) -> str:
        """How far the one under way is, or why the last one was not made."""
        view = self.view()
        if view is None or view.status == "done":
            return ""
        return str(_under_way(view))

    def choose(self, clicked: Any) -> list[Any]:
        """What can be done with the row that was clicked."""
        key = str((clicked or {}).get("key") or "")
        backup = next((backup for backup in self.backups() if backup.name == key), None)
        if backup is None:
            return self.nothing()
        question = f"Delete {backup.name} for good? It frees {human_size(backup.size)}."
        link = a(".wb-button", href=f"{BACKUPS[1:]}/{backup.name}", download=backup.name)["Download"]
        return [
            backup.name,
            question,
            render_html(div(".wb-backup-chosen")[link, backup.name]),
            gr.update(visible=True),
        ]

    def nothing(self) -> list[Any]:
        return ["", "", "", gr.update(visible=False)]

    def delete(self, key: str | None) -> list[Any]:
        """Deletes what was chosen and confirmed."""
        if not key:
            raise UserError("Nothing was deleted.", "Choose a row and confirm.", "backup")
        freed = delete_backup(self.ctx.home, key)
        gr.Info(f"{key}: deleted, {human_size(freed)} freed.")
        return self.nothing()

    def _stamp(self) -> int:
        try:
            return backup_folder(self.ctx.home).stat().st_mtime_ns
        except OSError:
            return 0

    def _version(self) -> tuple[int, object]:
        """Changes when a backup comes or goes, and with the progress of one under way."""
        view = self.view()
        return self._stamp(), view.state.progress.get("done") if view and not view.final else None


def backup_panel(ctx: Context) -> None:
    """What one takes and the button for it, how far it is, and the list."""
    panel = BackupPanel(ctx)
    Static(heading("Backups", SUBTITLE))
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        with_models = gr.Checkbox(
            label="With the weights of large models", value=False, min_width=260, elem_id="backup-models"
        )  # fmt: skip
        ask = gr.Button("Make a backup", size="sm", min_width=130, elem_id="backup-ask")
    planned = Static("", elem_id="backup-plan")
    with gr.Row(elem_classes="wb-toolbar"):
        start = gr.Button(
            "Write it now", size="sm", variant="primary", visible=False, min_width=110, elem_id="backup-start"
        )
        stop = gr.Button("Stop", size="sm", variant="stop", visible=False, min_width=70, elem_id="backup-stop")
    shown = Static("", elem_id="backup-progress")
    ctx.follow(shown, panel.progress)
    ctx.follow(stop, lambda: gr.update(visible=bool((view := panel.view()) and not view.final)))
    listed = ShelfTable(
        COLUMNS, panel.backups, _row, lambda backup: backup.name, EMPTY, size=ROWS, elem_id="backup-table"
    )
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        words = Static("", elem_id="backup-item")
        delete = gr.Button("Delete", size="sm", variant="stop", visible=False, min_width=70, elem_id="backup-delete")
    ask.click(guarded(panel.plan), with_models, [planned, start], **QUIET)
    with_models.input(guarded(panel.plan), with_models, [planned, start], **LAST, **QUIET)
    start.click(guarded(panel.start), with_models, [planned, start], **QUIET)
    stop.click(guarded(panel.stop), None, None, **QUIET)
    chosen, question = gr.Textbox(visible=False), gr.Textbox(visible=False)
    outputs = [chosen, question, words, delete]
    listed.input(guarded(panel.choose), listed, outputs, queue=False, **LAST, **QUIET)
    delete.click(guarded(lambda key, _: panel.delete(key)), [chosen, question], outputs, js=CONFIRM_DELETION, **QUIET)


def _planned(plan: BackupPlan) -> Markup:
    rows: list[tuple[str, object]] = [
        ("Size", f"at most {human_size(plan.size)}: what it holds, before it is packed"),
        ("Free", f"{human_size(plan.free)} of {human_size(plan.total)}"),
    ]
    if plan.left_out:
        rows.append(("Left out", f"the weights of {', '.join(plan.left_out)}"))
    room = None if plan.fits else note(TOO_LARGE)
    return result_box(facts(rows), room, hint(NEVER_IN_IT), hint(WHAT_IT_HOLDS))


def _under_way(view: JobRecord) -> Markup:
    progress = view.state.progress
    done, total = progress.get("done") or 0, progress.get("total") or 0
    share = f" · {100 * done / total:.0f} % of {human_size(total)}" if total else ""
    text = "Waits for its turn" if view.status == "queued" else f"{progress.get('text') or ''}{share}"
    failed: Node = None
    if view.status in ("failed", "interrupted"):
        text, failed = "", error_box(view.error or "It ended before it was done.", view.state.remedy)
    elif view.final:
        text = "Nothing of it was kept."
    return render_html(hint([chip(view.status), f" {text}"]), failed)


def _row(backup: KeptBackup) -> TableRow:
    return TableRow(backup.name, (backup.name, backup.created, human_size(backup.size)))

"""The Jobs tab: everything that ran, runs or waits, the same in every browser."""

from datetime import UTC, datetime
from typing import Any

import gradio as gr

from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading
from tabs.shell.job_panel import LAST, QUIET, job_panel
from tabs.shell.kit import CodeView, Static
from tabs.shell.notes_panel import notes_panel
from tabs.shell.tab_registry import Tab
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.errors import UserError, shortened
from workbench.core.limits import bounded_text
from workbench.jobs.job_file import JOB_FILE
from workbench.jobs.listing import JobRow

EMPTY = (
    "No jobs yet",
    "Downloads, training runs and answering prompts are listed here.",
    "Start with the Models tab.",
)
JOB_COLUMNS = (
    Column("Job", lambda row: row.label.casefold()),
    Column("Kind", lambda row: row.title),
    Column("Status", lambda row: row.status, "status"),
    Column("Progress"),
    Column("Queued", lambda row: row.queued_at, "time"),
    Column("Took", lambda row: row.seconds),
    Column("Result", lambda row: row.result.casefold()),
)


def build(ctx: Context) -> None:
    """The list on top, one job's live view, settings and deletion beneath."""
    with gr.Column(elem_classes="wb-panel"):
        Static(heading("All jobs", "Work goes on when the tab or the server closes. One job at a time has the device."))
        listed = ShelfTable(
            JOB_COLUMNS, lambda: ctx.shelves.jobs()[1][::-1], job_row, job_words, EMPTY, elem_id="jobs-table",
            notes=lambda row: ctx.shelves.notes_of("job", row.id),
        )  # fmt: skip
    with gr.Column(elem_classes="wb-panel"):
        panel = job_panel(ctx, (), "Job")
        notes_panel(ctx, "job", panel.picker)
        with gr.Accordion("Settings", open=False, visible=False) as details:
            settings = CodeView(JOB_FILE, file=JOB_FILE, elem_id="job-settings")
            show = gr.Button("Show settings", size="sm")
        delete = gr.Button(
            "Delete this job and its log", size="sm", variant="stop", visible=False, elem_id="delete-job"
        )
    for part in (details, delete):
        ctx.follow(part, lambda: gr.update(visible=bool(ctx.jobs())))
    ctx.links.offer("job", panel.picker, lambda _, clicked: _chosen(ctx, clicked))
    listed.input(guarded(lambda clicked: _chosen(ctx, clicked)), listed, panel.picker, **LAST, **QUIET)
    show.click(guarded(lambda job: _settings(ctx, job)), panel.picker, settings, **QUIET)
    delete.click(guarded(lambda job: _delete(ctx, job)), panel.picker, panel.picker, js=_confirm(), **QUIET)


def _chosen(ctx: Context, clicked: Any) -> Any:
    """The picker with the job clicked in the list, which may be older than those it offers."""
    view = ctx.queue.get(str((clicked or {}).get("key") or ""))
    choices = ctx.jobs()
    known = any(job == view.id for _, job in choices)
    return gr.update(choices=choices if known else [(view.label, view.id), *choices], value=view.id)


def _settings(ctx: Context, job: str | None) -> str:
    view = ctx.queue.get(job or "")
    if view.job and view.job.blind(ctx.home):
        return "# The settings name the models; they are shown when the labelling session is closed."
    return bounded_text(view.folder / JOB_FILE)


def _confirm() -> str:
    question = "Delete this job, its log and its checkpoints? They go into the bin. What it made stays."
    return f"(job) => confirm({question!r}) ? job : null"


def _delete(ctx: Context, job: str | None) -> Any:
    if not job:
        raise UserError("Nothing was deleted.", "Choose a job and confirm.")
    ctx.queue.delete(job)
    return gr.update(value=None)


def job_words(row: JobRow) -> str:
    """What a search in a list of jobs looks through."""
    return f"{row.label} {row.title} {row.status} {row.result} {row.error} {row.id}"


def job_row(row: JobRow) -> TableRow:
    """A job as a row of a list: its name, kind, status, progress, when it was queued, how long it took, its result."""
    percent = f"{100 * row.done / row.total:.0f} %" if row.total and row.done is not None else "—"
    cells = (
        row.label, row.title, row.status, "100 %" if row.status == "done" else percent,
        datetime.fromtimestamp(row.queued_at, UTC).isoformat(timespec="seconds"),
        f"{row.seconds / 60:.1f} min" if row.seconds >= 60 else f"{row.seconds:.0f} s",
        row.result or shortened(row.error, 200) or "—",
    )  # fmt: skip
    return TableRow(row.id, cells, moving=not row.final)


TAB = Tab("jobs", "Jobs", 80, build)

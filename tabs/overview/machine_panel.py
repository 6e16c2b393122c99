"""What this machine has, a button that proves what works on it, and a table of what that found."""

import gradio as gr
from htpy import Node, div
from markupsafe import Markup

from tabs.shell.context import Context, guarded
from tabs.shell.elements import chip, error_box, heading, hint, render_html, result_box, table
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static
from tabs.shell.result_panel import drawn_or_explained, view_of
from tabs.shell.scripts import page_call
from workbench.core.errors import UserError
from workbench.doctor.finding import MachineFinding
from workbench.doctor.jobs.doctor import Doctor
from workbench.doctor.machine_report import counted
from workbench.doctor.run import FINDINGS_FILE, read_findings
from workbench.jobs.view import JobRecord

COPY = "Copy the report"
COLUMNS = ("Check", "Status", "Measured", "What to do")
SUBTITLE = (
    "Each check does the thing itself, in a process of its own. The report names no secret, user, host or folder."
)


class MachinePanel:
    """What the panel shows of the newest check of the machine."""

    def __init__(self, ctx: Context):
        self.ctx = ctx

    def view(self) -> JobRecord | None:
        """The newest such job; None when it was never checked."""
        jobs = [row.id for row in self.ctx.shelves.jobs()[1] if row.method == Doctor.method]
        return view_of(self.ctx, jobs[-1]) if jobs else None

    def check(self) -> None:
        """Queues a check, unless one is under way."""
        view = self.view()
        if view and not view.final:
            raise UserError("This machine is being checked already.", "What it found so far is in the table.")
        self.ctx.queue.submit(Doctor())
        gr.Info("Queued: what it finds is listed beneath as it goes.")

    def html(self) -> str:
        """The findings so far, and how far it is."""
        view = self.view()
        return drawn_or_explained(lambda: _drawn(view), str) if view else ""

    def report(self) -> str:
        """The report of a check that is done, else ''."""
        view = self.view()
        return str(view.state.result.get("report") or "") if view else ""


def machine_buttons(ctx: Context) -> MachinePanel:
    """The button that starts the check."""
    panel = MachinePanel(ctx)
    start = gr.Button(str(Doctor.title), size="sm", elem_id="check-machine")
    start.click(guarded(panel.check), None, None, **QUIET)
    return panel


def machine_findings(ctx: Context, panel: MachinePanel) -> None:
    """The newest check, which takes no room while there was none."""
    with gr.Column(elem_classes="wb-panel", visible=False) as box:
        with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
            Static(heading("Check of this machine", SUBTITLE))
            copy = gr.Button(COPY, size="sm", visible=False, min_width=120, elem_id="copy-report")
        shown = Static("", elem_id="machine-findings")
    report = gr.Textbox(visible=False)
    ctx.follow(box, lambda: gr.update(visible=panel.view() is not None))
    ctx.follow(shown, panel.html)
    ctx.follow(report, panel.report)
    ctx.follow(copy, lambda: gr.update(value=COPY, visible=bool(panel.report())))
    copy.click(None, report, copy, js=page_call("copiedLabel", "values[0]"), queue=False, **QUIET)


def _drawn(view: JobRecord) -> Markup:
    findings = read_findings(view.folder) if (view.folder / FINDINGS_FILE).is_file() else []
    ended = view.state.status == "done"
    text = counted(findings) if ended else str(view.state.progress.get("text") or "Waiting for its turn")
    head: list[Node] = [hint([chip(view.status), f" {text}"])]
    if view.status in ("failed", "interrupted"):
        head.append(error_box(view.error or "It ended before it was done.", view.state.remedy))
    return result_box(head, table(COLUMNS, map(_row, findings)) if findings else None)


def _row(finding: MachineFinding) -> tuple[object, ...]:
    facts = " · ".join(f"{fact.name}: {fact.text()}" for fact in finding.facts)
    measured = render_html(div[finding.message] if finding.message else None, hint(facts) if facts else None)
    return finding.title, chip(finding.status), measured, finding.remedy

"""More rows made by a model from the chosen dataset: the form, the run, and what became of every item."""

import json
from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.forms.form import Form, beside_fields
from tabs.forms.sections import shown
from tabs.shell.context import Context, guarded
from tabs.shell.elements import facts, heading, hint, result_box, row_card, table
from tabs.shell.job_panel import QUIET, JobPanel, job_panel
from tabs.shell.kit import Static
from tabs.shell.result_panel import Drawn, result_panel, view_of
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store.datasets import rows
from workbench.jobs.view import JobRecord
from workbench.synthesis.endpoint import Endpoint
from workbench.synthesis.jobs.make_data import MakeData

FIRST_ROWS = 3
LONGEST_CHARACTERS = 2_000
NOTHING = hint("What was kept, what was not and why, and the first rows are shown here.")


def make(ctx: Context, dataset: gr.Dropdown) -> None:
    """The form of the job, its progress, and what it made."""
    Static(heading("New rows from those of the dataset above", MakeData.summary()))
    line = Static(endpoint_line())
    ctx.follow(line, endpoint_line)
    form = Form(MakeData, ctx.choices, skip=("dataset",), first=("model",), elem_id="make-form")
    start = gr.Button("Make rows", variant="primary", elem_id="start-make-data", elem_classes="wb-start")
    Static(heading("Runs"))
    empty = (
        "Nothing made yet",
        "Progress and log of a run appear here; it can be stopped and goes on where it was.",
        "",
    )
    panel = job_panel(ctx, (MakeData.method,), "Run", empty)
    started = beside_fields(lambda name, value: submit(ctx, form, name, value), [form])
    start.click(started, [dataset, form.input], [panel.picker, form.input], **QUIET)
    result(ctx, panel, dataset)


def submit(ctx: Context, form: Form, dataset: str | None, value: Any) -> Any:
    """Starts the job on the chosen dataset; the panel shows it."""
    return shown(ctx, ctx.queue.submit(form.parsed(value, dataset=dataset or "")))


def endpoint_line() -> Markup:
    """Whether an endpoint is configured, and for which model; neither its address nor its key."""
    try:
        return hint(f"The operator's endpoint is configured: it is asked for {Endpoint.configured().model}.")
    except UserError as error:
        remedy = "WORKBENCH_ENDPOINT_URL and WORKBENCH_ENDPOINT_MODEL, set before the workbench starts, name one."
        return hint(f"{error.message} Models of the shelf write by themselves. {remedy}")


# ---- what it made ------------------------------------------------------------------------------------------


def result(ctx: Context, panel: JobPanel, dataset: gr.Dropdown) -> None:
    """Counts and first rows of the run chosen, and the button that opens what it made."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        Static(heading("Result"))
        opening = gr.Button("Open the new dataset", variant="primary", size="sm", visible=False, elem_id="open-made")

    def draw(job: str | None) -> Drawn:
        view = view_of(ctx, job)
        name = made_of(ctx.home, view)
        return Drawn(outcome_html(ctx.home, view), [], [gr.update(visible=bool(name))])

    def mark(job: str | None) -> str:
        view = view_of(ctx, job)
        return f"{view.id}:{view.status}:{made_of(ctx.home, view)}" if view else ""

    result_panel(ctx, panel, "make", NOTHING, draw, mark, [opening])
    opening.click(guarded(lambda job: _open(ctx, job)), panel.picker, dataset, queue=False, **QUIET)


def _open(ctx: Context, job: str | None) -> Any:
    name = made_of(ctx.home, view_of(ctx, job))
    if not name:
        raise UserError("This run has made no dataset.", "Choose one that is done.", "Run")
    return gr.update(value=name, choices=ctx.datasets())


def made_of(home: Home, view: JobRecord | None) -> str:
    """The dataset a run has put on the shelf; '' when there is none."""
    name = str(view.state.result.get("dataset") or "") if view else ""
    return name if name and (home.datasets / name).is_dir() else ""


def outcome_html(home: Home, view: JobRecord | None) -> str:
    """Asked, kept, failed and dropped by reason, and the first rows with where each came from; '' before the end."""
    counts = view.state.result if view else {}
    if "asked" not in counts:
        return ""
    parts = [facts([("Asked for", f"{counts['asked']:,}"), ("Kept", f"{counts['kept']:,}")])]
    lost = [(reason, "failed", times) for reason, times in counts["failed"].items()]
    lost += [(reason, "left out", times) for reason, times in counts["dropped"].items()]
    if counts.get("unfinished"):
        lost.append(("under way when it was stopped", "unfinished", counts["unfinished"]))
    lost.sort(key=_times, reverse=True)
    if lost:
        parts.append(table(["Not kept because", "", "Items"], lost))
    if name := made_of(home, view):
        parts.append(heading(f"The first rows of {name}"))
        parts += [generated_card(row) for row in rows(home, name, count=FIRST_ROWS)]
    return result_box(parts)


def _times(lost: tuple[str, str, int]) -> int:
    return lost[2]


def generated_card(row: dict[str, Any]) -> Markup:
    """One row made: its turns, and beneath where it came from."""
    messages = row.get("messages") or row.get("prompt") or []
    turns = [(message["role"], message["role"], _cut(message["content"])) for message in messages]
    origin = {name: value for name, value in (row.get("metadata") or {}).items() if value not in ("", [], {}, None)}
    told_ = " · ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in origin.items())
    return row_card(turns, told_[:LONGEST_CHARACTERS])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CHARACTERS else text[:LONGEST_CHARACTERS] + " …"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

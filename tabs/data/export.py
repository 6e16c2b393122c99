"""A dataset written as other programs read it: the format, a preview, the files, and the hub."""

import functools
import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
from gradio.utils import get_upload_folder
from markupsafe import Markup
from pydantic import Field

from tabs.forms.form import Form, beside_fields
from tabs.forms.sections import shown
from tabs.shell.context import Context, guarded
from tabs.shell.elements import error_box, heading, hint, render_html, table
from tabs.shell.job_panel import LAST, QUIET, job_panel
from tabs.shell.kit import CodeView, Static
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.spec import Spec
from workbench.core.tasks import Task
from workbench.core.units import human_size
from workbench.data.exports import export as exporting
from workbench.data.exports.export import EXPORTS, Count, Export
from workbench.data.store.dataset_reference import DatasetRef
from workbench.data.store.datasets import SPLITS, count
from workbench.family.jobs.push_dataset import PushDataset
from workbench.family.jobs.push_gguf import HOW_TO_LOG_IN

LONGEST_CHARACTERS = 4_000
KEPT_SECONDS = 3600.0  # seconds files stay where a browser can fetch them


class Wanted(Spec):
    """What to write."""

    dataset: Annotated[str, DatasetRef()] = Field("", title="Dataset", description="The dataset that is written.")
    format: Annotated[Export, EXPORTS] = EXPORTS.field(
        "jsonl", "The layout of the files; only formats that can hold this dataset's rows are offered.", title="Format"
    )


def export(ctx: Context, dataset: gr.Dropdown) -> None:
    """Format, preview, files to download, and the hub."""
    Static(heading("For another trainer", "The rows as the recipe leaves them, written as other programs read them."))
    form = Form(
        Wanted, ctx.choices, hidden=("dataset",),
        fits={"format": ("dataset", {one.method: list(one.kinds) for one in EXPORTS})}, elem_id="export-form",
    )  # fmt: skip
    fits = Static(elem_id="export-lost")
    with gr.Row(equal_height=False, elem_classes="wb-preview"):
        with gr.Column(min_width=280):
            first = CodeView("The first rows", elem_id="export-rows")
        with gr.Column(min_width=280):
            settings = CodeView("What tells a trainer about them", elem_id="export-settings")
    with gr.Row(elem_classes="wb-toolbar"):
        start = gr.Button("Write the files", variant="primary", elem_id="export-write", elem_classes="wb-start")
    written = Static(elem_id="export-written")
    files = gr.File(label="Files", file_count="multiple", interactive=False, visible=False, elem_id="export-files")
    drawn, inputs = [first, settings, fits], [dataset, form.input]
    look = guarded(functools.partial(preview, ctx.home, form))
    gr.on([dataset.change, form.input.input], look, inputs, drawn, queue=False, **QUIET, **LAST)
    dataset.change(None, inputs, form.input, js="(dataset, value) => ({...(value || {}), dataset})", **QUIET)
    dataset.change(lambda: (gr.update(visible=False), ""), None, [files, written], queue=False, **QUIET)

    def write(name: str | None, value: Any, progress: Any = gr.Progress()) -> Any:  # noqa: B008
        return written_files(ctx.home, name, parsed(form, value), progress)

    start.click(
        guarded(write), inputs, [files, written], show_progress="full", show_progress_on=written,
        api_visibility="private",
    )  # fmt: skip
    with gr.Accordion("To the Hugging Face hub", open=False):
        push(ctx, dataset)


def push(ctx: Context, dataset: gr.Dropdown) -> None:
    """Whether there is a login, the repository, and the upload as it goes."""
    Static(hint(PushDataset.summary()))
    login = Static(login_line())
    ctx.follow(login, login_line)
    form = Form(PushDataset, skip=("dataset",), elem_id="push-form")
    start = gr.Button("Push", variant="primary", elem_id="start-push-dataset", elem_classes="wb-start")
    panel = job_panel(ctx, (PushDataset.method,), "Run", ("Nothing pushed yet", "An upload is shown here.", ""))

    def submit(name: str | None, value: Any) -> Any:
        return shown(ctx, ctx.queue.submit(form.parsed(value, dataset=name or "")))

    start.click(beside_fields(submit, [form]), [dataset, form.input], [panel.picker, form.input], **QUIET)


def login_line() -> Markup:
    """Whether this machine may write to the hub; never the token."""
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        return hint("The hub is switched off here (HF_HUB_OFFLINE).")
    return hint("A login for the hub is there." if get_token() else f"There is no login for the hub. {HOW_TO_LOG_IN}")


def parsed(form: Form, value: Any) -> Export:
    """The format chosen with its settings; raises `SpecError`."""
    return EXPORTS.parse(form.data(value)["format"])


# ---- preview -----------------------------------------------------------------------------------------------


def preview(home: Home, form: Form, name: str | None, value: Any) -> list[Any]:
    """The first rows as they will be written, the settings beside them, and what is left out or lost."""
    if not name:
        return ["", "", hint("Choose a dataset above.")]
    try:
        wanted = parsed(form, value)
        split = next((one for one in SPLITS if count(home, name, one)), "train")
        found, beside = exporting.preview_export(home, name, wanted, split), exporting.further_files(home, name, wanted)
    except SpecError as error:
        return ["", "", error_box("Please check the settings.", "\n".join(map(str, error.problems)))]
    except UserError as error:
        return ["", "", error_box(error.message, error.remedy)]
    return [first_rows(found["rows"]), beside_text(beside), fit_summary(found)]


def first_rows(rows: list[dict[str, Any]]) -> str:
    """Rows as indented JSON, long ones cut."""
    texts = [json.dumps(row, ensure_ascii=False, indent=2) for row in rows]
    return "\n".join(text if len(text) <= LONGEST_CHARACTERS else text[:LONGEST_CHARACTERS] + "\n…" for text in texts)


def beside_text(settings: dict[str, str]) -> str:
    """The files written beside the rows, below one another."""
    if not settings:
        return "Nothing else is needed."
    titled = len(settings) > 1
    text = "\n".join(f"# {name}\n{body}" if titled else body for name, body in settings.items())
    return text.rstrip() + "\n"


def fit_summary(found: dict[str, Any]) -> Markup:
    """How many rows fit, of those looked at, why the others do not, and what those that fit are written without."""
    count = found["count"]
    parts = [hint(note) for note in found["notes"]]
    if count["left_out"]:
        parts.append(hint(f"Of the first {count['given']:,} rows {count['taken']:,} fit; the others are left out:"))
    elif count["lost"]:
        parts.append(hint(f"Of the first {count['given']:,} rows all fit; some are written without what they have:"))
    return render_html(parts, losses(count["left_out"], count["lost"]))


def losses(left_out: dict[str, int], lost: dict[str, int]) -> Markup:
    """Rows that are left out by reason, and rows written without something they have by what that is."""
    counted: list[tuple[str, dict[str, int]]] = [("Left out because", left_out), ("Written without", lost)]
    return render_html(table([title, "Rows"], list(counts.items())) for title, counts in counted if counts)


# ---- writing -----------------------------------------------------------------------------------------------


def written_files(home: Home, name: str | None, wanted: Export, progress: Any) -> tuple[Any, Markup]:
    """Writes the files where the browser may fetch them, and says what is in them."""
    if not name:
        raise UserError("No dataset is chosen.", "Choose one above.", "dataset")
    place = folder_for(name, wanted.method)
    task = Task(lambda done, total, text: progress((done, total), desc=text))
    made = exporting.write_export(home, name, wanted, place, task=task)
    sizes = {split: human_size(path.stat().st_size) for split, path in made.data.items()}
    rows = [(split, *_counted(one), sizes.get(split, "–")) for split, one in made.counts.items()]
    left_out, lost = Counter[str](), Counter[str]()
    for one in made.counts.values():
        left_out.update(one.left_out)
        lost.update(one.lost)
    parts = [table(["Split", "Rows", "Written", "Left out", "Size"], rows), losses(left_out, lost)]
    if not left_out and not lost:
        parts.append(hint("Every row is written whole."))
    return gr.update(value=[str(path) for path in made.files], visible=True), render_html(parts)


def _counted(one: Count) -> tuple[int, int, int]:
    return one.given, one.written, sum(one.left_out.values())


def folder_for(name: str, method: str) -> Path:
    """A new folder in the cache Gradio serves files from; those of more than an hour ago are removed."""
    whole = Path(get_upload_folder()) / "exports"
    whole.mkdir(parents=True, exist_ok=True)
    for old in whole.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return whole / f"{name}-{method}-{time.time_ns()}"

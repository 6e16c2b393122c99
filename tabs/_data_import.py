"""Importing a dataset: where it comes from, what was found in it, and the import itself, at once or as a job."""

from dataclasses import replace
from typing import Any

import gradio as gr

from tabs import _data_given as given_
from tabs._context import Context, guarded
from tabs._data_format import format_choice, guessed, preview_html, value_of
from tabs._data_given import WAYS, Given
from tabs._job_panel import LAST, QUIET, job_panel
from tabs._kit import Html, Static, heading, hint
from tabs._result_panel import view_of
from workbench.data.brief_preview import brief_preview, is_large
from workbench.data.gathering import question_of
from workbench.data.importing import import_dataset, import_sample
from workbench.data.opening import ENCODINGS
from workbench.home import free_name
from workbench.jobs.job import JOBS

MOST_LINES = 500  # of the account that is shown
DIVIDED = [("as found", "auto"), ("a line", "lines"), ("a paragraph", "paragraphs"), ("the whole text", "whole")]
HEADED = [("as found", "auto"), ("names the columns", "yes"), ("is a row", "no")]
NOTES = {
    "Files": "JSON, JSONL, CSV, TSV, Anki, Parquet, Markdown or text, several at once, packed (.gz, .zst) or not; a "
    "dataset_info.json or an axolotl YAML beside them tells how to read them.",
    "Paste": "JSON, JSONL, CSV, TSV, or text.",
    "Hub": "Downloaded as a job and pinned to the commit it has now. No code of it is run.",
    "Folder": "A file or folder of this machine; it stays where it is.",
}


def importing(ctx: Context) -> gr.Textbox:
    """Builds it; returns a hidden textbox that takes the name of every dataset imported."""
    Static(heading("Sample data", "240 conversations that teach a recognisable manner of answering, and 80 prompts."))
    sample = gr.Button("Load the sample data", variant="primary", elem_id="load-sample")
    Static(heading("Your own data"))
    widgets, changed, note = _ways(ctx)
    with gr.Row():
        name = gr.Textbox(label="Name", max_lines=1, min_width=120, placeholder="the file's")
        encoding = gr.Dropdown(list(ENCODINGS), value="utf-8", label="Encoding", min_width=120)
    with gr.Row():
        documents = gr.Dropdown(
            DIVIDED, value="auto", label="A document is", visible=False, min_width=120, elem_id="import-documents"
        )
        header = gr.Dropdown(HEADED, value="auto", label="First line of a table", visible=False, min_width=120)
    entry = gr.Dropdown([], label="Entry", visible=False, interactive=True, elem_id="import-entry")
    form = format_choice()
    check = gr.Button("Check what is in it", elem_id="check-data")
    found = Static(elem_id="import-found")
    with gr.Row():
        fraction = gr.Number(0.1, label="Eval share", minimum=0, maximum=0.9, step=0.05, min_width=120)
        seed = gr.Number(0, label="Split seed", precision=0, minimum=0, min_width=120)
    add = gr.Button("Import", variant="primary", elem_id="import-data")
    awaited, imported = gr.Textbox(visible=False), gr.Textbox(visible=False)
    with gr.Column(visible=bool(ctx.jobs(("import-data",)))) as jobs:
        panel = job_panel(ctx, ("import-data",), "Import in the background")
    ctx.follow(jobs, lambda: gr.update(visible=bool(ctx.jobs(("import-data",)))))
    inputs = [*widgets, encoding, documents, header, entry, form]
    shown = [found, form, entry, name, documents, header]
    waiting: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": found, "api_visibility": "private"}
    for event, how in (*((event, "new") for event in changed), (check.click, "check"), (encoding.input, "check"),
                       (documents.input, "again"), (header.input, "again"), (entry.input, "check"),
                       (form.submit, "check")):  # fmt: skip
        event(guarded(lambda *values, how=how: _check(ctx, how, *values)), [name, *inputs], shown, **LAST, **waiting)
    changing = [note, encoding, check, entry, found, form, documents, header]
    widgets[0].change(_way, widgets[0], changing, queue=False, **QUIET)
    sample.click(guarded(lambda: import_sample(ctx.home).name), None, imported, **QUIET)
    add.click(
        guarded(lambda *values: _add(ctx, *values)), [name, fraction, seed, *inputs],
        [imported, awaited, panel.picker, found, form, entry, name, documents, header, *widgets[1:]],
        show_progress="minimal", show_progress_on=add, api_visibility="private",
    )  # fmt: skip
    ctx.on_change.append((lambda job: _arrived(ctx, job), awaited, [awaited, imported]))
    return imported


def _ways(ctx: Context) -> tuple[list[Any], list[Any], gr.HTML]:
    """The choice of where it comes from and the widgets of each; and the events after which there is new data."""
    ways = [way for way in WAYS if way != "Folder" or ctx.gate.is_open]
    way = gr.Radio(ways, value="Files", show_label=False, container=False, elem_classes="wb-ways", elem_id="import-way")
    note = Static(hint(NOTES["Files"]))
    with gr.Column() as files:
        file = gr.File(label="Files", file_count="multiple", type="filepath", height=120, elem_id="import-files")
    with gr.Column(visible=False) as paste:
        text = gr.Textbox(label="Rows", lines=5, max_lines=12, elem_id="import-text")
    with gr.Column(visible=False) as hub:
        repo = gr.Textbox(label="Hub id", placeholder="owner/name", max_lines=1)
        with gr.Row():
            config = gr.Textbox(label="Configuration", placeholder="the only one", max_lines=1, min_width=90)
            split = gr.Textbox(label="Split", placeholder="train", max_lines=1, min_width=70)
            revision = gr.Textbox(label="Revision", placeholder="newest", max_lines=1, min_width=80)
    with gr.Column(visible=False) as local:
        folder = gr.Textbox(label="File or folder", placeholder="/path/to/data", max_lines=1, elem_id="import-folder")
    groups = dict(zip(WAYS, (files, paste, hub, local), strict=True))
    way.change(
        lambda chosen: [gr.update(visible=one == chosen) for one in groups], way, list(groups.values()),
        queue=False, **QUIET,
    )  # fmt: skip
    return (
        [way, file, text, repo, config, split, revision, folder],
        [file.upload, file.delete, file.clear, folder.submit],
        note,
    )


def _way(way: str) -> list[Any]:
    """What else changes with where the data comes from; what was found before is of something else."""
    encoded, checked = way in ("Files", "Folder"), way != "Hub"
    visible = [gr.update(visible=encoded), gr.update(visible=checked), gr.update(visible=False, value=None)]
    return [hint(NOTES[way]), *visible, "", value_of(None, [], False), *_texts(set())]


def _texts(forms: set[str]) -> list[Any]:
    """Updates of what is asked about plain text and about tables: only where there are such."""
    shown = (forms & {"txt", "md"}, forms & {"csv", "tsv", "cards"})
    return [gr.update(visible=True) if there else gr.update(visible=False, value="auto") for there in shown]


# ---- looking -------------------------------------------------------------------------------------------------


def _check(ctx: Context, how: str, name: str, *values: Any) -> list[Any]:
    """Updates of what was found, the format, the entries, the name, and what is asked about texts.

    `how` 'new' is for other data, 'again' for the same read in another way: both detect the format again.
    """
    given = Given(*values)
    if given.way == "Hub":
        return [gr.skip()] * 6
    if given.is_empty:
        return ["", value_of(None, [], False), gr.update(visible=False, value=None), gr.skip(), *_texts(set())]
    if how == "new":
        given = replace(given, entry=None, format=None, documents="auto", header="auto")
    elif how == "again":
        given = replace(given, format=None)
    described = given_.description(ctx.gate, given)
    if described and (choices := given_.entries_of(described)) and given.entry not in choices:
        given = replace(given, entry=choices[0], format=None)
        entry = gr.update(choices=choices, value=choices[0], visible=True, label=f"Entry of {described.name}")
    else:
        entry = gr.skip() if described else gr.update(visible=False, value=None)
    found, form = _found(ctx, given, bool(described))
    form["turn"] = (values[-1] or {}).get("turn", 0)
    suggested = free_name(ctx.home.datasets, given.name) if how == "new" or not name or described else name
    texts = _texts(given_.text_forms(given_.source_of(ctx.home, ctx.gate, given)))
    if how == "new":
        texts = [{**update, "value": "auto"} for update in texts]
    return [found, form, entry, suggested, *texts]


def _found(ctx: Context, given: Given, described: bool) -> tuple[Html, Any]:
    """What was found as HTML, and what the format shows."""
    picked = given.format or {}
    if picked.get("method") and picked.get("settings") is None:
        seen = brief_preview(given_.source_of(ctx.home, ctx.gate, replace(given, format=None)))
        given = replace(given, format=value_of(guessed(picked, seen), seen.columns, False))
    found, detected = given_.look(ctx.home, ctx.gate, given)
    value = value_of(found.format, found.columns, detected or described)
    return preview_html(found), {**value, "account": [line.to_dict() for line in found.account[:MOST_LINES]]}


# ---- importing -----------------------------------------------------------------------------------------------


def _add(ctx: Context, name: str, fraction: float, seed: float, *values: Any) -> list[Any]:
    """Imports what is small at once; what is large, or of the hub, is queued and its job shown."""
    given = Given(*values)
    source = given_.source_of(ctx.home, ctx.gate, given)
    name = name.strip() or free_name(ctx.home.datasets, given.name)
    settings: dict[str, Any] = {"eval_fraction": fraction or 0.0, "seed": int(seed or 0)}
    fresh = ["", value_of(None, [], False), gr.update(visible=False, value=None), "", *_texts(set()), None, *[""] * 6]
    if not is_large(source):
        rows = import_dataset(ctx.home, source, name, **settings).info["rows"]
        given_.discard(ctx.home, given, source)
        gr.Info(f"{name}: {rows['train']:,} rows to train on, {rows.get('eval', 0):,} to evaluate on.")
        return [name, gr.skip(), gr.skip(), *fresh]
    _ask_first(ctx, given)
    job = ctx.queue.submit(JOBS.parse({"method": "import-data", "name": name, "source": source.to_dict(), **settings}))
    gr.Info(f"{name} is imported in the background.")
    return [gr.skip(), job, gr.update(choices=ctx.jobs(("import-data",)), value=job), *fresh]


def _ask_first(ctx: Context, given: Given) -> None:
    """Raises `UserError` for columns that nobody has decided about, before a long import finds them."""
    if given.way == "Hub":
        return
    account = given_.look(ctx.home, ctx.gate, given)[0].account
    if undecided := [line for line in account if line.use == "undecided"]:
        raise question_of(undecided)


def _arrived(ctx: Context, job: str) -> list[Any]:
    """Shows a dataset imported in the background once it is there."""
    view = view_of(ctx, job) if job else None
    if view is None or view.status not in ("done", "failed", "stopped", "interrupted"):
        return [gr.skip(), gr.skip()]
    return ["", view.story.result.get("dataset") or gr.skip()]

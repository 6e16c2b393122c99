"""Importing a dataset: where it comes from, what was found in it, and the import itself, at once or as a job."""

import contextlib
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.data import source as import_source
from tabs.data.entries import Brought, bring, failures_html, import_or_queue, looks, looks_html
from tabs.data.format import chosen, format_choice, guessed, preview_html, value_of
from tabs.data.source import WAYS, ImportInputs
from tabs.shell.context import Context, guarded
from tabs.shell.elements import error_box, heading, hint
from tabs.shell.job_panel import LAST, QUIET, job_panel
from tabs.shell.kit import Static
from tabs.shell.result_panel import view_of
from workbench.core.errors import UserError
from workbench.core.home import free_name
from workbench.data.reading.ingest import question_of
from workbench.data.reading.opening import ENCODINGS
from workbench.data.recipes.brief_preview import brief_preview, is_large
from workbench.data.recipes.importing import import_sample
from workbench.data.sources.source import Source

LISTED = "Datasets"  # of a list of them
NO_LIST = (gr.update(visible=False, value=[]), gr.update(visible=False))  # no datasets to choose, and no button
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
    entry = gr.Dropdown([], multiselect=True, label=LISTED, visible=False, interactive=True, elem_id="import-entry")
    every = gr.Button("Choose all", size="sm", visible=False, elem_id="import-all")
    form = format_choice()
    check = gr.Button("Check what is in it", elem_id="check-data")
    preview = Static(elem_id="import-found")
    with gr.Row():
        fraction = gr.Number(0.1, label="Eval share", minimum=0, maximum=0.9, step=0.05, min_width=120)
        seed = gr.Number(0, label="Random seed", precision=0, minimum=0, min_width=120)
    add = gr.Button("Import", variant="primary", elem_id="import-data")
    awaited, imported = gr.Textbox(visible=False), gr.Textbox(visible=False)
    with gr.Column(visible=bool(ctx.jobs(("import-data",)))) as jobs:
        panel = job_panel(ctx, ("import-data",), "Import in the background")
    ctx.follow(jobs, lambda: gr.update(visible=bool(ctx.jobs(("import-data",)))))
    inputs = [*widgets, encoding, documents, header, entry, form]
    shown = [preview, form, entry, every, name, documents, header]
    waiting: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": preview, "api_visibility": "private"}
    for event, how in (*((event, "new") for event in changed), (check.click, "check"), (encoding.input, "check"),
                       (documents.input, "again"), (header.input, "again"), (entry.input, "entries"),
                       (every.click, "all"), (form.submit, "check")):  # fmt: skip
        event(guarded(lambda *values, how=how: _check(ctx, how, *values)), [name, *inputs], shown, **LAST, **waiting)
    changing = [note, encoding, check, entry, every, preview, form, name, documents, header]
    widgets[0].change(_way, widgets[0], changing, queue=False, **QUIET)
    sample.click(guarded(lambda: import_sample(ctx.home).name), None, imported, **QUIET)
    add.click(
        guarded(lambda *values: _add(ctx, *values)), [name, fraction, seed, *inputs],
        [imported, awaited, panel.picker, *shown, *widgets[1:]],
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
        lambda chosen: [gr.update(visible=name == chosen) for name in groups], way, list(groups.values()),
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
    visible = [gr.update(visible=encoded), gr.update(visible=checked)]
    return [
        hint(NOTES[way]),
        *visible,
        *NO_LIST,
        "",
        value_of(None, [], False),
        gr.update(visible=True),
        *_texts(set()),
    ]


def _texts(forms: set[str]) -> list[Any]:
    """Updates of what is asked about plain text and about tables: only where there are such."""
    shown = (forms & {"txt", "md"}, forms & {"csv", "tsv", "cards"})
    return [gr.update(visible=True) if there else gr.update(visible=False, value="auto") for there in shown]


# ---- looking -------------------------------------------------------------------------------------------------


def _check(ctx: Context, how: str, name: str, *values: Any) -> list[Any]:
    """Updates of what was found, the format, the entries, the name, and what is asked about texts.

    `how` 'new' is for other data, 'again' for the same read in another way, 'entries' and 'all' for others of a list:
    all of them detect the format again.
    """
    inputs = ImportInputs(*values)
    turn = {"turn": (inputs.format or {}).get("turn", 0)}
    if inputs.way == "Hub":
        return [gr.skip()] * 7
    if inputs.is_empty:
        return ["", value_of(None, [], False), *NO_LIST, gr.update(visible=True), *_texts(set())]
    if how == "new":
        inputs = replace(inputs, entries=None, format=None, documents="auto", header="auto")
    elif how != "check":
        inputs = replace(inputs, format=None)
    if described := import_source.description(ctx.gate, inputs):
        try:
            choices = import_source.entries_of(described)
        except UserError as error:
            none = [{**value_of(None, [], False), **turn}, *NO_LIST, gr.update(visible=True), *_texts(set())]
            return [error_box(error.message, error.remedy), *none]
        return _check_list(ctx, how, name, inputs, turn, described.name, choices)
    html, form = _preview(ctx, inputs, False)
    suggested = free_name(ctx.home.datasets, inputs.name) if how == "new" or not name else name
    texts = _texts(import_source.text_forms(import_source.source_of_inputs(ctx.home, ctx.gate, inputs)))
    if how == "new":
        texts = [{**update, "value": "auto"} for update in texts]
    return [html, {**form, **turn}, *NO_LIST, gr.update(value=suggested, visible=True), *texts]


def _check_list(
    ctx: Context, how: str, name: str, inputs: ImportInputs, turn: dict[str, int], listed: str, choices: list[str]
) -> list[Any]:  # fmt: skip
    """As `_check`, of the datasets that the file `listed` lists: those chosen, or the only one, and what is in each."""
    before = inputs.entries or []
    wanted = [entry for entry in before if entry in choices]
    if how == "all" or len(choices) == 1:
        wanted = choices
    inputs = replace(inputs, entries=wanted)
    # the value is left alone where it fits: meanwhile a person may have chosen more
    value: dict[str, Any] = {} if wanted == before and how != "new" else {"value": wanted}
    lists = [
        gr.update(choices=choices, visible=True, label=f"{LISTED} of {listed}", **value),
        gr.update(visible=len(wanted) < len(choices), value=f"Choose all {len(choices):,}"),
    ]
    if len(wanted) == 1:
        with contextlib.suppress(UserError):  # told below
            single, form = _preview(ctx, inputs, True)
            suggested = name if name and how in ("check", "again") else free_name(ctx.home.datasets, inputs.name)
            texts = _texts(import_source.text_forms(import_source.source_of_inputs(ctx.home, ctx.gate, inputs)))
            return [single, {**form, **turn}, *lists, gr.update(value=suggested, visible=True), *texts]
    html = looks_html(listed, len(choices), len(wanted), looks(ctx, inputs))
    by_hand = len(wanted) == 1 and chosen(inputs.format)
    form = gr.skip() if by_hand else {**value_of(None, [], False), **turn, "hidden": True}
    named = gr.update(visible=len(wanted) < 2, value=inputs.name if wanted else "")
    return [html, form, *lists, named, *_texts(set())]


def _preview(ctx: Context, inputs: ImportInputs, described: bool) -> tuple[Markup, Any]:
    """What was found as HTML, and what the format shows."""
    picked = inputs.format or {}
    if picked.get("method") and picked.get("settings") is None:
        detected_preview = brief_preview(
            import_source.source_of_inputs(ctx.home, ctx.gate, replace(inputs, format=None))
        )
        inputs = replace(inputs, format=value_of(guessed(picked, detected_preview), detected_preview.columns, False))
    preview, detected = import_source.look(ctx.home, ctx.gate, inputs)
    listed = described and not chosen(inputs.format)
    value = value_of(preview.format, preview.columns, detected or listed)
    preview = replace(preview, reason="Its entry in the list says so.") if listed and preview.format else preview
    return preview_html(preview), {**value, "account": [line.to_dict() for line in preview.account[:MOST_LINES]]}


# ---- importing -----------------------------------------------------------------------------------------------


def _add(ctx: Context, name: str, fraction: float, seed: float, *values: Any) -> list[Any]:
    """Imports what is small at once; what is large, or of the hub, is queued and its job shown."""
    inputs = ImportInputs(*values)
    settings: dict[str, Any] = {"eval_fraction": fraction or 0.0, "seed": int(seed or 0)}
    if len(inputs.entries or []) > 1 and import_source.description(ctx.gate, inputs):
        return _add_several(ctx, inputs, settings)
    source = import_source.source_of_inputs(ctx.home, ctx.gate, inputs)
    name = name.strip() or free_name(ctx.home.datasets, inputs.name)
    if is_large(source):
        _ask_first(ctx, inputs, source)
    imported = import_or_queue(ctx, source, name, settings)
    if isinstance(imported, str):
        gr.Info(f"{name} is imported in the background.")
        return [gr.skip(), *_running(ctx, imported), *_fresh()]
    rows = imported.info["rows"]
    import_source.discard(ctx.home, inputs, source)
    gr.Info(f"{name}: {rows['train']:,} rows to train on, {rows.get('eval', 0):,} to evaluate on.")
    return [name, gr.skip(), gr.skip(), *_fresh()]


def _add_several(ctx: Context, inputs: ImportInputs, settings: dict[str, Any]) -> list[Any]:
    """Imports several entries of a list; those that cannot be read stay chosen, each with its reason."""
    brought = bring(ctx, inputs, settings)
    gr.Info(_brought(brought))
    shown = [brought.datasets[-1] if brought.datasets else gr.skip(), *_running(ctx, *brought.jobs[-1:])]
    if not brought.failed:
        return [*shown, *_fresh()]
    left = [gr.update(value=list(brought.failed)), gr.update(visible=True)]
    return [*shown, failures_html(brought.failed), gr.skip(), *left, *[gr.skip()] * 10]


def _brought(brought: Brought) -> str:
    """What became of several entries, in a sentence or two."""
    parts = [f"Imported: {', '.join(brought.datasets)}." if brought.datasets else "Nothing is imported yet."]
    parts += [f"In the background: {len(brought.jobs):,}."] if brought.jobs else []
    parts += [f"Not read: {', '.join(brought.failed)}."] if brought.failed else []
    return " ".join(parts)


def _running(ctx: Context, job: str = "") -> list[Any]:
    """The job whose dataset is waited for, and the picker that shows it."""
    return [job, gr.update(choices=ctx.jobs(("import-data",)), value=job)] if job else [gr.skip()] * 2


def _fresh() -> list[Any]:
    """The form as it was before anything was given."""
    empty = ["", value_of(None, [], False), *NO_LIST, gr.update(value="", visible=True), *_texts(set())]
    return [*empty, None, *[""] * 6]


def _ask_first(ctx: Context, inputs: ImportInputs, source: Source) -> None:
    """Raises `UserError` for columns that nobody has decided about, before a long import finds them."""
    if source.method == "hub":
        return
    account = import_source.look(ctx.home, ctx.gate, inputs)[0].account
    if undecided := [line for line in account if line.use == "undecided"]:
        raise question_of(undecided)


def _arrived(ctx: Context, job: str) -> list[Any]:
    """Shows a dataset imported in the background once it is there."""
    view = view_of(ctx, job) if job else None
    if view is None or view.status not in ("done", "failed", "stopped", "interrupted"):
        return [gr.skip(), gr.skip()]
    return ["", view.state.result.get("dataset") or gr.skip()]

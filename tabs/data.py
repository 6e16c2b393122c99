"""The Data tab: bring data in, look at it, and see it as the model will."""

from pathlib import Path
from typing import Any

import gradio as gr

from tabs._context import Context, guarded
from tabs._job_panel import QUIET
from tabs._kit import Html, Static, TokenView, empty, error_box, facts, heading, hint, safe, table
from workbench.data import shelf, workshop
from workbench.data.format import FORMATS
from workbench.data.importing import Preview, import_dataset, import_sample, preview_source
from workbench.data.templates import NAMES
from workbench.data.viewing import row_as_seen
from workbench.errors import UserError
from workbench.home import slug

PAGE = 5


def build(ctx: Context) -> None:
    """Left: import. Right: the datasets, their rows, and what the model sees of one."""
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=380):
            sample, imported = _import_panel(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                dataset = _dataset_panel(ctx)
            with gr.Column(elem_classes="wb-panel"):
                _tokens_panel(ctx, dataset)
    sample.click(guarded(lambda: _load_sample(ctx)), None, dataset, **QUIET)
    imported.change(lambda name: gr.update(value=name) if name else gr.skip(), imported, dataset, queue=False, **QUIET)


def _load_sample(ctx: Context) -> Any:
    manifest = import_sample(ctx.home)
    return gr.update(choices=ctx.datasets(), value=manifest.name)


# ---- import ------------------------------------------------------------------------------------------------


def _import_panel(ctx: Context) -> tuple[gr.Button, gr.Textbox]:
    """The sample's button, and a hidden textbox that takes the name of what was imported."""
    Static(heading("Sample data", "240 conversations that teach a recognisable manner of answering, and 80 prompts."))
    sample = gr.Button("Load the sample data", variant="primary", elem_id="load-sample")
    Static(heading("Your own data", "JSON, JSONL, CSV, TSV, Parquet or plain text."))
    file = gr.File(label="File", file_count="single", type="filepath", height=120)
    pasted = gr.Textbox(label="… or paste it", lines=3, max_lines=8)
    with gr.Row():
        name = gr.Textbox(label="Name", max_lines=1, min_width=120)
        encoding = gr.Dropdown(["utf-8", "latin-1"], value="utf-8", label="Encoding", min_width=120)
    picks, columns = _format_choice()
    check = gr.Button("Check what is in it", elem_id="check-data")
    found = Static()
    with gr.Row():
        fraction = gr.Number(0.1, label="Eval share", minimum=0, maximum=0.9, step=0.05, min_width=120)
        seed = gr.Number(0, label="Split seed", precision=0, minimum=0, min_width=120)
    add = gr.Button("Import", variant="primary", elem_id="import-data")
    imported = gr.Textbox(visible=False)
    source = [file, pasted, encoding]
    settings = [widget for _, _, widget in columns]
    shown = [found, picks, *settings, name]
    for event in (file.change, check.click):
        event(
            guarded(lambda *values: _check(columns, *values)), [*source, name, picks, *settings], shown,
            show_progress="minimal", show_progress_on=found, api_visibility="private",
        )  # fmt: skip
    add.click(
        guarded(lambda *values: _add(ctx, columns, *values)),
        [*source, name, fraction, seed, picks, *settings], [imported, file, pasted, found],
        show_progress="minimal", show_progress_on=add, api_visibility="private",
    )  # fmt: skip
    return sample, imported


def _format_choice() -> tuple[gr.Dropdown, list[tuple[str, str, gr.Dropdown]]]:
    """The format's dropdown, and for every format one dropdown of column names a setting."""
    choices = [("Detect", ""), *[(form.title, form.method) for form in FORMATS]]
    picks = gr.Dropdown(
        choices, value="", label="Format", info="Detected; choose another and its columns to correct it."
    )
    columns, groups = [], {}
    for form in FORMATS:
        with gr.Column(visible=False, elem_classes="wb-method") as group:
            Static(hint(form.summary()))
            names = list(form.model_fields)
            for start in range(0, len(names), 2):
                with gr.Row():
                    for field in names[start : start + 2]:
                        default = form.model_fields[field].get_default()
                        widget = gr.Dropdown(
                            [default] if default else [], value=default, label=f"{field} column", min_width=110,
                            allow_custom_value=True, interactive=True,
                        )  # fmt: skip
                        columns.append((form.method, field, widget))
        groups[form.method] = group
    picks.change(
        lambda chosen: [gr.update(visible=name == chosen) for name in groups], picks, list(groups.values()),
        queue=False, **QUIET,
    )  # fmt: skip
    return picks, columns


def _source(file: str | None, pasted: str) -> Path | str:
    if file:
        return Path(file)
    if not (pasted or "").strip():
        raise UserError("There is nothing to import.", "Choose a file or paste some rows.", "File")
    return pasted


def _format(columns: Any, method: str, settings: Any) -> Any:
    """The format as chosen by hand, or None to detect it."""
    if not method:
        return None
    chosen = {field: value or "" for (form, field, _), value in zip(columns, settings, strict=True) if form == method}
    return FORMATS.get(method).parse(chosen)


def _check(columns: Any, file: Any, pasted: str, encoding: str, name: str, method: str, *settings: Any) -> list[Any]:
    if not file and not (pasted or "").strip():
        return [gr.skip()] * (len(columns) + 3)
    source = _source(file, pasted)
    preview = preview_source(source, _format(columns, method, settings), encoding)
    found = preview.format
    updates = []
    for form, field, _ in columns:
        update: dict[str, Any] = {"choices": ["", *preview.columns]}
        if found and form == found.method:
            update["value"] = getattr(found, field)
        updates.append(gr.update(**update))
    suggested = name or (slug(Path(source).stem) if isinstance(source, Path) else "pasted")
    return [_preview(preview), found.method if found else "", *updates, suggested]


def _preview(preview: Preview) -> str:
    """What was found: format, reason, counts, the first rows and the first rejected ones."""
    if not preview.format:
        columns = f"Columns: {', '.join(preview.columns) or 'none'}."
        return error_box(preview.reason, f"{columns} Choose the format and its columns above.")
    more = "" if preview.complete else " (of the first 20,000)"
    rows = [
        ("Format", f"{preview.format.title} → {preview.format.kind}"),
        ("Why", preview.reason),
        ("Good rows", f"{preview.good:,}{more}"),
        ("Bad rows", f"{preview.bad:,}{' – kept aside with their reasons' if preview.bad else ''}"),
    ]
    parts = [facts(rows)]
    if preview.rejected:
        bad = [(reject.line, reject.reason, reject.raw[:80]) for reject in preview.rejected[:5]]
        parts.append(table(["Line", "Reason", "Row"], bad))
    parts.extend(_row(row) for row in preview.rows[:2])
    return Html("".join(parts))


def _add(
    ctx: Context, columns: Any, file: Any, pasted: str, encoding: str, name: str, fraction: float, seed: int,
    method: str, *settings: Any,
) -> tuple[Any, ...]:  # fmt: skip
    manifest = import_dataset(
        ctx.home, _source(file, pasted), name, format=_format(columns, method, settings),
        eval_fraction=fraction or 0.0, seed=int(seed or 0), encoding=encoding,
    )  # fmt: skip
    rows = manifest.info["rows"]
    gr.Info(f"{manifest.name}: {rows['train']} rows to train on, {rows.get('eval', 0)} to evaluate on.")
    return manifest.name, None, "", ""


# ---- datasets ----------------------------------------------------------------------------------------------


def _dataset_panel(ctx: Context) -> gr.Dropdown:
    """One dataset: its facts, its split, its rows page by page."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        dataset = ctx.picker(ctx.datasets, first=True, label="Dataset", value=None, elem_id="dataset", scale=2)
        split = gr.Dropdown(["train", "eval"], value="train", label="Split", min_width=90)
        page = gr.Number(1, label="Page", precision=0, minimum=1, min_width=80)
        back = gr.Button("←", size="sm", min_width=40)
        forth = gr.Button("→", size="sm", min_width=40)
    about = Static(_about(ctx, None))
    rows = Static(_rows(ctx, None, "train", 1), elem_id="rows")
    with gr.Accordion("Split again or delete", open=False), gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        fraction = gr.Number(0.1, label="Eval share", minimum=0, maximum=0.9, step=0.05, min_width=100)
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=80)
        resplit = gr.Button("Split again", size="sm")
        delete = gr.Button("Delete dataset", size="sm", variant="stop")
    place = [dataset, split, page]
    show = guarded(lambda name, split, page: (_about(ctx, name), _rows(ctx, name, split, int(page or 1))))
    for event in (dataset.change, split.change, page.change):
        event(show, place, [about, rows], queue=False, **QUIET)
    dataset.change(lambda: 1, None, page, queue=False, **QUIET)
    back.click(lambda page: max(1, int(page or 1) - 1), page, page, queue=False, **QUIET)
    forth.click(lambda page: int(page or 1) + 1, page, page, queue=False, **QUIET)
    resplit.click(
        guarded(lambda name, fraction, seed: _resplit(ctx, name, fraction, seed)), [dataset, fraction, seed],
        [about, rows], **QUIET,
    )  # fmt: skip
    delete.click(
        guarded(lambda name: _delete(ctx, name)), dataset, dataset,
        js="(name) => confirm('Delete this dataset for good?') ? name : null", **QUIET,
    )  # fmt: skip
    return dataset


def _resplit(ctx: Context, name: str | None, fraction: float, seed: int) -> tuple[str, str]:
    workshop.resplit(ctx.home, name or "", fraction or 0.0, int(seed or 0))
    return _about(ctx, name), _rows(ctx, name, "train", 1)


def _delete(ctx: Context, name: str | None) -> Any:
    if not name:
        raise UserError("Nothing was deleted.", "Choose a dataset and confirm.", "dataset")
    shelf.delete_dataset(ctx.home, name)
    return gr.update(value=None, choices=ctx.datasets())


def _about(ctx: Context, name: str | None) -> str:
    if not name:
        return ""
    manifest = shelf.dataset_manifest(ctx.home, name)
    info = manifest.info
    counts = info.get("rows", {})
    form = info.get("format") or {}
    rows = [
        ("Kind", info.get("kind")),
        (
            "Rows",
            f"{counts.get('train', 0):,} train · {counts.get('eval', 0):,} eval · {info.get('rejected', 0):,} rejected",
        ),
        (
            "From",
            (form.get("method") and FORMATS.get(form["method"]).title) or ", ".join(p.name for p in manifest.parents),
        ),
        ("Made", f"{manifest.created[:16].replace('T', ' ')} · digest {manifest.digest[:12]}"),
    ]
    return facts(rows)


def _rows(ctx: Context, name: str | None, split: str, page: int) -> str:
    if not name:
        return empty(
            "No dataset chosen", "Rows are shown here as the trainer reads them.",
            "Press 'Load the sample data' on the left, or upload a file.",
        )  # fmt: skip
    total = shelf.count(ctx.home, name, split)
    found = shelf.rows(ctx.home, name, split, (page - 1) * PAGE, PAGE)
    if not found:
        return empty(f"No rows on page {page} of the {split} split", f"It has {total} rows.", "")
    last = (page - 1) * PAGE + len(found)
    cards = "".join(_row(row, (page - 1) * PAGE + place + 1) for place, row in enumerate(found))
    return Html(hint(f"Rows {(page - 1) * PAGE + 1}–{last} of {total:,}") + f'<div class="wb-rows">{cards}</div>')


def _row(row: dict[str, Any], number: int | None = None) -> Html:
    """One canonical row as a card: every turn with its role, sides of a pair marked."""
    parts = []
    for key in ("messages", "prompt", "chosen", "rejected"):
        for message in row.get(key) or []:
            role = key if key in ("chosen", "rejected") else message["role"]
            parts.append(f'<dt class="is-{role}">{safe(role)}</dt><dd>{safe(message["content"])}</dd>')
    if "text" in row:
        parts.append(f"<dt>text</dt><dd>{safe(row['text'])}</dd>")
    label = f'<span class="wb-row-number">{number}</span>' if number else ""
    return Html(f'<div class="wb-row">{label}<dl>{"".join(parts)}</dl></div>')


# ---- what the model sees -----------------------------------------------------------------------------------


def _tokens_panel(ctx: Context, dataset: gr.Dropdown) -> None:
    """One row as tokens, coloured by whether it is trained on."""
    Static(heading("What the model sees", "The same function makes these tokens and the ones trained on."))
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        model = ctx.picker(
            ctx.models, first=True, label="Model", value=None, elem_id="see-model", scale=2, min_width=160
        )
        template = gr.Dropdown(list(NAMES), value="model", label="Template", min_width=100)
        split = gr.Dropdown(["train", "eval"], value="train", label="Split", min_width=80)
        row = gr.Number(1, label="Row", precision=0, minimum=1, min_width=70)
        longest = gr.Number(512, label="Max length", precision=0, minimum=16, min_width=90)
        train_on = gr.Dropdown(["assistant", "all"], value="assistant", label="Train on", min_width=100)
    view = TokenView(
        empty=("No row rendered yet", "Choose a model: the row appears token by token, as it is learned.", ""),
        elem_id="tokens",
    )
    inputs: list[Any] = [dataset, model, template, split, row, longest, train_on]
    see = guarded(lambda *values: _tokens(ctx, *values))
    for widget in inputs:
        widget.change(see, inputs, view, queue=False, **QUIET)


def _tokens(
    ctx: Context,
    dataset: str | None,
    model: str | None,
    template: str,
    split: str,
    row: int,
    longest: int,
    train_on: str,
) -> Any:
    if not dataset or not model:
        return None
    return row_as_seen(
        ctx.home, dataset, model, split=split, row=int(row or 1), template=template, max_length=int(longest or 512),
        train_on=train_on,  # type: ignore[arg-type]
    )  # fmt: skip

"""What is in a dataset, in numbers and figures, as a model counts its tokens."""

from typing import Any

import gradio as gr
from htpy import div
from markupsafe import Markup

from tabs.figures.statistics import figures
from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, facts, heading, hint, note, result_box, table
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Figure, Static
from workbench.core.tasks import Task
from workbench.core.units import human_duration
from workbench.data.statistics.dataset_statistics import statistics
from workbench.data.store import datasets
from workbench.rendering.templates import CUSTOM, TEMPLATE_NAMES, get_template
from workbench.training.estimate import estimate

AT_ONCE_ROWS = 5_000
"""Rows counted without being asked."""
PLACES = 6
BATCH_ROWS = 4
NOTHING = empty("Nothing counted yet", "Lengths, roles, turns, languages and duplicates appear here.",
                "Choose a dataset and press Count.")  # fmt: skip


def statistics_view(ctx: Context, dataset: gr.Dropdown, mark: gr.Textbox, opened: gr.Textbox) -> None:
    """Builds it. `mark` changes with the dataset's rows, `opened` says which view is seen: 'statistics' is this one."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        model = ctx.picker(
            ctx.newest_models, first=True, label="Count the tokens of", value=None, elem_id="count-model", scale=2,
            min_width=150,
        )  # fmt: skip
        template = gr.Dropdown([*TEMPLATE_NAMES, CUSTOM], value="model", label="Chat template", min_width=100)
        longest = gr.Number(
            512, label="Maximum length (tokens)", precision=0, minimum=16, min_width=90, elem_id="count-length"
        )
        count = gr.Button("Count", variant="primary", size="sm", elem_id="count")
    text = gr.Textbox(
        label="Chat template (Jinja)", lines=6, max_lines=24, visible=False, elem_classes="wb-box-yaml",
        elem_id="count-jinja",
    )  # fmt: skip
    words = Static(NOTHING, elem_id="statistics")
    places = []
    for _ in range(0, PLACES, 2):
        with gr.Row(elem_classes="wb-figures-row"):
            places += [Figure(), Figure()]
    inputs, shown = [dataset, model, template, longest, text], [words, *places]

    progress = gr.Progress()  # as a default it makes Gradio hand in one of the event's own

    def asked(
        name: str | None, model: str | None, template: str, longest: float, text: str | None, progress: Any = progress
    ) -> list[Any]:
        return _counted(ctx, name, model, template, longest, text, progress)

    def unasked(
        view: str, name: str | None, model: str | None, template: str, longest: float, text: str | None,
        progress: Any = progress,
    ) -> list[Any]:  # fmt: skip
        if view != "statistics":
            return [gr.skip()] * len(shown)
        if name and _size(ctx, name) > AT_ONCE_ROWS:
            return _nothing(f"{name} has {_size(ctx, name):,} rows")
        return _counted(ctx, name, model, template, longest, text, progress)

    waiting: dict[str, Any] = {"show_progress": "full", "show_progress_on": words, "api_visibility": "private"}
    count.click(guarded(asked), inputs, shown, **waiting)
    for event in (opened.change, mark.change, model.change, template.change, longest.change):
        event(guarded(unasked), [opened, *inputs], shown, **waiting)
    template.change(
        lambda name, said: gr.update(visible=name == CUSTOM, value=said or get_template("chatml").text),
        [template, text], text, queue=False, **QUIET,
    )  # fmt: skip


def _size(ctx: Context, name: str) -> int:
    return sum(datasets.count(ctx.home, name, split) for split in ("train", "eval"))


def _nothing(title: str = "") -> list[Any]:
    """An empty view; with a title it says why."""
    text = "It takes a while to count them." if title else ""
    words = empty(title, text, "Press Count.") if title else NOTHING
    return [words, *[None] * PLACES]


def _counted(
    ctx: Context, name: str | None, model: str | None, template: str, longest: float, text: str | None, progress: Any
) -> list[Any]:
    """Words and figures of a dataset; `progress` is told how far it is."""
    if not name:
        return _nothing()

    task = Task(lambda done, total, text: progress((int(done), int(total) or 1), desc=text, unit="rows"))
    data = statistics(ctx.home, name, model or None, template, int(longest or 512), task, text=text or "")
    drawn = [_narrow(one) for one in figures(data)[:PLACES]]
    return [_words(ctx, data), *drawn, *[None] * (PLACES - len(drawn))]


def _narrow(drawn: dict[str, Any]) -> dict[str, Any]:
    """The figure for half the width of the page: smaller letters, fewer labels."""
    layout = dict(drawn["layout"])
    layout["title"] = {**layout["title"], "font": {"size": 13}}
    layout["xaxis"] = {**layout["xaxis"], "tickfont": {"size": 10}, "nticks": 5}
    layout["yaxis"] = {**layout["yaxis"], "tickfont": {"size": 10}}
    layout["legend"] = {**layout["legend"], "font": {"size": 10}}
    return {**drawn, "layout": layout}


# ---- words ---------------------------------------------------------------------------------------------------


def _words(ctx: Context, data: dict[str, Any]) -> Markup:
    """What the numbers say, as tables; what was sampled or left out comes first."""
    about = hint(f"Counted in {data['unit']}" + (f" of {data['model']}, {data['template']}." if data["model"] else "."))
    notes = div(".wb-notes")[map(note, data["notes"])]
    return result_box(notes, _lengths(data), _roles(data), _facts(ctx, data), about)


def _lengths(data: dict[str, Any]) -> Markup:
    """How long the rows of each split are, and what the maximum length cuts."""
    names = list(dict.fromkeys(at for found in data["splits"].values() for at in found["lengths"]["percentiles"]))
    rows = []
    for split, found in data["splits"].items():
        lengths, lost = found["lengths"], found["cut"]
        told = f"{lost['rows']:,} rows, {lost['tokens_share']:.1%} of the tokens" if lost else "–"
        at = [lengths["percentiles"].get(name, 0) for name in names]
        rows.append((split, found["rows"], lengths["mean"], *at, lengths["max"], told))
    titles = ["Median" if name == "50" else f"{name} %" for name in names]
    cut = f"Cut at {data['max_length']:,}"
    return table(["Split", "Rows", f"Mean {data['unit']}", *titles, "Longest", cut], rows)


def _roles(data: dict[str, Any]) -> Markup:
    """Who says how much."""
    rows = [
        (split, role, said["messages"], said["units"],
         round(said["units"] / said["messages"], 1) if said["messages"] else 0, f"{said['share']:.1%}")
        for split, found in data["splits"].items() for role, said in found["roles"].items()
    ]  # fmt: skip
    unit = data["unit"].capitalize()
    return table(["Split", "Role", "Messages", unit, f"{unit} each", "Share"], rows)


def _facts(ctx: Context, data: dict[str, Any]) -> Markup:
    """Duplicates, and what training on it would take."""
    twice = data["duplicates"]
    near = f", {twice['near']:,} near" if twice["near"] is not None else ""
    rows = [("Duplicates", f"{twice['exact']:,} exact{near}")]
    if twice.get("shared"):
        rows.append(("In both splits", f"{twice['shared']:,} rows of eval are also in train"))
    asked = estimate(ctx.home, data, BATCH_ROWS)
    if asked["tokens"] is not None:
        text = f"{asked['tokens']:,} tokens, {asked['steps']:,} steps of {BATCH_ROWS} rows"
        if asked["seconds"]:
            text += f", about {human_duration(asked['seconds'])} as fast as {asked['measured_by']}"
        rows.append(("One epoch", text))
    return heading("What it takes") + facts(rows)

"""A tab whose jobs make models: ways of making one on the left; the job, what it found and what follows beside them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from htpy import Node, b, div
from markupsafe import Markup

from tabs.forms.sections import Part, kinds_of, sections
from tabs.shell.context import Context
from tabs.shell.elements import facts, heading, render_html, sentence_list, table
from tabs.shell.job_panel import JobPanel, job_panel
from tabs.shell.kit import Lines, Static
from tabs.shell.result_panel import Drawn, Figures, drawn_or_explained, result_panel, view_of
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.jobs.view import JobRecord


@dataclass
class JobResult:
    """What a job found: words and figures, and what it put on the shelf of which original.

    leads_to: the names of further next steps that make sense; tuner: what healing has to train with.
    """

    html: str = ""
    figures: Figures = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    original: str = ""
    leads_to: tuple[str, ...] = ()
    asks_memory: bool = False
    tuner: str = ""


Show = Callable[[Home, JobRecord, Any], JobResult]


@dataclass(frozen=True)
class NextStep:
    """A button that fills what `target` names with `data` of the job chosen.

    always: it is there for every job that made a model, else for those whose result leads to `target`.
    """

    label: str
    elem_id: str
    target: str
    data: Callable[[Context, JobRecord, JobResult], Any]
    always: bool = True


@dataclass(frozen=True)
class JobTab:
    """What such a tab is made of.

    parts: what it draws by hand, beside the forms of the kinds of job. shown: what is shown of a kind's result, by its
    id; others show their plain values. mark: changes when what a job found may have.
    """

    id: str
    parts: Sequence[Part]
    empty: Lines
    nothing: str
    shown: Mapping[str, Show]
    steps: Sequence[NextStep]
    mark: Callable[[Home, JobRecord], object]

    def build(self, ctx: Context, memory: Callable[[], gr.Number] | None = None) -> None:
        """Draws it; `memory` makes the question for which memory a result is wanted."""
        with gr.Row(elem_classes="wb-cols is-merge"):
            with gr.Column(elem_classes="wb-panel"):
                left = gr.Column()
            with gr.Column(elem_classes="wb-main"):
                with gr.Column(elem_classes="wb-panel"):
                    panel = job_panel(ctx, kinds_of(self.id), "Run", self.empty)
                with gr.Column(elem_classes="wb-panel"):
                    self._result(ctx, panel, memory)
        with left:
            sections(ctx, self.id, panel, self.parts, f"{self.id}-tabs")

    def _result(self, ctx: Context, panel: JobPanel, memory: Callable[[], gr.Number] | None) -> None:
        with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
            Static(heading("Result"))
            buttons: list[gr.Button] = []
            for step in self.steps:
                variant: Any = "secondary" if buttons else "primary"
                buttons.append(gr.Button(step.label, variant=variant, elem_id=step.elem_id, size="sm", visible=False))
                ctx.links.on(buttons[-1].click, step.target, self._data(ctx, step), [panel.picker])
        asked = [memory()] if memory else []

        def draw(job: str | None, gigabytes: float | None = None) -> Drawn:
            view = view_of(ctx, job)
            found = self.result_of(ctx.home, view, gigabytes) if view else JobResult()
            visible = [bool(found.models) if step.always else step.target in found.leads_to for step in self.steps]
            flags = [*visible, *[found.asks_memory for _ in asked]]
            return Drawn(found.html, found.figures, [gr.update(visible=flag) for flag in flags])

        def mark(job: str | None) -> str:
            view = view_of(ctx, job)
            return f"{view.id}:{view.status}:{self.mark(ctx.home, view)}" if view else ""

        result_panel(ctx, panel, self.id, self.nothing, draw, mark, [*buttons, *asked], asked)

    def result_of(self, home: Home, view: JobRecord, gigabytes: float | None = None) -> JobResult:
        """What a job found so far; nothing while its files are missing, and what is wrong with damaged ones."""
        draw = self.shown.get(view.job.method if view.job else "", plain_result)
        return drawn_or_explained(
            lambda: draw(home, view, gigabytes), lambda html: JobResult(html, models=on_shelf(home, view))
        )

    def _data(self, ctx: Context, step: NextStep) -> Callable[[str | None], Any]:
        def data(job: str | None) -> Any:
            view = ctx.queue.get(job or "")
            found = self.result_of(ctx.home, view)
            if step.always and not found.models:
                raise UserError("This job has put nothing on the shelf.", "Choose one that is done.", "Run")
            return step.data(ctx, view, found)

        return data


# ---- pieces of results -------------------------------------------------------------------------------------


def on_shelf(home: Home, view: JobRecord) -> list[str]:
    """The model a job put on the shelf, if it is still there."""
    model = str(view.state.result.get("model") or "")
    return [model] if model and (home.models / model).is_dir() else []


def plain_result(home: Home, view: JobRecord, _: Any = None) -> JobResult:
    """The plain values of a result, its `sentences` as a list and its `table`, one dict a row, as a table."""
    result, models = view.state.result, on_shelf(home, view)
    if view.status != "done":
        return JobResult(models=models)
    rows = [(_title(name), _words(value)) for name, value in result.items() if isinstance(value, str | int | float)]
    lists = [
        draw(result[name]) for name, draw in (("sentences", sentence_list), ("table", _records)) if result.get(name)
    ]
    return JobResult(render_html(facts(rows) if rows else None, lists), models=models)


def _records(records: list[dict[str, Any]]) -> Markup:
    """A table of rows that name their own columns."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [[record.get(name, "—") for name in columns] for record in records]
    return table([_title(name) for name in columns], rows)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _words(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def sample_card(prompt: str, answers: Mapping[str, str]) -> Node:
    """One prompt, and what each answered, by name."""
    lines = [div(".wb-sample-answer")[b[name], div[text or "(empty)"]] for name, text in answers.items()]
    return div(".wb-sample")[div(".wb-sample-prompt")[prompt], lines]


def job_json(path: Path) -> dict[str, Any]:
    """A JSON file of a job's folder; {} before it is written."""
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def titled(figures: list[dict[str, Any]]) -> Figures:
    """The figures with their titles, which the dropdown shows when there are several."""
    found = []
    for index, figure_data in enumerate(figures):
        title = figure_data["layout"].get("title") or {}
        text = str(title.get("text") if isinstance(title, dict) else title)
        layout = {name: value for name, value in figure_data["layout"].items() if name != "title" or len(figures) == 1}
        found.append((text or f"Figure {index + 1}", {**figure_data, "layout": layout}))
    return found

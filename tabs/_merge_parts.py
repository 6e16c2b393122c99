"""The smaller parts of the Merge tab: forms of its jobs, and the family tree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs._context import Context, guarded
from tabs._form import Form
from tabs._job_panel import QUIET, JobPanel
from tabs._kit import Figure, Static, empty, figure, heading, hint
from workbench.errors import UserError
from workbench.jobs.job import JOBS
from workbench.merging import catalogue
from workbench.models import family_figure
from workbench.models.family import family
from workbench.spec import dump_yaml


@dataclass(frozen=True)
class Section:
    """The form of one kind of job.

    pickers: which list fills a field ('models', 'adapters', 'datasets', 'sessions', 'trainings', 'methods'; with '*'
    several of it), or how it is written ('numbers', 'lines', 'yaml'). needs: what there must be, and how many, for the
    form to make sense; else `empty` says what to do.
    """

    method: str
    button: str
    pickers: dict[str, str]
    main: tuple[str, ...]
    needs: tuple[str, int] = ("models", 1)
    empty: tuple[str, str, str] = ("No models yet", "This works on models of the shelf.", "Get one in the Models tab.")


ADAPTERS = ("Two adapters are needed", "They are joined without touching their base.", "Train adapters of one base.")
FINETUNED = (
    "Two models are needed",
    "A fine-tuned model, and the base it came from.",
    "Import both in the Models tab.",
)

COMBINE = Section(
    "combine-adapters", "Combine adapters", {"adapters": "adapters*", "weights": "numbers"},
    ("adapters", "weights", "combination", "output"), ("adapters", 2), ADAPTERS,
)  # fmt: skip
EXTRACT = Section(
    "extract-lora", "Extract adapter", {"model": "models", "base": "models"},
    ("model", "base", "energy", "max_rank", "output"), ("models", 2), FINETUNED,
)  # fmt: skip
AVERAGE = Section(
    "average-checkpoints", "Average checkpoints", {"training": "trainings"},
    ("training", "last", "weighting", "output"), ("trainings", 1),
    ("No training run yet", "The checkpoints of one run can be averaged.",
     "Train with 'Keep checkpoints' above 1 (More settings)."),
)  # fmt: skip
MOE = Section(
    "assemble-moe", "Assemble", {"recipe": "yaml"}, ("recipe", "output"), ("models", 2), FINETUNED,
)  # fmt: skip
SEARCH = Section(
    "merge-search", "Search", {"models": "models*", "base": "models", "dataset": "datasets", "methods": "methods*"},
    ("models", "base", "dataset", "output", "trials", "minutes"), ("datasets", 1),
    ("No dataset yet", "A search needs something to be good at.", "Add texts or conversations in the Data tab."),
)  # fmt: skip
LIKENESS = Section(
    "likeness", "Compare weights", {"models": "models*", "base": "models"}, ("models", "base"), ("models", 2),
    ("Two models are needed", "Their weights are compared layer by layer.", "Train or import another one."),
)  # fmt: skip
MEASURE = Section(
    "measure", "Measure perplexity", {"models": "models*", "dataset": "datasets"}, ("models", "dataset", "rows"),
    ("datasets", 1), ("No dataset yet", "Models are measured on texts or conversations.", "Add one in the Data tab."),
)  # fmt: skip


def choices_of(ctx: Context, kind: str) -> Callable[[], list[tuple[str, str]]]:
    """The list behind a kind of picker."""
    lists: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "models": ctx.models,
        "adapters": ctx.adapters,
        "sessions": ctx.sessions,
        "trainings": lambda: ctx.jobs(("train",)),
        "datasets": ctx.of_kind("conversation", "text"),
        "methods": lambda: [(method.title, name) for name, method in catalogue.methods().items()],
    }
    return lists[kind]


HINTS = {"numbers": (1, "0.5, 0.5"), "lines": (3, "one a line"), "yaml": (9, "base_model: …")}


def picker(ctx: Context, kind: str) -> Callable[..., Any]:
    """What makes the widget of a field: a dropdown that follows a shelf, or a box for what is written."""
    if kind in HINTS:
        return lambda **options: _box(kind, **options)
    many = kind.endswith("*")
    choices, blank = choices_of(ctx, kind.rstrip("*")), [] if many else None
    return lambda **options: ctx.picker(choices, multiselect=many, **{**options, "value": blank})


def _box(kind: str, value: list[Any] | None = None, **options: Any) -> gr.Textbox:
    lines, hint_ = HINTS[kind]
    text = ("\n" if kind == "lines" else ", ").join(map(str, value or []))
    return gr.Textbox(text, lines=lines, placeholder=hint_, elem_classes=f"wb-box-{kind}", **options)


def written(kind: str, value: Any) -> Any:
    """What a box holds: numbers, lines, or YAML as it is."""
    text = str(value or "")
    if kind == "yaml":
        return text
    return text.replace(",", " ").split() if kind == "numbers" else [line for line in text.splitlines() if line.strip()]


def job_section(ctx: Context, section: Section, panel: JobPanel) -> Form | None:
    """The form and its button; the job it starts is shown in the panel. None when there is no such kind of job."""
    if section.method not in JOBS.all():
        return None
    job = JOBS.get(section.method)
    Static(heading(job.title, job.summary()))
    missing = lacks(ctx, section)
    lacking = Static(missing, visible=bool(missing))
    ctx.follow(lacking, lambda: gr.update(value=(words := lacks(ctx, section)), visible=bool(words)))
    form = Form(job, {name: picker(ctx, kind) for name, kind in section.pickers.items()}, main=list(section.main))
    start = gr.Button(section.button, variant="primary", elem_id=f"start-{section.method}")

    def submit(*values: Any) -> Any:
        data = form.data(values)
        for name, kind in section.pickers.items():
            if kind in HINTS:
                data[name] = written(kind, data[name])
        return shown(ctx, ctx.queue.submit(JOBS.parse({"method": section.method, **data})))

    start.click(guarded(submit), form.inputs, panel.picker, **QUIET)
    return form


def lacks(ctx: Context, section: Section) -> str:
    kind, least = section.needs
    return "" if len(choices_of(ctx, kind)()) >= least else empty(*section.empty)


def shown(ctx: Context, job: str) -> Any:
    """The update that makes the job panel show a job just submitted."""
    view = ctx.queue.get(job)
    return gr.update(choices=[(view.label, job)], value=job)


# ---- mixture of experts --------------------------------------------------------------------------------------


def mixture(ctx: Context, panel: JobPanel) -> None:
    """The form of a mixture of experts, whose recipe can be begun from models of the shelf."""
    if MOE.method not in JOBS.all():
        return
    with gr.Row():
        base = picker(ctx, "models")(label="Base", info="Gives all but the MLPs.", min_width=160)
        experts = picker(ctx, "models*")(label="Experts", info="Whole models trained from one base.", min_width=160)
    begin = gr.Button("Write a recipe to go on from", size="sm")
    form = job_section(ctx, MOE, panel)
    if form:
        begin.click(guarded(_moe_recipe), [base, experts], form.widget("recipe"), **QUIET)


def _moe_recipe(base: str | None, experts: list[str]) -> str:
    if not base or not experts:
        raise UserError("There is nothing to write yet.", "Choose a base and two experts or more.", "Experts")
    named = [{"source_model": name, "positive_prompts": [f"A prompt that {name} should answer."]} for name in experts]
    recipe = {"base_model": base, "gate_mode": "hidden", "experts_per_token": min(2, len(experts)), "experts": named}
    return dump_yaml(recipe)


# ---- family ------------------------------------------------------------------------------------------------


def family_tree(ctx: Context) -> gr.Dropdown:
    """An artifact's ancestors and descendants; returns the picker for others to fill."""
    Static(heading("Family tree", "What a model was made from, and what was made of it."))
    chosen = ctx.picker(ctx.models, first=True, label="Model", value=None, elem_id="tree-model")
    drawn, words = Figure(elem_id="tree"), Static(elem_id="tree-words")

    def draw(name: str | None) -> tuple[Any, str]:
        if not name:
            return figure(None), empty(
                "No model yet", "A tree grows as models are trained and merged.", "Get one first."
            )
        found = family(ctx.home, name)
        return figure(family_figure.figure(found)), "".join(hint(note) for note in found.notes)

    chosen.change(guarded(draw), chosen, [drawn, words], queue=False, **QUIET)
    return chosen

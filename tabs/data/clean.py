"""The recipe of a dataset: steps put together, applied as a job, undone, and the rows each of them touched."""

from typing import Any

import gradio as gr

from tabs.data.steps import catalogue, step_references
from tabs.forms.sections import shown
from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading
from tabs.shell.job_panel import LAST, QUIET, JobPanel, job_panel
from tabs.shell.kit import Static, component
from workbench.core.errors import Problem, Problems, SpecError, UserError, dotted
from workbench.core.home import free_name, safe_join
from workbench.data.jobs.prepare import Prepare
from workbench.data.recipes import pipeline
from workbench.data.recipes.recipe import Recipe, brief
from workbench.data.store.datasets import dataset_folder, dataset_manifest
from workbench.jobs.job import JOBS
from workbench.jobs.view import JobRecord

Query = dict[str, Any]
MOST_SHOWN_ROWS = 50


def clean(ctx: Context, dataset: gr.Dropdown) -> JobPanel:
    """The steps of the chosen dataset, and the job that applies them."""
    functions = {
        "load": lambda query: load(ctx, query), "check": lambda query: check(ctx, query),
        "apply": lambda query: apply(ctx, query), "undo": lambda query: undo(ctx, query),
        "touched": lambda query: touched(ctx, query), "restore": lambda query: restore(ctx, query),
        "read": read, "save": lambda query: save(ctx, query),
    }  # fmt: skip
    lines = ("No dataset yet", "Its recipe is put together here: steps that clean, change and divide the rows.",
             "Import one on the left.")  # fmt: skip
    steps = component("data_steps", None, functions, lines, catalogue=catalogue(), elem_id="data-steps")
    dataset.change(
        None, [dataset, steps], steps, js="(dataset, value) => ({...(value || {}), dataset, job: ''})", **QUIET
    )
    Static(heading("Runs"))
    panel = job_panel(
        ctx, ("prepare",), "Run", ("Nothing applied yet", "Progress and log of applying a recipe appear here.", "")
    )
    steps.submit(guarded(lambda value: _show(ctx, value)), steps, panel.picker, queue=False, **LAST, **QUIET)
    return panel


def _show(ctx: Context, value: Any) -> Any:
    job = value.get("job") if isinstance(value, dict) else ""
    return shown(ctx, job) if job else gr.skip()


# ---- the recipe as it is -----------------------------------------------------------------------------------


def load(ctx: Context, query: Query) -> dict[str, Any]:
    """The recipe of {'dataset'} and what its steps did; only {'mark', 'running'} if it is as {'seen'} says."""
    name = str(query.get("dataset") or "")
    if not name:
        return {"mark": "", "waiting": bool(ctx.datasets())}
    folder, last = dataset_folder(ctx.home, name), _last(ctx, name)
    files = [folder / file for file in ("manifest.yaml", "recipe.yaml", "steps.json")]
    marks = [path.stat().st_mtime_ns if path.exists() else 0 for path in (*files, ctx.home.datasets, ctx.home.models)]
    mark = "|".join(map(str, [name, *marks, last.id if last else "", last.status if last else ""]))
    reply = {"mark": mark, "running": _running(last)}
    if query.get("seen") == mark:
        return reply
    recipe, manifest = Recipe.at(folder), dataset_manifest(ctx.home, name)
    lists = {
        key: [choice for choice in ctx.choices(ref)() if ref["shelf"] != "datasets" or choice[1] != name]
        for key, ref in step_references().items()
    }
    return {
        **reply, "name": name, "kind": manifest.info.get("kind"), "rows": manifest.info.get("rows"),
        "applied": [brief(step) for step in recipe.steps], "report": pipeline.step_summaries(ctx.home, name),
        "undo": len(pipeline.history(ctx.home, name)), "yaml": recipe.to_yaml(), "failed": _failed(last),
        "lists": lists, "copy": free_name(ctx.home.datasets, f"{name}-copy"),
    }  # fmt: skip


def _last(ctx: Context, name: str) -> JobRecord | None:
    """The newest job that prepares this dataset."""
    rows = reversed(ctx.queue.all())
    found = next((row.id for row in rows if row.method == Prepare.method and row.subject == name), None)
    return ctx.queue.get(found) if found else None


def _running(last: JobRecord | None) -> dict[str, Any] | None:
    """Which job is applying a recipe, and how far it is."""
    if last is None or last.final:
        return None
    progress = last.state.progress
    return {"job": last.id, "status": last.status, "text": str(progress.get("text") or "Waiting for its turn")}


def _failed(last: JobRecord | None) -> dict[str, Any] | None:
    """Where the last run broke off, and with which steps."""
    if last is None or not isinstance(last.job, Prepare) or last.status != "failed":
        return None
    problem = at_step(Problem(last.state.path, last.state.error, last.state.remedy))
    return {"steps": [brief(step) for step in last.job.recipe.steps], "problem": problem}


# ---- changing it -------------------------------------------------------------------------------------------


def check(ctx: Context, query: Query) -> dict[str, Any]:
    """{'problems', 'yaml'} of the dataset's recipe with {'steps'}; nothing is changed."""
    name, steps = str(query.get("dataset") or ""), query.get("steps") or []
    try:
        recipe = pipeline.with_steps(ctx.home, name, steps)
        problems = Problems()
        recipe.check(ctx.home, str(dataset_manifest(ctx.home, name).info.get("kind")), problems)
    except SpecError as error:
        return {"problems": [at_step(one) for one in error.problems], "yaml": ""}
    return {"problems": [at_step(one) for one in problems.found], "yaml": recipe.to_yaml()}


def at_step(problem: Problem) -> dict[str, Any]:
    """A problem with the number of its step, from 1, and the setting in it; 0 when it is of no step."""
    path = problem.path[1:] if problem.path[:1] == ("recipe",) else problem.path
    message = {"message": problem.message, "remedy": problem.remedy}
    match path:
        case ("steps", int(index), *inner):
            return {"step": index + 1, "field": str(inner[0]) if inner else "", **message}
    return {"step": 0, "field": dotted(path), **message}


def apply(ctx: Context, query: Query) -> dict[str, Any]:
    """Starts the job that makes the dataset anew with {'steps'}, unless it has others than {'base'} by then.

    {'job'} or {'problems'}.
    """
    try:
        recipe = pipeline.with_steps(ctx.home, str(query.get("dataset") or ""), query.get("steps") or [])
        job = {"method": Prepare.method, "recipe": recipe.to_dict(), "after": query.get("base")}
        return {"job": ctx.queue.submit(JOBS.parse(job))}
    except SpecError as error:
        return {"problems": [at_step(one) for one in error.problems]}


def undo(ctx: Context, query: Query) -> dict[str, Any]:
    """Goes back one applied change; the recipe as it is then."""
    pipeline.undo_change(ctx.home, str(query.get("dataset") or ""))
    return load(ctx, {"dataset": query.get("dataset")})


def read(query: Query) -> dict[str, Any]:
    """The steps of a recipe pasted as {'yaml'}, and what of it is not used."""
    recipe = Recipe.parse(str(query.get("yaml") or ""))
    steps = [brief(step) for step in recipe.steps]
    return {"steps": steps, "source": recipe.source_settings, "name": recipe.name}


def save(ctx: Context, query: Query) -> dict[str, Any]:
    """Starts the job that makes a dataset {'name'} of the rows of this one: 'result', 'rows', 'train' or 'eval'."""
    name = str(query.get("name") or "").strip()
    if safe_join(ctx.home.datasets, name).exists():
        raise UserError(f"There is a dataset {name!r} already.", "Choose another name.", "name")
    source = {"method": "shelf", "dataset": str(query.get("dataset") or ""), "part": query.get("part") or "result"}
    recipe = Recipe.parse({"name": name, "source": source})
    return {"job": ctx.queue.submit(JOBS.parse({"method": Prepare.method, "recipe": recipe.to_dict()}))}


# ---- the rows a step touched -------------------------------------------------------------------------------


def touched(ctx: Context, query: Query) -> dict[str, Any]:
    """A page of the rows {'step'}, from 1, has {'what'}: 'removed', 'changed' or 'flagged'; from {'start'} on.

    With {'key'}, only if the report knows the step by it.
    """
    name, step, key = str(query["dataset"]), int(query["step"]), str(query.get("key") or "")
    start, count = int(query.get("start") or 0), min(int(query.get("count") or 10), MOST_SHOWN_ROWS)
    return pipeline.touched(ctx.home, name, step, str(query["what"]), start, count, key)


def restore(ctx: Context, query: Query) -> dict[str, Any]:
    """Keeps the rows {'ids'} whatever {'step'} says, or lets it have them again; the recipe as it is then."""
    name, ids = str(query["dataset"]), [int(one) for one in query.get("ids") or []]
    key = str(query.get("key") or "")
    pipeline.restore(ctx.home, name, int(query["step"]), ids, back=bool(query.get("back", True)), key=key)
    return load(ctx, {"dataset": name})

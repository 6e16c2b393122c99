"""What a training takes, beneath its form: memory against what is free, disk, rows that are cut off, and settings that
fit."""

from typing import Any

import gradio as gr

from tabs.forms.form import Form
from tabs.shell.context import Context
from tabs.shell.kit import component
from tabs.train.row_looks import RowLooks
from workbench.core.errors import Problems, UserError
from workbench.core.units import human_size
from workbench.models.model_references import resolve_setting
from workbench.training.jobs.train import Train
from workbench.training.memory_fit import fitting_job
from workbench.training.preflight import disk_facts, folding_fact, memory_facts, row_facts
from workbench.training.preflight_words import PART_TITLES, disk_sentence, memory_sentence, row_sentences

NOT_YET = "Choose a model and a dataset to see what a training takes."


def training_check(ctx: Context, form: Form) -> gr.HTML:
    """The component; its value is {"settings", "fit"}, the form's and those that a person asked for to make it fit."""
    looks = RowLooks()
    functions = {
        "takes": lambda query: takes(ctx, form, query),
        "rows": lambda query: look_at_rows(ctx, form, looks, query),
        "fit": lambda query: fitting_settings(ctx, form, query),
    }
    return component("training_check", {}, functions, ("", "", ""), elem_id="train-check")


def _job(form: Form, query: dict[str, Any]) -> Any:
    return form.parsed(query.get("settings"))


def look_at_rows(ctx: Context, form: Form, looks: RowLooks, query: dict[str, Any]) -> dict[str, Any]:
    """The state of the look of the page named "page": begun with "settings", ended with "stop", asked for without."""
    page = query.get("page")
    if not isinstance(page, str) or not page:
        raise UserError("This call names no page.", "Reload the page.", "page")
    if query.get("stop"):
        return looks.stop(page)
    if "settings" not in query:
        return looks.state(page)
    job = _job(form, query)
    return looks.start(page, lambda task: row_sentences(row_facts(ctx.home, job, task)))


def takes(ctx: Context, form: Form, query: dict[str, Any]) -> dict[str, Any]:
    """{text, fits, free, parts, lines} of the settings; only a text where they are not complete.

    Of the settings in "names" it gives the values they have, too.
    """
    settings = query.get("settings")
    if not isinstance(settings, dict) or not settings.get("model") or not settings.get("dataset"):
        return {"text": NOT_YET}
    job = _job(form, query)
    memory, disk = memory_facts(ctx.home, job), disk_facts(ctx.home, job)
    whole = max(memory["device_total"], memory["total"])
    parts = [
        {"name": name, "title": PART_TITLES[name], "share": size / whole, "size": human_size(size)}
        for name, size in memory["parts"].items()
        if size
    ]
    folding = folding_fact(resolve_setting(ctx.home, job, "model"), job)
    lines = [
        disk_sentence(disk),
        *([folding] if folding else []),
        *_problems(ctx, job),
    ]
    free = min(1.0, memory["free"] / whole)
    names, written = query.get("names"), job.to_dict()
    values = {name: written[name] for name in names if name in written} if isinstance(names, list) else {}
    return {
        "text": memory_sentence(memory), "fits": memory["fits"], "free": free, "parts": parts, "lines": lines,
        "values": values,
    }  # fmt: skip


def _problems(ctx: Context, job: Train) -> list[str]:
    """All that is wrong with the settings, before anything is loaded."""
    problems = Problems()
    job.check(ctx.home, problems)
    return [str(problem) for problem in problems.found]


def fitting_settings(ctx: Context, form: Form, query: dict[str, Any]) -> dict[str, Any]:
    """{settings, changes}: those that changed, and each with its label and why."""
    found = fitting_job(ctx.home, _job(form, query)).to_dict()
    titles = {name: field["label"] for name, field in form.fields.items()}
    changes = [{**change, "title": titles.get(change["setting"], change["setting"])} for change in found["changes"]]
    return {"settings": found["settings"], "changes": changes}

"""The recipe of the Merge tab: what the builder asks the server, and the merge it starts."""

import json
import math
from pathlib import Path
from typing import Any

import gradio as gr

from tabs.forms.form import Form, beside_fields
from tabs.forms.sections import shown
from tabs.shell.context import Context
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import REVEAL, MergeBuilder
from workbench.core.errors import Problem, SpecError, UserError
from workbench.core.home import free_name, list_artifacts, slug
from workbench.core.row_cache import RowCache
from workbench.core.spec import dump_yaml
from workbench.merging import catalogue
from workbench.merging.checks import check_recipe
from workbench.merging.jobs.merge import Merge, Proof
from workbench.merging.recipe import MergeRecipe, for_mergekit, layer_count
from workbench.merging.stack import layer_of
from workbench.models import tensors
from workbench.models.model_references import resolve
from workbench.models.shelf import ModelInfo

SHAPE = ("architectures", "hidden_size", "n_embd", "intermediate_size", "num_hidden_layers", "n_layer")


def recipe(ctx: Context, panel: JobPanel) -> None:
    """The builder, the settings of the proof, and the button; others may fill the builder as `merge`."""
    builder = MergeBuilder(
        [method.to_dict() for method in catalogue.methods().values()],
        lambda query: models(ctx, query), lambda query: checked(ctx, query),
        lambda query: {"recipe": MergeRecipe.parse(str(query.get("yaml") or "")).to_dict()},
        lambda query: {"yaml": for_mergekit(ctx.home, MergeRecipe.parse(query.get("recipe") or {}))},
        empty=("No models yet", "Merging makes one model out of several, without training.",
               "Merging needs two models of one architecture: train an adapter first, or import one."),
        elem_id="merge-builder",
    )  # fmt: skip
    with gr.Accordion("Sanity check and files", open=False):
        proof = Form(Proof, ctx.choices, path=("proof",))
        files = Form(Merge, skip=("output", "recipe", "seed", "kernels", "proof"))
    start = gr.Button("Merge", variant="primary", elem_id="merge-start", elem_classes="wb-start")

    def submit(value: Any, proved: Any, written: Any) -> Any:
        if not isinstance(value, dict) or not value.get("recipe"):
            raise UserError("There is no recipe yet.", "Get two models of one architecture first.", "recipe")
        job = Merge.parse({**value, "proof": proof.data(proved), **files.data(written)})
        return shown(ctx, ctx.queue.submit(job))

    started = start.click(
        beside_fields(submit, [proof, files]), [builder, proof.input, files.input],
        [panel.picker, proof.input, files.input], **QUIET,
    )  # fmt: skip
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)
    ctx.links.offer("merge", builder, lambda _, value: value)


def models(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    """The models a recipe can name, as the builder wants them; None if the shelf is as the query saw it."""
    mark = f"{ctx.home.models.stat().st_mtime_ns}:{len(list_artifacts(ctx.home.models))}"
    if query.get("seen") == mark:
        return {"mark": mark, "models": None}
    found = [info for info in ctx.infos() if not info.error and info.kind in ("model", "adapter")]
    FACTS.keep_only([info.folder for info in found])
    return {"mark": mark, "models": [told for info in found if (told := _told(ctx, info))]}


def _told(ctx: Context, info: ModelInfo) -> dict[str, Any] | None:
    """One model; depth, size and shape of an adapter are its base's. None if its files cannot be read."""
    try:
        facts = FACTS.row(resolve(ctx.home, info.name).base)
    except (UserError, OSError, ValueError):
        return None
    return {"name": info.name, "base": info.base if info.is_adapter else "", **facts}


def _facts(folder: Path) -> dict[str, Any]:
    """Depth, size and shape of a whole model."""
    sizes = [(math.prod(shape), layer_of(name)) for name, shape, _ in tensors.shapes(folder)]
    depth, shape = layer_count(folder), _shape(folder)
    per_layer = sum(size for size, layer in sizes if layer is not None) // max(1, depth)
    return {"layers": depth, "per_layer": per_layer, "parameters": sum(size for size, _ in sizes), "shape": shape}


def _shape(folder: Path) -> str:
    """What two models must have in common to be merged."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return json.dumps([config.get(key) for key in SHAPE])


FACTS = RowCache(_facts)


def checked(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    """What the builder shows beneath a recipe: problems, notes, facts, the YAML, and a name if one is wanted."""
    data = query.get("recipe") or {}
    name = _suggested(ctx, data) if query.get("name") else str(query.get("output") or "")
    reply: dict[str, Any] = {"problems": [], "notes": [], "facts": [], "name": name, "yaml": dump_yaml(data)}
    try:
        recipe = MergeRecipe.parse(data)
        found = check_recipe(ctx.home, recipe, name)
    except SpecError as error:
        return {**reply, "problems": [problem.to_dict() for problem in error.problems]}
    except UserError as error:
        return {**reply, "problems": [Problem(error.path, error.message, error.remedy).to_dict()]}
    problems, notes = ([problem.to_dict() for problem in part] for part in (found.problems, found.notes))
    return {**reply, "problems": problems, "notes": notes, "facts": found.facts, "yaml": recipe.to_yaml()}


def _suggested(ctx: Context, data: dict[str, Any]) -> str:
    """A free name made of the first model that is not the base, and the method."""
    sources = [*(data.get("models") or []), *(model for name in data.get("slices") or [] for model in name["sources"])]
    names = [str(model.get("model")) for model in sources]
    others = [name for name in names if name != data.get("base_model")] or names or ["merged"]
    return free_name(ctx.home.models, slug(f"{others[0]}-{data.get('merge_method', 'merge')}"))

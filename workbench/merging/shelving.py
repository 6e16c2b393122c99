"""A merge put on the shelf: weights, config, tokenizer, the recipe as mergekit reads it, card and manifest.

Imports torch and mergekit: only job processes import this.
"""

import shutil
from collections.abc import Mapping

from workbench.core.home import atomic_dir, safe_join, write_text
from workbench.core.lineage import Manifest, Parent, parent_of, write_manifest
from workbench.family.model_card import model_card
from workbench.jobs.job import JobContext
from workbench.merging.engine import MergePlan
from workbench.merging.recipe import MergeRecipe
from workbench.models.chat_tokens import write_stops
from workbench.models.model_references import Resolved
from workbench.models.tokenizer_check import check_tokenizer
from workbench.models.weights import ShardWriter


def shelve_merge(
    ctx: JobContext,
    recipe: MergeRecipe,
    plan: MergePlan,
    writer: ShardWriter,
    manifest: Manifest,
    replace: bool = False,
) -> None:
    """Gives what `merge_to` wrote its place, whole or not at all, and removes the files it came from."""
    with atomic_dir(safe_join(ctx.home.models, manifest.name, "output"), replace) as partial:
        writer.finish(partial)
        plan.save_rest(partial)
        check_tokenizer(partial, field="recipe", note=print)
        write_stops(partial)
        write_text(partial / "mergekit_config.yml", recipe.to_yaml())
        write_text(partial / "README.md", model_card(manifest, home=ctx.home))
        write_manifest(partial, manifest)
    shutil.rmtree(writer.folder, ignore_errors=True)


def parents_of(recipe: MergeRecipe, models: Mapping[str, Resolved]) -> list[Parent]:
    """Every folder that goes in, once; adapters with their bases."""
    entries: dict[str, Parent] = {}
    for written, model in models.items():
        role = "merge-base" if written == recipe.base_model else "merged"
        for folder in (model.adapter, model.base):
            if folder:
                entries.setdefault(folder.name, parent_of(folder, role))
    return list(entries.values())

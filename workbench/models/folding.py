"""An adapter added to its base: one whole model in a folder. LoRA is added tensor by tensor, others through PEFT."""

import shutil
from pathlib import Path

from workbench.jobs.job import JobContext
from workbench.models.shelf import Resolved
from workbench.models.tensors import cannot_fold


def fold_into(ctx: JobContext, found: Resolved, folder: Path) -> None:
    """Writes weights, config and tokenizer into an empty folder; raises `JobStopped` when asked to stop."""
    from workbench.models.loading import load_tokenizer

    assert found.adapter
    (_whole if cannot_fold(found.adapter) else _streamed)(ctx, found, folder)
    load_tokenizer(found.home_of_template).save_pretrained(folder)


def _streamed(ctx: JobContext, found: Resolved, folder: Path) -> None:
    from workbench.models.weights import ShardWriter, open_weights

    weights = open_weights(found)
    names = weights.names()
    writer = ShardWriter(folder, 2 * 10**9, len(names))
    for place, name in enumerate(names):
        ctx.checkpoint()
        if place % 20 == 0:
            ctx.progress(place, len(names), f"Adding {name}")
        writer.add(name, weights.get(name))
    writer.finish()
    for name in ("config.json", "generation_config.json", "tokenizer.model"):
        if (found.base / name).is_file():
            shutil.copyfile(found.base / name, folder / name)
    ctx.progress(len(names), len(names), "Added")


def _whole(ctx: JobContext, found: Resolved, folder: Path) -> None:
    from peft import PeftModel

    from workbench.hardware import probe
    from workbench.models.loading import load_base

    ctx.progress(0, 3, f"Loading {found.base.name}")
    model = PeftModel.from_pretrained(load_base(found.base, probe()), str(found.adapter))
    ctx.checkpoint()
    ctx.progress(1, 3, "Adding the adapter")
    merged = model.merge_and_unload(safe_merge=True)
    ctx.progress(2, 3, "Saving")
    merged.save_pretrained(folder)
    ctx.progress(3, 3, "Added")

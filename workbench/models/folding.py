"""An adapter added to its base: one whole model in a folder, tensor by tensor, held against PEFT when it is done."""

import json
import shutil
from pathlib import Path
from typing import Any

from workbench.core.home import write_text
from workbench.jobs.job import JobContext
from workbench.models.chat_tokens import copy_tokenizer, write_stops
from workbench.models.model_references import Resolved
from workbench.models.rope_scaling import scaling_words
from workbench.models.tensors import model_config
from workbench.rendering.templates import get_template

FINISHED = "done"
BESIDE = (
    "generation_config.json", "tokenizer.model", "preprocessor_config.json", "processor_config.json",
)  # fmt: skip


def fold_into(ctx: JobContext, resolved: Resolved, folder: Path) -> dict[str, Any]:
    """Writes weights, config and tokenizer into an empty folder; returns what the comparison with PEFT measured.

    Raises `UserError` for an adapter that cannot be folded and when base + adapter and the folded model differ by
    more than rounding, `JobStopped` when asked to stop.
    """
    from workbench.models.fold_check import compare_with_adapter
    from workbench.models.tokenizer_check import check_tokenizer

    check_tokenizer(resolved.home_of_template, field="adapter", note=ctx.note, base=resolved.base)
    changed = _write(ctx, resolved, folder)
    copy_tokenizer(resolved.base, folder)
    if resolved.home_of_template != resolved.base:
        copy_tokenizer(resolved.home_of_template, folder, get_template("model", resolved.home_of_template))
    check_tokenizer(folder, field="adapter", note=print)
    write_stops(folder)
    return compare_with_adapter(ctx, resolved, folder, changed)


def folded(ctx: JobContext, resolved: Resolved, folder: Path) -> Resolved:
    """A whole model as it is; of an adapter over its base the sum, made once in a folder of the job's.

    That folder has no manifest. Raises as `fold_into`.
    """
    if resolved.adapter is None:
        return resolved
    if not (folder / FINISHED).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        fold_into(ctx, resolved, folder)
        write_text(folder / FINISHED, "")
    return Resolved(resolved.name, folder, None)


def _write(ctx: JobContext, resolved: Resolved, folder: Path) -> set[str]:
    """Streams the tensors and writes the config; returns the model's parameters that the adapter changes."""
    from workbench.models.merged import MergedTensors
    from workbench.models.weights import ShardWriter

    assert resolved.adapter
    ctx.task.update(0, 0, "Reading the adapter")
    weights = MergedTensors(resolved.base, resolved.adapter)
    names = weights.names()
    with ShardWriter(folder, 2 * 10**9, len(names)) as writer:
        for index, name in enumerate(names):
            ctx.task.check_stop()
            if index % 20 == 0:
                ctx.task.update(index, len(names), f"Adding {name}")
            writer.add(name, weights.get(name))
        writer.finish()
    for note in _notes(weights.config_changes):
        ctx.note(note)
    config = changed_config(model_config(resolved.base), weights.config_changes)
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    for name in BESIDE:
        if (resolved.base / name).is_file():
            shutil.copyfile(resolved.base / name, folder / name)
    ctx.task.update(len(names), len(names), "Added")
    return weights.changed()


def changed_config(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A config.json with other settings, in the part that describes the language model too if it has one."""
    if isinstance(text := config.get("text_config"), dict):
        config = {**config, "text_config": {**text, **changes}}
        changes = {name: value for name, value in changes.items() if name in config or name not in text}
    return {**config, **changes}


def _notes(changes: dict[str, Any]) -> list[str]:
    notes = []
    if "tie_word_embeddings" in changes:
        notes.append("The adapter changes the embedding and the output head apart: they are two tensors now, not one.")
    if rows := changes.get("vocab_size"):
        notes.append(f"The adapter brings an embedding of {rows} rows, and the tokenizer that goes with it.")
    if scaling := scaling_words(changes):
        notes.append(f"The adapter was trained with {scaling}: the config.json of the whole model says so.")
    return notes

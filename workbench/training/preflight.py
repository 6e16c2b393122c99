"""What is known of a training before it starts: memory, disk, rows that are cut off, and what its template trains.

Plain facts for the page and the command line. Imports no torch.
"""

import shutil
from typing import Any

from workbench.core.hardware import cached_hardware
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.encoding.batches import Tally, encode_batch
from workbench.data.store import datasets
from workbench.models import tensors
from workbench.models.model_references import Resolved, resolve_setting
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.training.jobs.train import Train
from workbench.training.memory_estimate import estimate_memory
from workbench.training.memory_fit import device_room
from workbench.training.token_findings import token_findings

SAMPLED_ROWS = 500
PIECE_ROWS = 20  # rows between two words of progress
BLOCKS = 5  # parts of the dataset that the sample is of


def memory_facts(home: Home, job: Train) -> dict[str, Any]:
    """{parts, total, free, device_total, fits, device, name} in bytes; raises `UserError`."""
    hardware = cached_hardware(home)
    estimate, room = estimate_memory(home, job, hardware), device_room(home, hardware)
    return {
        "parts": estimate.to_dict(), "total": estimate.total, "free": room.free, "device_total": room.total,
        "fits": room.holds(estimate), "device": hardware.device,
    }  # fmt: skip


def disk_facts(home: Home, job: Train) -> dict[str, Any]:
    """{needed, free, parts} in bytes, of checkpoints, best evaluation and result; raises `UserError`."""
    estimate = job.disk_estimate(home, resolve_setting(home, job, "model"))
    return {"needed": estimate.total, "free": shutil.disk_usage(home.root).free, "parts": estimate.to_dict()}


def row_facts(home: Home, job: Train, task: Task | None = None) -> dict[str, Any]:
    """{rows, looked_at, cut, share, longest, left_out, warnings, findings}, from up to 500 rows of the train split.

    What the maximum length cuts off and the template trains. `longest` is the length that would cut none of them.

    Raises `UserError`, and what stops the task.
    """
    source = resolve_setting(home, job, "model")
    folder = source.home_of_template
    template, kind = get_template(job.template, folder), datasets.dataset_kind(home, job.dataset)
    rules, tokenizer = job.objective.rules(kind, template, job.max_length), Tokenizer.load(folder)
    total, tally = datasets.count(home, job.dataset, "train"), Tally()
    task = task or Task()
    for start, count in _blocks(total):
        task.check_stop()
        rows = datasets.rows(home, job.dataset, "train", start, count)
        for first in range(0, len(rows), PIECE_ROWS):
            task.check_stop()
            task.update(tally.rows, min(total, SAMPLED_ROWS), "Looking at the rows")
            piece = rows[first : first + PIECE_ROWS]
            tally.add(encode_batch(piece, start + first, tokenizer, rules)[1])
    findings = token_findings(kind, folder, tokenizer, template)
    return {
        "rows": total, "looked_at": tally.rows, "cut": tally.cut, "longest": tally.longest,
        "share": tally.cut / tally.kept if tally.kept else 0.0,
        "left_out": [[reason, count] for reason, (count, _) in tally.reasons],
        "warnings": [[kind, count] for kind, count in tally.warnings.most_common()], "findings": findings,
    }  # fmt: skip


def _blocks(total: int) -> list[tuple[int, int]]:
    """(start, count) of the rows that are looked at: all, or blocks at even distances."""
    if total <= SAMPLED_ROWS:
        return [(0, total)] if total else []
    return [(total * block // BLOCKS, SAMPLED_ROWS // BLOCKS) for block in range(BLOCKS)]


def folding_fact(source: Resolved, job: Train) -> str:
    """Of a base that is quantized: what its adapter can and cannot be folded into; '' for others."""
    quantized = tensors.model_config(source.base).get("quantization_config")
    if not isinstance(quantized, dict) or job.tuner.makes != "adapter":
        return ""
    method = quantized.get("quant_method") or "quantized"
    return (
        f"{source.base.name} is quantized ({method}): the adapter will answer over it, and cannot be folded into it. "
        "For one that can, train on the model that was quantized."
    )


def preflight(home: Home, job: Train, task: Task | None = None) -> dict[str, Any]:
    """{memory, disk, rows, folding}: all that is known before the start; raises `UserError`."""
    source = resolve_setting(home, job, "model")
    return {
        "memory": memory_facts(home, job), "disk": disk_facts(home, job), "rows": row_facts(home, job, task),
        "folding": folding_fact(source, job),
    }  # fmt: skip

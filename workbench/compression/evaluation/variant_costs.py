"""What it cost: every variant of a model measured alike, one child process after another, kept in cost.json.

A variant that fails is a row with its error. What is finished is kept when the job is stopped, dies and is resumed.
"""

import itertools
import json
import logging
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from workbench.compression.evaluation import variant_child, windows
from workbench.compression.evaluation.recommend import flagged, recommend
from workbench.compression.evaluation.remarks import note_of, protocol
from workbench.compression.evaluation.windows import ScoredText
from workbench.compression.jobs.cost import Cost
from workbench.compression.variants import Variant, find_variant
from workbench.core.errors import MemoryShortage, UserError, explain
from workbench.core.hardware import hardware_from_os
from workbench.core.home import write_text
from workbench.core.stats import Interval, mean_interval, perplexity, quantile_interval, resampled, sums_by_row
from workbench.jobs.job import JobContext, JobStopped
from workbench.models.model_references import resolve_setting, shelf_name

log = logging.getLogger(__name__)

COST = "cost.json"
FREE = "Free memory, or leave this variant out."

Row = dict[str, Any]


def read_costs(folder: Path) -> dict[str, Any]:
    """What a job of this kind found so far: {'original', 'protocol', 'rows', 'paired', …}; {} before the first row."""
    try:
        return dict(json.loads((folder / COST).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def measure_variants(job: Cost, ctx: JobContext) -> dict[str, Any]:
    """Measures the original and all variants; the result names what failed and what is recommended.

    All figures are in cost.json. Raises `JobStopped` with what is kept.
    """
    scratch = ctx.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    ctx.task.update(0, 0, "Preparing the text")
    resolved = resolve_setting(ctx.home, job, "original")
    text = windows.prepare_windows(
        ctx.home, resolved, job.dataset, job.rows, job.context, job.stride, job.positions, job.seed
    )  # fmt: skip
    text.save(scratch / "text.json")
    table = _Table(ctx, job, resolved.name, text, scratch)
    try:
        table.fill()
    except JobStopped:
        if ctx.stop_requested() == "discard":
            shutil.rmtree(scratch, ignore_errors=True)
            (ctx.folder / COST).unlink(missing_ok=True)
            raise JobStopped from None
        raise JobStopped({"original": table.original, "measured": len(table.rows)}) from None
    shutil.rmtree(scratch, ignore_errors=True)
    failed = [row["name"] for row in table.data["rows"] if "error" in row]
    advice = table.data["recommendation"]
    ctx.note(advice["sentence"])
    return {
        "original": table.original, "measured": len(table.data["rows"]) - len(failed), "failed": failed,
        "recommended": advice["name"], "recommendation": advice["sentence"],
    }  # fmt: skip


class _Table:
    """The rows so far, and what makes the next one."""

    def __init__(self, ctx: JobContext, job: Cost, original: str, text: ScoredText, scratch: Path):
        self.ctx, self.job, self.original, self.text, self.scratch = ctx, job, original, text, scratch
        self.names = list(dict.fromkeys([original, *(shelf_name(ctx.home, name) for name in job.variants)]))
        self.threads = job.threads or hardware_from_os().cores
        self.fingerprint = f"{text.fingerprint()}-{find_variant(ctx.home, original).digest}"
        self.drawn = list(resampled(len(text.rows), job.seed))
        old = read_costs(ctx.folder)
        same = old.get("fingerprint") == self.fingerprint
        self.rows: list[Row] = [row for row in old["rows"] if "error" not in row] if same else []
        self.reference: dict[str, Any] = old.get("reference") or {} if same else {}
        self.data: dict[str, Any] = old if same else {}

    def fill(self) -> None:
        """Measures what is missing."""
        total = len(self.names) + 1
        if not (self.reference and (self.scratch / "reference.npz").is_file()):
            self.rows = []
            self.reference = self._original()
        for index, name in enumerate(self.names, 1):
            if not self._finished(name):
                self.rows = [row for row in self.rows if row["name"] != name]
                self.rows.append(self._row(name, index))
                self._write()
            self.ctx.task.step(index, total).update(1, 1, f"{name} is measured")
        self._write()

    def _original(self) -> dict[str, Any]:
        """The original's probabilities, which all others are compared with; without them there is nothing to tell."""
        try:
            return self._child(self.original, 0, "The original's probabilities", reference=True)
        except UserError as error:
            raise UserError(f"The original could not be measured: {error.message}", error.remedy, "original") from None

    def _finished(self, name: str) -> bool:
        """Whether this very variant has a row, with its arrays still there."""
        row = next((row for row in self.rows if row["name"] == name), None)
        has_arrays = (self.scratch / f"of-{name}.npz").is_file()
        return bool(row and has_arrays and row["digest"] == find_variant(self.ctx.home, name).digest)

    def _row(self, name: str, index: int) -> Row:
        began = time.monotonic()
        row: Row = {"name": name, "original": name == self.original}
        try:
            variant = find_variant(self.ctx.home, name)
            row |= {"kind": variant.kind, "type": variant.type, "bytes": variant.bytes, "digest": variant.digest}
            measured = self._child(name, index, name)
            row |= self._figures(variant, measured)
        except JobStopped:
            raise
        except Exception as error:  # one broken variant must not spoil the table
            failure = explain(error)
            if not isinstance(error, UserError):
                log.exception("%s could not be measured", name)
            remedy = FREE if isinstance(failure, MemoryShortage) else failure.remedy
            row |= {"error": failure.message, "remedy": remedy}
            self.ctx.note(f"{name} could not be measured: {failure.message}")
        return {**row, "seconds": round(time.monotonic() - began, 1)}

    def _figures(self, variant: Variant, measured: dict[str, Any]) -> Row:
        """What the child found, with intervals."""
        parameters = variant.parameters or measured["parameters"]
        pace = measured.get("speed") or {}
        peaks = measured["memory_loading"], measured["memory_running"]
        row = {
            "parameters": parameters,
            "bits_per_weight": round(8 * variant.bytes / parameters, 3),
            **{key: measured[key] for key in ("backend", "device", "load_seconds", "memory_loading", "memory_running")},
            "memory": max(peaks),
            "prompt_speed": pace.get("prompt"),
            "generation_speed": pace.get("generation"),
            "speed_test": {key: pace[key] for key in ("prompt_tokens", "tokens", "threads", "busy") if key in pace},
            "tokens": measured["tokens"],
        }
        return {**row, **self._quality(variant.name, measured["same_tokenizer"]), "notes": measured["notes"]}

    def _quality(self, name: str, same: bool) -> Row:
        with np.load(self.scratch / f"of-{name}.npz") as arrays, np.load(self.scratch / "reference.npz") as reference:
            loss, variant_arrays, before = arrays["nll"], dict(arrays), reference["nll"]
        if not all(np.isfinite(array).all() for array in variant_arrays.values()):
            raise UserError("The model gives a token of the text no chance at all.", "Its weights are damaged.")
        rows, owner = len(self.text.rows), self.text.owner
        own = variant_arrays.get("owner", owner)
        count = np.array([row.bytes for row in self.text.rows], dtype=float)
        nats = sums_by_row(loss, own, rows)
        bits = mean_interval(nats / math.log(2), count, self.drawn)
        tokens = sums_by_row(np.ones(len(loss)), own, rows)
        figures = {"perplexity": mean_interval(nats, tokens, self.drawn).mapped(perplexity)}
        figures["bits_per_byte"] = bits
        if same:
            apart = sums_by_row(loss - before, owner, rows)
            figures["ratio"] = mean_interval(apart, tokens, self.drawn).mapped(perplexity)
            figures |= self._distance(variant_arrays["kl"], variant_arrays["same"])
        return {"same_tokenizer": same, **{key: interval.to_dict() for key, interval in figures.items()}}

    def _distance(self, kl: Any, same: Any) -> dict[str, Interval]:
        owner, rows = self.text.owner[self.text.chosen], len(self.text.rows)
        count = sums_by_row(np.ones(len(kl)), owner, rows)
        return {
            "kl": mean_interval(sums_by_row(kl, owner, rows), count, self.drawn),
            "kl_99": quantile_interval(kl, owner, 0.99, self.drawn),
            "agreement": mean_interval(sums_by_row(same, owner, rows), count, self.drawn),
        }

    def _write(self) -> None:
        order = {name: index for index, name in enumerate(self.names)}
        rows = flagged(sorted(self.rows, key=lambda row: order.get(row["name"], 0)))
        rows = [note_of(row, self.text, rows) for row in rows]
        paired = self._paired(rows)
        advice = recommend(rows, psutil.virtual_memory().total / 1e9, paired)
        self.data = {
            "original": self.original,
            "fingerprint": self.fingerprint,
            "reference": self.reference,
            "protocol": protocol(self.job, self.text, self.reference, self.threads),
            "rows": rows,
            "paired": paired,
            "recommendation": {"name": advice.name, "sentence": advice.sentence},
        }
        write_text(self.ctx.folder / COST, json.dumps(self.data, ensure_ascii=False, indent=1))

    def _paired(self, rows: Sequence[Row]) -> list[Row]:
        """Differences in KL of every two variants on the same positions, with their intervals."""
        owner, count = self.text.owner[self.text.chosen], len(self.text.rows)
        sums = {}
        for row in rows:
            path = self.scratch / f"of-{row['name']}.npz"
            if row.get("kl") and not row["original"] and path.is_file():
                with np.load(path) as arrays:
                    sums[row["name"]] = sums_by_row(arrays["kl"], owner, count)
        tokens = sums_by_row(np.ones(len(owner)), owner, count)
        return [
            {"one": first, "other": second, **mean_interval(sums[first] - sums[second], tokens, self.drawn).to_dict()}
            for first, second in itertools.combinations(sums, 2)
        ]

    def _child(self, name: str, index: int, words: str, **options: bool) -> dict[str, Any]:
        request = {
            "home": str(self.ctx.home.root), "scratch": str(self.scratch), "original": self.original, "name": name,
            "threads": self.threads, "speed": self.job.speed, "prompt": self.job.prompt_tokens,
            "tokens": self.job.speed_tokens, **options,
        }  # fmt: skip
        path = self.scratch / "request.json"
        write_text(path, json.dumps(request))

        return variant_child.measure_in_child(path, self.threads, self.ctx.task.step(index, len(self.names) + 1, words))

"""Quantizing: smaller copies of a model, one or a ladder of them."""

import shutil
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression.quantizer import QUANTIZERS, Quantizer, Work
from workbench.core.children import Credential
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir, safe_join, slug
from workbench.core.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.core.recycle_bin import free_space_remedy
from workbench.core.units import human_size
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import TEXTS, resolve_dataset
from workbench.jobs.job import JOBS, Job, JobContext, JobStopped, Output
from workbench.jobs.page import JobPage
from workbench.models.adapter_judge import require_sound
from workbench.models.adapters import adapter_kind
from workbench.models.chat_tokens import write_stops
from workbench.models.folding import folded
from workbench.models.model_kinds import kind_of
from workbench.models.model_names import stem_of
from workbench.models.model_references import ModelRef, Resolved, resolve_setting


@JOBS.register
class Quantize(Job):
    """Makes smaller copies of a model, one for each quantizer, sharing the steps they have in common."""

    method: ClassVar[str] = "quantize"
    title: ClassVar[str] = "Quantize"
    resumable: ClassVar[bool] = True
    page: ClassVar[JobPage | None] = JobPage("compress", by_hand=True)

    model: Annotated[str, ModelRef("model", "adapter", text=False, sound=False)] = Field(
        title="Model", description="The model to make smaller; an adapter is folded into its base first."
    )
    quantizers: list[Annotated[Quantizer, QUANTIZERS]] = Field(
        min_length=1, max_length=24, examples=[[{"method": "gguf", "type": "Q4_K_M"}]], title="Quantizers",
        description="One quantization method or several, each with its settings.",
    )  # fmt: skip
    calibration: Annotated[str, TEXTS] = Field(
        "", title="Calibration dataset", description="Rows for methods that look at activations; empty for none."
    )
    calibration_rows: Annotated[int, ADVANCED] = Field(
        64, ge=1, le=10_000, title="Calibration rows",
        description="How many of its rows are used: more judge importance better and take longer.",
    )  # fmt: skip
    prefix: Annotated[str, ADVANCED] = Field(
        "", title="Name prefix", description="Names of the results begin with this; empty takes the model's name."
    )

    def variants(self) -> list[tuple[str, Quantizer]]:
        """(name on the shelf, quantizer), in order."""
        return [
            (f"{self.prefix or stem_of(self.model)}-{slug(quantizer.suffix())}", quantizer)
            for quantizer in self.quantizers
        ]

    def label(self) -> str:
        return f"Quantize {self.model}"

    def facts(self, home: Home) -> list[list[str]]:
        return [
            ["Model", self.model],
            ["Makes", ", ".join(name for name, _ in self.variants())],
            ["Calibration", self.calibration or "none"],
        ]

    def outputs(self) -> list[Output]:
        return [Output("prefix", "models", name) for name, _ in self.variants()]

    def credentials(self) -> tuple[Credential, ...]:
        return ("index",)

    def check(self, home: Home, problems: Problems) -> None:
        try:
            resolved = resolve_setting(home, self, "model")
            kind_of(resolved.base).require_text(self.model, gguf=True)
            if resolved.adapter:
                adapter_kind(resolved.adapter).require_foldable(self.model)
                require_sound(home, resolved.adapter, resolved.base)
        except UserError as error:
            problems.collect("model", error)
            return
        names = [name for name, _ in self.variants()]
        for name in {name for name in names if names.count(name) > 1}:
            problems.add("quantizers", f"{name!r} would be made twice.", "Take each quantizer once.")
        for name, quantizer in self.variants():
            self._check_variant(home, resolved, name, quantizer, problems)
        if self.calibration:
            self._check_calibration(home, problems)

    def _check_variant(
        self, home: Home, resolved: Resolved, name: str, quantizer: Quantizer, problems: Problems
    ) -> None:
        reason = quantizer.unavailable()
        if reason:
            problems.add("quantizers", f"{quantizer.title} cannot run here.", reason)
        try:
            if safe_join(home.models, name, "prefix").exists():
                problems.add("prefix", f"{name!r} is on the shelf already.", "Delete it, or choose another prefix.")
            quantizer.check(home, resolved, problems)
            need = quantizer.estimate(resolved).bytes * 1.1
        except UserError as error:
            problems.collect("quantizers", error)
            return
        if quantizer.needs_rows() and not self.calibration:
            problems.add(
                "calibration", f"{name} needs rows for its importance matrix.", "Choose a calibration dataset."
            )
        free = shutil.disk_usage(home.root).free
        if need > free:
            problems.add(
                "quantizers",
                f"{name} takes about {human_size(need)}, {human_size(free)} are free.",
                free_space_remedy(home),
            )

    def _check_calibration(self, home: Home, problems: Problems) -> None:
        try:
            resolve_dataset(home, self, "calibration")
        except UserError as error:
            problems.collect("calibration", error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        resolved = resolve_setting(ctx.home, self, "model")
        scratch = ctx.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        rows: list[dict[str, Any]] = []
        kind = ""
        if self.calibration:
            kind = datasets.dataset_kind(ctx.home, self.calibration)
            rows = datasets.rows(ctx.home, self.calibration, "train", 0, self.calibration_rows)
        finished: list[dict[str, Any]] = []
        try:
            whole = folded(ctx, resolved, scratch / "folded")
            for index, (name, quantizer) in enumerate(self.variants()):
                finished.append(self._shelve_variant(ctx, quantizer, name, index, Work(
                    ctx, ctx.home, whole, Path(), scratch, rows, kind, ctx.task.step(index, len(self.quantizers), name),
                )))  # fmt: skip
        except JobStopped:
            if ctx.stop_requested() == "discard":
                shutil.rmtree(scratch, ignore_errors=True)
            raise JobStopped({"models": [entry["model"] for entry in finished]}) from None
        shutil.rmtree(scratch, ignore_errors=True)
        ctx.task.update(len(finished), len(finished), "Ready")
        return {"models": [entry["model"] for entry in finished], "made": finished}

    def _shelve_variant(
        self, ctx: JobContext, quantizer: Quantizer, name: str, index: int, work: Work
    ) -> dict[str, Any]:
        """One result on the shelf; what an earlier part of this job finished is kept."""
        target = ctx.home.models / name
        if not (target.exists() and read_manifest(target).made_by.get("job") == ctx.folder.name):
            with atomic_dir(target) as partial:
                work.folder = partial
                info = quantizer.run(work)
                if (partial / "config.json").is_file():  # a GGUF carries its stops in itself
                    write_stops(partial)
                write_manifest(partial, self._manifest(ctx, quantizer, name, info))
        size = sum(path.stat().st_size for path in target.iterdir() if path.suffix in (".safetensors", ".gguf"))
        ctx.note(f"{name}: {human_size(size)}")
        return {"model": name, "bytes": size, "quantizer": quantizer.to_dict()}

    def _manifest(self, ctx: JobContext, quantizer: Quantizer, name: str, info: dict[str, Any]) -> Manifest:
        resolved = resolve_setting(ctx.home, self, "model")
        parents: list[Parent] = [parent_of(folder, "quantized") for folder in resolved.folders]
        if self.calibration and quantizer.reads_rows():
            parents.append(parent_of(ctx.home.datasets / self.calibration, "calibration"))
        made_by = {**self.to_dict(), "quantizers": [quantizer.to_dict()], "job": ctx.folder.name}
        return Manifest(kind=quantizer.makes, name=name, parents=parents, made_by=made_by, info=info)

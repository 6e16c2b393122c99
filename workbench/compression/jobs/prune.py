"""Pruning: a copy of a model with weights or whole parts taken out, and what that cost."""

import shutil
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression.pruner import PRUNERS, Cut, Pruner
from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home, atomic_dir, safe_join, slug
from workbench.core.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.core.recycle_bin import free_space_remedy
from workbench.core.units import human_size
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import TEXTS, resolve_dataset
from workbench.inference.loss import Encoded, Loss, difference, encode, longest, loss_of
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.jobs.page import JobPage
from workbench.models.anatomy import Anatomy
from workbench.models.chat_tokens import write_stops
from workbench.models.folding import folded
from workbench.models.model_names import stem_of
from workbench.models.model_references import ModelRef, Resolved, model_ref, resolve_setting

Rows = list[dict[str, Any]]


@JOBS.register
class Prune(Job):
    """Takes weights, neurons, heads or layers out of a model and measures what that cost."""

    method: ClassVar[str] = "prune"
    title: ClassVar[str] = "Prune"
    page: ClassVar[JobPage | None] = JobPage(
        "compress", button="Prune", order=20, needs=(ModelRef("model", "adapter"), 1),
    )  # fmt: skip

    model: Annotated[str, ModelRef("model", "adapter", text=False)] = Field(
        title="Model", description="The model to prune; an adapter is folded into its base first."
    )
    pruner: Annotated[Pruner, PRUNERS] = PRUNERS.field(
        "mlp-width", "What is removed, and by which measure of importance.", title="Pruning method"
    )
    calibration: Annotated[str, TEXTS] = Field(
        "", title="Calibration dataset",
        description="Rows whose activations show what matters, and on which the loss is measured before and "
        "after; empty does without both.",
    )  # fmt: skip
    calibration_rows: Annotated[int, ADVANCED] = Field(
        64, ge=1, le=10_000, title="Calibration rows",
        description="How many train rows are looked at: more judge importance better and take longer.",
    )  # fmt: skip
    measured_rows: Annotated[int, ADVANCED] = Field(
        32, ge=1, le=10_000, title="Evaluation rows",
        description="How many other rows the loss is measured on: more narrow the interval.",
    )  # fmt: skip
    max_length: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        512, ge=16, le=131072, title="Maximum length",
        description="Rows longer than this are cut off: longer shows more context and takes more memory.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed",
        description="Decides what is removed where chance decides; the same seed gives the same model.",
    )  # fmt: skip
    output: str = Field(
        "", title="Output name",
        description="Name of the new model on the shelf; empty takes the model's name and what was removed.",
    )  # fmt: skip

    @property
    def output_name(self) -> str:
        return self.output or f"{stem_of(self.model)}-{slug(self.pruner.suffix())}"

    def label(self) -> str:
        return f"Prune {self.model}"

    def facts(self, home: Home) -> list[list[str]]:
        pruner: Pruner = self.pruner
        rows = [["Model", self.model], ["Pruner", pruner.title], ["Makes", self.output_name]]
        try:
            estimate = pruner.estimate(model_ref(self, "model").find(home, self.model))
        except UserError:
            return rows
        return [*rows, ["Size", human_size(estimate.bytes)], ["Effect", " ".join(estimate.notes)]]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output_name)]

    def check(self, home: Home, problems: Problems) -> None:
        pruner: Pruner = self.pruner
        try:
            if safe_join(home.models, self.output_name, "output").exists():
                problems.add("output", f"{self.output_name!r} is on the shelf already.", "Choose another name.")
        except UserError as error:
            problems.collect("output", error)
        if self.calibration:
            try:
                resolve_dataset(home, self, "calibration")
            except UserError as error:
                problems.collect("calibration", error)
        elif pruner.needs_rows():
            problems.add(
                "calibration", f"{pruner.title!r} looks at activations.", "Choose a dataset whose rows it can look at."
            )
        try:
            self._check_model(resolve_setting(home, self, "model"), home, problems)
        except UserError as error:
            problems.collect("model", error)

    def _check_model(self, resolved: Resolved, home: Home, problems: Problems) -> None:
        before = len(problems.found)
        self.pruner.check(resolved, problems)
        if len(problems.found) > before:
            return
        need, free = self.pruner.estimate(resolved).bytes * 1.1, shutil.disk_usage(home.root).free
        need += Anatomy.of(resolved.base).size()[1] if resolved.adapter else 0
        if need > free:
            message = f"this takes about {human_size(need)}, {human_size(free)} are free."
            problems.add("output", message, free_space_remedy(home))

    def run(self, ctx: JobContext) -> dict[str, Any]:
        resolved = resolve_setting(ctx.home, self, "model")
        scratch = ctx.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        try:
            whole = folded(ctx, resolved, scratch / "folded")
            with atomic_dir(ctx.home.models / self.output_name) as partial:
                info = self._prune(ctx, whole, partial)
                write_stops(partial)
                write_manifest(partial, self._manifest(ctx, resolved, info))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return {"model": self.output_name, **info}

    def _prune(self, ctx: JobContext, whole: Resolved, folder: Path) -> dict[str, Any]:
        """Fills the folder and says what was done and what it cost."""
        from workbench.core.hardware import detect_and_cache
        from workbench.models.shelving import copy_texts

        hardware = detect_and_cache(ctx.home)
        observed, measured, kind = self._rows(ctx)
        cut = Cut(whole, folder, None, [], self.seed, ctx.task)
        before = after = None
        if self.calibration:
            ctx.task.update(0, 0, f"Loading {self.model}")
            cut.model = _load(whole.base, hardware)
            cut.rows = self._encoded(cut.model, whole, observed, kind)
            before = _loss(ctx, cut.model, self._encoded(cut.model, whole, measured, kind), "before")
        info = self.pruner.run(cut)
        cut.model = None
        copy_texts(whole.base, folder)
        if self.calibration:
            pruned = Resolved(self.output_name, folder, None)
            model = _load(folder, hardware)
            after = _loss(ctx, model, self._encoded(model, pruned, measured, kind), "after")
        return {**info, **_figures(whole.base, folder, before, after)}

    def _rows(self, ctx: JobContext) -> tuple[Rows, Rows, str]:
        """The rows looked at, those measured on, and their kind."""
        if not self.calibration:
            return [], [], ""
        name, count = self.calibration, self.calibration_rows
        observed = datasets.rows(ctx.home, name, "train", 0, count)
        measured = datasets.rows(ctx.home, name, "eval", 0, self.measured_rows)
        measured = measured or datasets.rows(ctx.home, name, "train", count, self.measured_rows)
        if not measured:
            ctx.note(f"{name} has no other rows: the loss is measured on those that were looked at.")
        return observed, measured or observed[: self.measured_rows], datasets.dataset_kind(ctx.home, name)

    def _encoded(self, model: Any, resolved: Resolved, rows: Rows, kind: str) -> list[Encoded]:
        most = min(self.max_length, longest(model) or self.max_length)
        return encode(resolved, rows, kind, max_length=most)

    def _manifest(self, ctx: JobContext, resolved: Resolved, info: dict[str, Any]) -> Manifest:
        parents: list[Parent] = [parent_of(folder, "pruned") for folder in resolved.folders]
        if self.calibration:
            parents.append(parent_of(ctx.home.datasets / self.calibration, "calibration"))
        if not resolved.adapter:  # zeros that an earlier pruning left are there still
            info = {key: value for key, value in read_manifest(resolved.base).info.items() if key == "masked"} | info
        made_by = {**self.to_dict(), "job": ctx.folder.name}
        return Manifest(kind="model", name=self.output_name, parents=parents, made_by=made_by, info=info)


def _load(folder: Path, hardware: Hardware) -> Any:
    from workbench.models.loading import load_base

    return load_base(folder, hardware).eval()


def _loss(ctx: JobContext, model: Any, rows: list[Encoded], when: str) -> Loss:
    loss = loss_of(model, rows, ctx.task.part(0, 1, f"Measuring {when}"))
    ctx.note(f"Loss {when}: {loss.loss:.4f}")
    return loss


def _figures(base: Path, folder: Path, before: Loss | None, after: Loss | None) -> dict[str, Any]:
    """Parameters, bytes and loss as [before, after], and the difference of the losses with its interval."""
    (had, size), (has, left) = Anatomy.of(base).size(), Anatomy.of(folder).size()
    figures: dict[str, Any] = {"parameters": [had, has], "bytes": [size, left]}
    if before and after:
        figures["loss"] = [round(before.loss, 5), round(after.loss, 5)]
        figures["difference"] = difference(after, before)
        figures["measured"] = {"tokens": after.tokens, "rows": after.rows}
    return figures

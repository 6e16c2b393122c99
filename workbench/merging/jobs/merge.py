"""Merging models by a recipe: mergekit's, with names of the shelf."""

import shutil
import time
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_join
from workbench.core.lineage import Manifest, read_manifest, verify
from workbench.core.spec import Spec
from workbench.data.store.dataset_reference import DatasetRef, resolve_dataset
from workbench.jobs.job import JOBS, Job, JobContext, JobStopped, Output
from workbench.jobs.page import JobPage
from workbench.merging import catalogue
from workbench.merging.recipe import MergeRecipe
from workbench.models.model_kinds import kind_of
from workbench.models.model_references import Resolved


class Proof(Spec):
    """What is looked at when the merge is done, so that gibberish is noticed at once."""

    enabled: bool = Field(
        True, title="Check the result",
        description="Let the merged models and the result answer a few prompts, and measure their perplexity.",
    )  # fmt: skip
    dataset: Annotated[str, DatasetRef(), Display(shown_if={"enabled": True})] = Field(
        "", title="Dataset", description="Rows perplexity is measured on; empty takes a small built-in text."
    )
    prompts: Annotated[int, Display(shown_if={"enabled": True})] = Field(
        3, ge=0, le=50, title="Prompts",
        description="How many prompts the models and the result answer side by side: more show more and take longer.",
    )  # fmt: skip
    tokens: Annotated[int, Display(unit="tokens", shown_if={"enabled": True})] = Field(
        48, ge=8, le=1024, title="Maximum answer length", description="Answers stop here: longer ones take more time."
    )


@JOBS.register
class Merge(Job):
    """Merges models of one architecture into a new one, by any method of mergekit's or ours."""

    method: ClassVar[str] = "merge"
    title: ClassVar[str] = "Merge models"
    resumable: ClassVar[bool] = True
    page: ClassVar[JobPage | None] = JobPage("merge", by_hand=True)

    output: str = Field(title="Output name", description="Name of the new model on the shelf.")
    recipe: MergeRecipe = Field(
        examples=[{"merge_method": "slerp", "base_model": "…", "models": [{"model": "… "}], "parameters": {"t": 0.5}}],
        title="Recipe",
        description="A mergekit configuration, with names on the shelf as models.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed gives the same weights, bit by bit."
    )
    kernels: Annotated[
        Literal["fast", "stock"],
        Display(advanced=True, labels={
            "fast": "fast (ours where there is one)", "stock": "mergekit's own throughout",
        }),
    ] = Field(
        "fast", title="Implementation", description="Which code merges the tensors; both give the same result."
    )  # fmt: skip
    shard_gb: Annotated[float, Display(unit="GB")] = Field(
        2.0, gt=0, le=100, title="Maximum file size", description="Weight files are split at this size."
    )
    verify: bool = Field(
        True, title="Verify models first",
        description="Check the models' files against the SHA-256 in their manifests before merging.",
    )  # fmt: skip
    proof: Annotated[Proof, ADVANCED] = Field(
        default_factory=Proof, title="Sanity check", description="What is measured when the merge is done."
    )

    def label(self) -> str:
        return f"Merge {self.output}"

    def facts(self, home: Home) -> list[list[str]]:
        info = catalogue.methods().get(self.recipe.merge_method)
        return [
            ["Method", info.title if info else self.recipe.merge_method],
            ["Models", ", ".join(self.recipe.references())],
            ["Makes", self.output],
        ]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output)]

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.merging.checks import check_recipe

        findings = check_recipe(home, self.recipe, self.output).problems
        problems.found += [problem for problem in findings if problem.path == ("output",)]
        problems.nest(("recipe",), [problem for problem in findings if problem.path != ("output",)])
        if self.proof.enabled and self.proof.dataset:
            try:
                resolve_dataset(home, self.proof, "dataset", ("proof", "dataset"))
            except UserError as error:
                problems.collect(("proof", "dataset"), error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        recipe = self.recipe
        target = safe_join(ctx.home.models, self.output, "output")
        parents = recipe.bind(ctx.home)
        began = time.monotonic()
        if not (target.exists() and read_manifest(target).made_by.get("job") == ctx.folder.name):
            self._merge(ctx, recipe, parents)
        result: dict[str, Any] = {"model": self.output, "seconds": round(time.monotonic() - began, 1)}
        if self.proof.enabled and not kind_of(target).generates:
            ctx.note("What was merged does not go on with a text, so that nothing is asked of it.")
        elif self.proof.enabled:
            from workbench.merging.sanity_check import prove

            names = [model.name for model in parents.values()]
            wanted = self.proof
            result |= prove(ctx, self.output, names, wanted.dataset, wanted.prompts, wanted.tokens, self.seed)
        return result

    def _merge(self, ctx: JobContext, recipe: MergeRecipe, parents: dict[str, Resolved]) -> None:
        from workbench.core.hardware import detect_hardware
        from workbench.merging.engine import MergePlan, merge_to
        from workbench.merging.shelving import parents_of, shelve_merge
        from workbench.models.tokenizer_check import check_tokenizer

        for folder in sorted({path for model in parents.values() for path in (model.base, model.adapter) if path}):
            if self.verify:
                ctx.task.update(0, 0, f"Checking {folder.name}")
                verify(folder)
        ctx.task.update(0, 0, "Reading the models")
        device = detect_hardware().device
        plan = MergePlan(ctx.home, recipe, self.seed, self.kernels, device if device == "cuda" else "cpu")
        donor = plan.donor  # its tokenizer is looked at before the work, not only behind it
        check_tokenizer(donor.home_of_template, field="recipe", note=ctx.note, base=donor.base)
        shards = ctx.folder / "shards"
        try:
            writer = merge_to(plan, shards, int(self.shard_gb * 1e9), ctx.task)
        except JobStopped:
            if ctx.stop_requested() == "discard":
                shutil.rmtree(shards, ignore_errors=True)
            raise
        ctx.task.update(len(plan), len(plan), "Finishing the files")
        made_by = {**self.to_dict(), "job": ctx.folder.name}
        manifest = Manifest(kind="model", name=self.output, parents=parents_of(recipe, parents), made_by=made_by)
        shelve_merge(ctx, recipe, plan, writer, manifest)

"""Assembling a mixture of experts from dense models."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir, write_text
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.jobs.page import TWO_MODELS, JobPage
from workbench.merging.moe_recipe import MoeRecipe
from workbench.models.model_references import ModelRef
from workbench.models.shelf import check_free


@JOBS.register
class AssembleMoe(Job):
    """Makes a mixture of experts out of dense models of one architecture, with a router made from prompts.

    mergekit's MoE assembly, https://github.com/arcee-ai/mergekit/blob/main/docs/moe.md. Llama and Mistral models give
    a Mixtral, Qwen2 a Qwen2-MoE, Qwen3 a Qwen3-MoE. No training happens: an untrained router is a rough guess.
    """

    method: ClassVar[str] = "assemble-moe"
    title: ClassVar[str] = "Assemble a mixture of experts"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", section="moe", button="Assemble", order=51,
        needs=(ModelRef("model", text=False), 2), empty=TWO_MODELS,
    )  # fmt: skip

    recipe: MoeRecipe = Field(
        examples=[
            {
                "base_model": "…",
                "experts": [
                    {"source_model": "…", "positive_prompts": ["Write a function that sorts a list."]},
                    {"source_model": "… (another one)", "positive_prompts": ["Tell me a story."]},
                ],
            }
        ], title="Recipe",
        description="A mergekit configuration of a mixture of experts, with names on the shelf as models.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed",
        description="Decides a random router and noise; the same seed gives the same model.",
    )  # fmt: skip
    output: str = Field(title="Output name", description="Name of the new model on the shelf.")

    def label(self) -> str:
        return f"Assemble {self.output}"

    def facts(self, home: Home) -> list[list[str]]:
        recipe = self.recipe
        experts = ", ".join(expert.source_model for expert in recipe.experts)
        return [["Base", recipe.base_model], ["Experts", experts], ["Router", recipe.gate_mode], ["Makes", self.output]]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output)]

    def check(self, home: Home, problems: Problems) -> None:
        check_free(home, self.output, problems)
        try:
            self.recipe.output(self.recipe.bind(home))
        except UserError as error:
            problems.collect("recipe", error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.core.hardware import detect_hardware
        from workbench.merging.moe import assemble
        from workbench.models.chat_tokens import copy_tokenizer, write_stops
        from workbench.models.tokenizer_check import check_tokenizer

        recipe = self.recipe
        folders = recipe.bind(ctx.home)
        with atomic_dir(ctx.home.models / self.output) as partial:
            alike = assemble(recipe, folders, partial, self.seed, detect_hardware().device, ctx.task)
            if alike:
                ctx.note(
                    f"In {len(alike)} layers the router can hardly tell the experts apart ({alike[0]} is the first); "
                    "prompts that differ more would help."
                )
            copy_tokenizer(folders[recipe.base_model], partial)
            check_tokenizer(partial, field="recipe", note=ctx.note)
            write_stops(partial)
            write_text(partial / "mergekit_moe_config.yml", recipe.to_yaml())
            base = folders[recipe.base_model]
            parents = [parent_of(base, "merge-base")]
            parents += [parent_of(folder, "merged") for folder in dict.fromkeys(folders.values()) if folder != base]
            result = {"model": self.output, "experts": len(recipe.experts), "alike_layers": len(alike)}
            made_by = {**self.to_dict(), "job": ctx.folder.name}
            manifest = Manifest(kind="model", name=self.output, parents=parents, made_by=made_by, info=result)
            write_manifest(partial, manifest)
        return result

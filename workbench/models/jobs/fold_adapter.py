"""Folding an adapter into its base: one whole model that needs no adapter any more."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.models.adapter_judge import require_sound
from workbench.models.adapters import adapter_kind, misfits
from workbench.models.base_settings import scaling_info, settings_over
from workbench.models.model_kinds import kind_of
from workbench.models.model_names import stem_of
from workbench.models.model_references import ModelRef, resolve_setting
from workbench.models.shelf import check_free
from workbench.models.tensors import model_config


@JOBS.register
class Fold(Job):
    """Adds an adapter's weights to its base's in float32 and saves the sum as a model, in the base's type.

    PEFT merges module by module, so that a model of any size passes through little memory. Then the same tokens go
    through base + adapter and through the result: a difference beyond rounding fails the job, and nothing is shelved.
    """

    method: ClassVar[str] = "fold-adapter"
    title: ClassVar[str] = "Fold an adapter into its base"

    adapter: Annotated[str, ModelRef("adapter", text=False, sound=False)] = Field(
        title="Adapter", description="The adapter to fold in."
    )
    output: str = Field(
        "",
        title="Output name",
        description="Name of the new model on the shelf; empty takes the adapter's name and -merged.",
    )

    @property
    def output_name(self) -> str:
        return self.output or f"{stem_of(self.adapter)}-merged"

    def label(self) -> str:
        return f"Fold {self.adapter}"

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output_name)]

    def check(self, home: Home, problems: Problems) -> None:
        try:
            resolved = resolve_setting(home, self, "adapter")
            assert resolved.adapter
            kind = adapter_kind(resolved.adapter)
            kind.require_foldable(self.adapter, "adapter")
            kind_of(resolved.base).require_text(resolved.base.name, "adapter")
            for misfit in misfits(kind, resolved.adapter, resolved.base)[:1]:
                problems.add("adapter", misfit, f"Chat with it over its base, or train it on {resolved.base.name!r}.")
            require_sound(home, resolved.adapter, resolved.base, "adapter")
            if model_config(resolved.base).get("quantization_config"):
                problems.add(
                    "adapter",
                    f"its base {resolved.base.name!r} is quantized.",
                    "Train the adapter on the model that was quantized, and fold it into that.",
                )
        except UserError as error:
            problems.collect("adapter", error)
        check_free(home, self.output_name, problems)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.models.folding import fold_into

        resolved = resolve_setting(ctx.home, self, "adapter")
        assert resolved.adapter
        with atomic_dir(ctx.home.models / self.output_name) as partial:
            compared = fold_into(ctx, resolved, partial)
            parents = [parent_of(resolved.base, "merged"), parent_of(resolved.adapter, "merged")]
            made_by = {**self.to_dict(), "job": ctx.folder.name}
            info = {"compared": compared, **scaling_info(settings_over(resolved.base, resolved.adapter))}
            write_manifest(
                partial, Manifest(kind="model", name=self.output_name, parents=parents, made_by=made_by, info=info)
            )
        return {"model": self.output_name, **compared}

"""Comparing the weights of models before merging them."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.jobs.job import JOBS, Job, JobContext
from workbench.jobs.page import JobPage
from workbench.models.model_references import ModelRef, resolve, resolve_setting


@JOBS.register
class Likeness(Job):
    """Measures how alike models are, layer by layer: cosines, task vectors, signs that conflict."""

    method: ClassVar[str] = "likeness"
    title: ClassVar[str] = "Compare weights"
    uses_device: ClassVar[bool] = False
    page: ClassVar[JobPage | None] = JobPage(
        "merge", title="Likeness", button="Compare weights", order=80,
        needs=(ModelRef("model", "adapter", text=False), 2),
        empty=("Two models are needed", "Their weights are compared layer by layer.", "Train or import another one."),
    )  # fmt: skip

    models: Annotated[list[str], ModelRef("model", "adapter", text=False, sound=False)] = Field(
        max_length=8, title="Models", description="The models to compare, all of one architecture and size."
    )
    base: Annotated[str, ModelRef("model", "adapter", text=False, sound=False)] = Field(
        "", title="Base model",
        description="The model they were fine-tuned from; with it their changes are compared too.",
    )  # fmt: skip

    def label(self) -> str:
        return f"Compare {', '.join(self.models)}"

    def facts(self, home: Home) -> list[list[str]]:
        return [["Models", ", ".join(self.models)], ["Base", self.base or "none"]]

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.merging.checks import mismatches

        if len(set(self.models)) < len(self.models):
            problems.add("models", "a model is chosen twice.", "Choose different models.")
        if len(self.models) < 2:
            problems.add("models", "there is nothing to compare.", "Choose two models or more.")
        if self.base and self.base in self.models:
            problems.add("base", f"the base {self.base!r} is among the models.", "Take it out of one of the two.")
        problems.found += mismatches(home, [*self.models, *([self.base] if self.base else [])])

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.merging import similarity
        from workbench.models.merged import open_weights

        readers = {name: open_weights(resolve(ctx.home, name, "models")) for name in self.models}
        base = open_weights(resolve_setting(ctx.home, self, "base")) if self.base else None
        ctx.task.update(0, 0, "Reading the models")
        data = similarity.compare(readers, base, self.base, ctx.task)
        similarity.save_similarity(ctx.folder, data)
        return {"models": self.models, "base": self.base, "says": similarity.sentences(data)}

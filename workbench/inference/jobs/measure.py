"""Measuring models on a dataset of the shelf."""

import hashlib
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.store.dataset_reference import TEXTS, resolve_dataset
from workbench.jobs.job import JOBS, Job, JobContext
from workbench.jobs.page import JobPage
from workbench.models.model_references import ModelRef, Resolved, model_ref
from workbench.rendering.templates import TemplateName


@JOBS.register
class Measure(Job):
    """Measures how well models predict the answers of a dataset: loss and perplexity with intervals."""

    method: ClassVar[str] = "measure"
    title: ClassVar[str] = "Measure on a dataset"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", section="likeness", button="Measure perplexity", order=81,
        needs=(TEXTS, 1),
        empty=("No dataset yet", "Models are measured on texts or conversations.", "Add one in the Data tab."),
    )  # fmt: skip

    models: Annotated[list[str], ModelRef("model", "adapter")] = Field(
        min_length=1, max_length=8, title="Models", description="The models to measure, adapters included."
    )
    dataset: Annotated[str, TEXTS] = Field(
        title="Dataset", description="Conversations or texts; the eval split is measured if there is one."
    )
    rows: int = Field(
        200, ge=1, le=100_000, title="Rows",
        description="How many rows are read, from the start of the split: more narrow the intervals and take "
        "longer.",
    )  # fmt: skip
    template: Annotated[TemplateName, ADVANCED] = Field(
        "model", title="Chat template",
        description="How a conversation becomes text; 'model' is each model's own template.",
    )  # fmt: skip
    max_length: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        512, ge=16, le=131072, title="Maximum length",
        description="Rows longer than this are cut off: longer shows more context and takes more memory.",
    )  # fmt: skip

    def label(self) -> str:
        return f"Measure on {self.dataset}"

    def facts(self, home: Home) -> list[list[str]]:
        return [
            ["Models", ", ".join(self.models)],
            ["Dataset", self.dataset],
            ["Rows", f"{self.rows} at most"],
        ]

    def check(self, home: Home, problems: Problems) -> None:
        try:
            resolve_dataset(home, self, "dataset")
        except UserError as error:
            problems.collect("dataset", error)
        model_ref(self, "models").resolve_all(home, self.models, "models", problems)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.data.store.datasets import dataset_kind
        from workbench.inference.engine import Engine
        from workbench.inference.loss import measured_rows

        split, rows = measured_rows(ctx.home, self.dataset, self.rows)
        kind = dataset_kind(ctx.home, self.dataset)
        engine = Engine(ctx.home)
        models = [model_ref(self, "models").resolve(ctx.home, name, "models") for name in self.models]
        resolved = {model.name: model for model in models}
        table: dict[str, dict[str, Any]] = {}
        for index, name in enumerate(sorted(resolved, key=lambda name: resolved[name].base.name)):
            task = ctx.task.step(index, len(resolved), name)
            task.check_stop()
            for doing in engine.load([name]):
                task.update(0, 1, doing)
            loss = self._measured(task, engine, resolved[name], rows, kind)
            table[name] = {"model": name, **loss.to_dict()}
            ctx.note(f"{name}: perplexity {loss.perplexity:.2f} ({loss.tokens:,} tokens of {loss.rows:,} rows)")
        if len({_tokenizer(model) for model in resolved.values()}) > 1:
            ctx.note("These models have different tokenizers: their losses per token cannot be compared.")
        ctx.task.update(len(resolved), len(resolved), "Measured")
        return {"dataset": self.dataset, "split": split, "table": [table[name] for name in resolved]}

    def _measured(self, task: Task, engine: Any, resolved: Resolved, rows: list[dict[str, Any]], kind: str) -> Any:
        from workbench.inference.loss import encode, longest, loss_of

        model = engine.model(resolved.name).torch_model()
        most = min(self.max_length, longest(model) or self.max_length)
        encoded = encode(resolved, rows, kind, self.template, most)
        return loss_of(model, encoded, task)


def _tokenizer(resolved: Resolved) -> str:
    return hashlib.sha256((resolved.home_of_template / "tokenizer.json").read_bytes()).hexdigest()

"""Measuring models on a dataset of the shelf."""

import hashlib
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.inference.loss import check_dataset
from workbench.jobs.job import JOBS, Job, JobContext
from workbench.jobs.page import JobPage
from workbench.models.shelf import Resolved, resolve, usable
from workbench.rendering.templates import TemplateName


@JOBS.register
class Measure(Job):
    """Measures how well models predict the answers of a dataset: loss and perplexity with intervals."""

    method: ClassVar[str] = "measure"
    title: ClassVar[str] = "Measure on a dataset"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", section="likeness", button="Measure perplexity", order=81,
        lists={"models": "models*", "dataset": "datasets"}, main=("models", "dataset", "rows"), needs=("datasets", 1),
        empty=("No dataset yet", "Models are measured on texts or conversations.", "Add one in the Data tab."),
    )  # fmt: skip

    models: list[str] = Field(description="The models to measure, adapters included.", min_length=1, max_length=8)
    dataset: str = Field(description="Conversations or texts; its eval split is measured if it has one.")
    rows: int = Field(200, ge=1, le=100_000, description="How many rows, from the start of the split.")
    template: TemplateName = Field(
        "model", description="How a conversation becomes text. 'model' is each model's own chat template."
    )
    max_length: int = Field(512, ge=16, le=131072, description="Longest row in tokens; what is longer is cut off.")

    def label(self) -> str:
        return f"Measure on {self.dataset}"

    def facts(self, home: Home) -> list[list[str]]:
        return [
            ["Models", ", ".join(self.models)],
            ["Dataset", self.dataset],
            ["Rows", f"{self.rows} at most"],
        ]

    def check(self, home: Home, problems: Problems) -> None:
        if len(set(self.models)) < len(self.models):
            problems.add("models", "a model is chosen twice.", "Choose each model once.")
        checks: list[tuple[str, Any]] = [("dataset", lambda: check_dataset(home, self.dataset))]
        checks += [("models", lambda name=name: usable(home, name, "models")) for name in self.models]
        for field, check in checks:
            try:
                check()
            except UserError as error:
                problems.collect(field, error)

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.data.store.datasets import dataset_kind
        from workbench.inference.engine import Engine
        from workbench.inference.loss import rows_of

        split, rows = rows_of(ctx.home, self.dataset, self.rows)
        kind = dataset_kind(ctx.home, self.dataset)
        engine = Engine(ctx.home)
        resolved = {name: resolve(ctx.home, name) for name in self.models}
        table: dict[str, dict[str, Any]] = {}
        for index, name in enumerate(sorted(resolved, key=lambda name: resolved[name].base.name)):
            ctx.checkpoint()
            for doing in engine.load([name]):
                ctx.progress(index, len(resolved), doing)
            loss = self._measured(ctx, engine, resolved[name], rows, kind, index)
            table[name] = {"model": name, **loss.to_dict()}
            ctx.note(f"{name}: perplexity {loss.perplexity:.2f} ({loss.tokens:,} tokens of {loss.rows:,} rows)")
        if len({_tokenizer(model) for model in resolved.values()}) > 1:
            ctx.note("These models have different tokenizers: their losses per token cannot be compared.")
        ctx.progress(len(resolved), len(resolved), "Measured")
        return {"dataset": self.dataset, "split": split, "table": [table[name] for name in self.models]}

    def _measured(
        self, ctx: JobContext, engine: Any, resolved: Resolved, rows: list[dict[str, Any]], kind: str, index: int
    ) -> Any:
        from workbench.inference.loss import encode, longest, loss_of

        model = engine.model(resolved.name).torch_model()
        most = min(self.max_length, longest(model) or self.max_length)
        encoded = encode(resolved, rows, kind, self.template, most)

        def tell(processed: int, total: int) -> None:
            ctx.progress(index + processed / total, len(self.models), f"{resolved.name}: {processed} of {total} rows")

        return loss_of(model, encoded, tell, ctx.stop_requested)


def _tokenizer(resolved: Resolved) -> str:
    return hashlib.sha256((resolved.home_of_template / "tokenizer.json").read_bytes()).hexdigest()

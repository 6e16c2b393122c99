"""Extracting a LoRA adapter from a fully fine-tuned model."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.jobs.job import JOBS, Job, Output
from workbench.jobs.page import TWO_MODELS, JobPage
from workbench.models import tensors
from workbench.models.base_settings import changed_positions, settings_over
from workbench.models.model_names import stem_of
from workbench.models.model_references import ModelRef, Resolved, resolve_setting
from workbench.models.shelf import check_free

HEADS = ("lm_head.weight", "embed_out.weight")


@JOBS.register
class ExtractLora(Job):
    """Turns the difference between a fine-tuned model and its base into a LoRA adapter.

    Each linear layer's change is cut by SVD to the rank that keeps the wanted share of its energy (squared Frobenius
    norm). What the adapter does not hold is measured and reported.
    """

    method: ClassVar[str] = "extract-lora"
    runs: ClassVar[str] = "workbench.merging.extraction:run"
    title: ClassVar[str] = "Extract a LoRA adapter"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", title="Extract LoRA", button="Extract adapter", order=30,
        empty=TWO_MODELS,
        needs=(ModelRef("model", "adapter", text=False), 2),
    )  # fmt: skip

    model: Annotated[str, ModelRef("model", "adapter", text=False)] = Field(
        title="Fine-tuned model", description="The model whose change becomes an adapter."
    )
    base: Annotated[str, ModelRef("model", text=False)] = Field(
        title="Base model", description="The whole model it was fine-tuned from."
    )
    energy: Annotated[float, Display(unit="share")] = Field(
        0.95, gt=0, le=1, title="Energy kept",
        description="Share of each layer's change to keep: more is more exact and larger; unused when a rank is "
        "given.",
    )  # fmt: skip
    max_rank: int = Field(
        128, ge=1, le=4096, title="Maximum rank",
        description="No layer gets a higher rank than this: higher is more exact and larger.",
    )  # fmt: skip
    rank: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=4096, title="Rank (r)",
        description="The same rank for all layers: higher is more exact and larger; 0 goes by energy.",
    )  # fmt: skip
    include_embeddings: Annotated[bool, ADVANCED] = Field(
        False, title="Include embeddings",
        description="Store changed embeddings, output head and norms whole beside it: exact there, and large.",
    )  # fmt: skip
    output: str = Field(
        "", title="Output name", description="Name of the adapter on the shelf; empty takes the model's name and -lora."
    )

    @property
    def output_name(self) -> str:
        return self.output or f"{stem_of(self.model)}-lora"

    def label(self) -> str:
        return f"Extract {self.output_name}"

    def facts(self, home: Home) -> list[list[str]]:
        rank = f"{self.rank}" if self.rank else f"for {self.energy:.0%} of the change, at most {self.max_rank}"
        return [["Model", self.model], ["Base", self.base], ["Rank", rank], ["Makes", self.output_name]]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output_name)]

    def check(self, home: Home, problems: Problems) -> None:
        check_free(home, self.output_name, problems)
        resolved = {}
        for field in ("model", "base"):
            try:
                resolved[field] = resolve_setting(home, self, field)
            except UserError as error:
                problems.collect(field, error)
        if len(resolved) < 2:
            return
        if resolved["model"].identity == resolved["base"].identity:
            problems.add("model", "is the base itself.", "Choose a model trained from it.")
        else:
            self._check_match(resolved["model"].base, resolved["base"].base, problems)
            try:
                self.base_settings(resolved["model"], resolved["base"])
            except UserError as error:
                problems.collect("model", error)

    def base_settings(self, tuned: Resolved, base: Resolved) -> dict[str, Any]:
        """What the adapter has to ask of the base's config.json; raises `UserError` where it cannot."""
        if settings_over(tuned.base, tuned.adapter):
            raise UserError(
                f"{tuned.name!r} asks for other positions than its base has.",
                "Fold it into its base in the Models tab first, and extract from the folded model.", "model",
            )  # fmt: skip
        return changed_positions(tensors.model_config(tuned.base), tensors.model_config(base.base))

    def _check_match(self, tuned: Path, base: Path, problems: Problems) -> None:
        """The two must have the same tensors in the same shapes; one of them may tie its head to the embedding."""
        new, old = ({name: shape for name, shape, _ in tensors.shapes(folder)} for folder in (tuned, base))
        lone = {name for name in new.keys() ^ old.keys() if not name.endswith(HEADS)}
        other = [name for name in new.keys() & old.keys() if new[name] != old[name]]
        if lone or len(other) > 2:
            example = min([*lone, *other])
            problems.add(
                "base", f"is another architecture than {self.model!r} ({example} differs).", "Choose its own base."
            )
        elif other:
            sizes = " × ".join(map(str, new[other[0]])), " × ".join(map(str, old[other[0]]))
            problems.add(
                "base", f"has another size than {self.model!r}: {other[0]} is {sizes[0]}, in the base {sizes[1]}.",
                "An adapter cannot resize its base: choose models with one vocabulary.",
            )  # fmt: skip
        elif self.include_embeddings and new.keys() != old.keys():
            problems.add(
                "include_embeddings", "one of the two ties its output head to the embedding, the other does not.",
                "Leave it off.",
            )  # fmt: skip

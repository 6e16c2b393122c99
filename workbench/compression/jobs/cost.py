"""What compressing a model cost: size, memory, quality and speed of all its variants side by side."""

import shutil
from typing import Annotated, ClassVar

from pydantic import Field

from workbench.compression.variants import VARIANT
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.units import human_size
from workbench.data.store.dataset_reference import TEXTS, resolve_dataset
from workbench.jobs.job import JOBS, Job
from workbench.jobs.page import JobPage
from workbench.models import tensors
from workbench.models.model_references import ModelRef, Resolved, model_ref, resolve_setting


@JOBS.register
class Cost(Job):
    """Measures what variants of a model cost: size, memory, speed, and distance from the original.

    Each variant is loaded alone in a process of its own. What is finished is kept when the job is stopped.
    """

    method: ClassVar[str] = "cost"
    runs: ClassVar[str] = "workbench.compression.evaluation.variant_costs:measure_variants"
    title: ClassVar[str] = "What it cost"
    resumable: ClassVar[bool] = True
    page: ClassVar[JobPage | None] = JobPage(
        "compress", button="Measure what it cost", order=30,
        main=("original", "variants", "dataset"),
        needs=(ModelRef("model", "adapter"), 1),
    )  # fmt: skip

    original: Annotated[str, ModelRef("model", "adapter")] = Field(
        description="The model the variants were made from; a whole model or an adapter."
    )
    variants: Annotated[list[str], VARIANT] = Field(
        description="Its variants: quantized or pruned models, adapters, GGUF files.", min_length=1, max_length=32
    )
    dataset: Annotated[str, TEXTS] = Field(
        "", description="Conversations or texts to measure on; empty takes a small built-in text."
    )
    rows: int = Field(100, ge=1, le=100_000, description="How many rows, from the start of the eval split.")
    context: int = Field(512, ge=16, le=131072, description="Most tokens the model sees at once.")
    stride: int = Field(256, ge=1, le=131071, description="Tokens by which the window moves on in longer rows.")
    positions: int = Field(
        2000, ge=1, le=100_000, description="At how many tokens whole distributions are compared; takes disk meanwhile."
    )
    speed: bool = Field(True, description="Measure prompt and generation speed.")
    prompt_tokens: int = Field(256, ge=1, le=131072, description="Length of the speed test's prompt, in tokens.")
    speed_tokens: int = Field(64, ge=1, le=4096, description="Tokens generated in the speed test.")
    threads: int = Field(0, ge=0, le=1024, description="Processor threads for every variant; 0 takes all cores.")
    seed: int = Field(0, ge=0, lt=2**31, description="Draws the positions and the rounds of the intervals.")

    def label(self) -> str:
        return f"What it cost: {self.original}"

    def facts(self, home: Home) -> list[list[str]]:
        return [
            ["Original", self.original],
            ["Variants", ", ".join(self.variants)],
            ["Measured on", self.dataset or "a small built-in text"],
        ]

    def check(self, home: Home, problems: Problems) -> None:
        original = self._check_original(home, problems)
        variants = model_ref(self, "variants").resolve_all(home, self.variants, "variants", problems)
        try:
            if self.dataset:
                resolve_dataset(home, self, "dataset")
        except UserError as error:
            problems.collect("dataset", error)
        if original and variants and all(variant.identity == original.identity for variant in variants):
            problems.add("variants", "there is only the original.", "Choose what was made from it.")
        if self.stride >= self.context:
            problems.add("stride", f"{self.stride} leaves tokens without context.", "Choose less than the context.")

    def _check_original(self, home: Home, problems: Problems) -> Resolved | None:
        try:
            resolved = resolve_setting(home, self, "original")
        except UserError as error:
            problems.collect("original", error)
            return None
        config = tensors.model_config(resolved.base)
        longest = int(config.get("max_position_embeddings") or 0)
        if longest and self.context > longest:
            problems.add("context", f"{self.original} takes {longest:,} tokens at most.", "Choose a shorter context.")
        need = 2 * int(config.get("vocab_size") or 0) * self.positions
        free = shutil.disk_usage(home.root).free
        if need > free * 0.9:
            problems.add(
                "positions", f"they take {human_size(need)} of disk, {human_size(free)} are free.", "Choose fewer."
            )
        return resolved

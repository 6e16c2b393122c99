"""What compressing a model cost: size, memory, quality and speed of all its variants side by side."""

import shutil
from typing import Annotated, ClassVar

from pydantic import Field

from workbench.compression.variants import VARIANT
from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.units import human_size
from workbench.data.store.dataset_reference import TEXTS, resolve_dataset
from workbench.jobs.job import JOBS, Job
from workbench.jobs.page import JobPage
from workbench.models.base_settings import config_over
from workbench.models.model_references import ModelRef, Resolved, model_ref, resolve_setting
from workbench.models.rope_scaling import context_tokens


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
        needs=(ModelRef("model", "adapter"), 1),
    )  # fmt: skip

    original: Annotated[str, ModelRef("model", "adapter")] = Field(
        title="Original model",
        description="The whole model or adapter that the variants were made from, and are compared with.",
    )  # fmt: skip
    variants: Annotated[list[str], VARIANT] = Field(
        min_length=1, max_length=32, title="Variants",
        description="Quantized or pruned models, adapters and GGUF files to measure.",
    )  # fmt: skip
    dataset: Annotated[str, TEXTS] = Field(
        "", title="Dataset",
        description="Conversations or texts that quality is measured on; empty takes a small built-in text.",
    )  # fmt: skip
    rows: Annotated[int, ADVANCED] = Field(
        100, ge=1, le=100_000, title="Rows",
        description="How many rows of the eval split are read, from its start: more narrow the intervals and take"
        " longer.",
    )  # fmt: skip
    context: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        512, ge=16, le=131072, title="Context length",
        description="The most tokens the model sees at once: longer is closer to real use and takes more memory.",
    )  # fmt: skip
    stride: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        256, ge=1, le=131071, title="Stride",
        description="How far the window moves on in rows longer than the context: smaller gives every token more "
        "context and takes longer.",
    )  # fmt: skip
    positions: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        2000, ge=1, le=100_000, title="Compared positions",
        description="At how many tokens the whole next-token distributions are compared: more are steadier and take "
        "disk space meanwhile.",
    )  # fmt: skip
    speed: Annotated[bool, ADVANCED] = Field(
        True, title="Measure speed", description="Also measure how fast a prompt is read and an answer generated."
    )
    prompt_tokens: Annotated[int, Display(unit="tokens", advanced=True, shown_if={"speed": True})] = Field(
        256, ge=1, le=131072, title="Prompt length",
        description="Length of the prompt in the speed test: longer shows how prompt speed holds up.",
    )  # fmt: skip
    speed_tokens: Annotated[int, Display(unit="tokens", advanced=True, shown_if={"speed": True})] = Field(
        64, ge=1, le=4096, title="Generated length",
        description="Tokens generated in the speed test: more are steadier and take longer.",
    )  # fmt: skip
    threads: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=1024, title="CPU threads", description="Processor threads for every variant; 0 takes all cores."
    )
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed",
        description="Decides which positions are compared and how intervals are resampled; the same seed gives "
        "the same figures.",
    )  # fmt: skip

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
        config = config_over(resolved.base, resolved.adapter)
        longest = context_tokens(config)
        if longest and self.context > longest:
            problems.add("context", f"{self.original} takes {longest:,} tokens at most.", "Choose a shorter context.")
        need = 2 * int(config.get("vocab_size") or 0) * self.positions
        free = shutil.disk_usage(home.root).free
        if need > free * 0.9:
            problems.add(
                "positions", f"they take {human_size(need)} of disk, {human_size(free)} are free.", "Choose fewer."
            )
        return resolved

"""Checking that a GGUF answers as the model it was made from."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.store.dataset_reference import PROMPTS_REF, resolve_dataset
from workbench.data.store.prompts import built_in_prompts, prompts_of
from workbench.jobs.job import JOBS, Job, JobContext
from workbench.jobs.page import NO_GGUF, JobPage
from workbench.models.model_references import ModelRef, Resolved, model_ref, resolve_setting
from workbench.models.shelf import gguf_in


@JOBS.register
class Parity(Job):
    """Lets a GGUF and the model it was made from read and answer the same prompts, and shows where they differ.

    Both answer greedily, the source in float32 where it runs on a CPU. A GGUF of 16 bits should nearly always agree;
    for smaller types the table shows what changes first.
    """

    method: ClassVar[str] = "parity"
    title: ClassVar[str] = "Check a GGUF against its source"
    page: ClassVar[JobPage | None] = JobPage(
        "compress", section="gguf", button="Check", order=42, fold="Does it answer as its model does?",
        needs=(ModelRef("gguf"), 1), empty=NO_GGUF,
    )  # fmt: skip

    model: Annotated[str, ModelRef("gguf")] = Field(title="GGUF model", description="The GGUF model to check.")
    source: Annotated[str, ModelRef("model", "adapter")] = Field(
        "", title="Source model", description="The model it is compared with; empty takes the one it was made from."
    )
    prompts: Annotated[str, PROMPTS_REF] = Field(
        "", title="Prompts", description="The dataset whose prompts are answered; empty takes a few built-in ones."
    )
    number: Annotated[int, ADVANCED] = Field(
        20, ge=1, le=1000, title="Number of prompts",
        description="How many prompts are answered at most: more find rarer differences and take longer.",
    )  # fmt: skip
    tokens: Annotated[int, Display(unit="tokens", advanced=True)] = Field(
        48, ge=1, le=1024, title="Maximum answer length",
        description="Answers stop here: longer ones find differences that come later.",
    )  # fmt: skip

    def label(self) -> str:
        return f"Check {self.model}"

    def facts(self, home: Home) -> list[list[str]]:
        return [
            ["GGUF", self.model],
            ["Source", self.source or "the model it was made from"],
            ["Prompts", f"{self.number} of {self.prompts}" if self.prompts else "built in"],
        ]

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.gguf.library import unavailable

        if reason := unavailable():
            problems.add("model", "GGUF models cannot run here.", reason)
        for field, check in (("model", self.source_of), ("prompts", self._check_prompts)):
            try:
                check(home)
            except UserError as error:
                problems.collect(field, error)

    def _check_prompts(self, home: Home) -> None:
        if self.prompts and resolve_dataset(home, self, "prompts") and not prompts_of(home, self.prompts, 1):
            raise UserError(f"{self.prompts!r} has no prompts.", "Choose another set.", "prompts")

    def source_of(self, home: Home) -> Resolved:
        """The source; raises `UserError` when nobody knows it."""
        made_from = read_manifest(resolve_setting(home, self, "model").base).parent("quantized")
        if not self.source and made_from is None:
            raise UserError(f"What {self.model!r} was made from is not known.", "Name the source.", "source")
        name = self.source or (made_from.name if made_from else "")
        return model_ref(self, "source").resolve(home, name, "source")

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.compression.token_parity import Compared, compare_answers, parity_summary
        from workbench.core.hardware import detect_hardware
        from workbench.gguf.reading import read_header
        from workbench.inference.engine import Engine

        model, source = resolve_setting(ctx.home, self, "model"), self.source_of(ctx.home).name
        asked = prompts_of(ctx.home, self.prompts, self.number) if self.prompts else built_in_prompts()[: self.number]
        hardware = detect_hardware().model_copy(update={"bf16": False})  # which alone would tip many a near tie
        engine = Engine(ctx.home, hardware)
        for doing in engine.load([model.name, source]):
            ctx.task.update(0, len(asked), doing)
        comparisons: list[Compared] = []
        for index, messages in enumerate(asked):
            ctx.task.update(index, len(asked), f"Prompt {index + 1} of {len(asked)}")
            comparisons.append(compare_answers(engine, model.name, source, messages, self.tokens, ctx.task))
        dtype = str(engine.model(source).torch_model().dtype).removeprefix("torch.")
        kind = read_header(gguf_in(model.base)).type
        result = {
            "model": model.name,
            "source": source,
            "type": kind,
            "source_dtype": dtype,
            **parity_summary(comparisons, kind),
        }
        for sentence in result["sentences"]:
            ctx.note(sentence)
        ctx.task.update(len(asked), len(asked), "Compared")
        return result

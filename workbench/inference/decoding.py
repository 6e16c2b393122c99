"""How the next token is chosen."""

from typing import Annotated, Any

from pydantic import Field

from workbench.core.display import Display
from workbench.core.spec import Spec


class Decoding(Spec):
    """Sampling settings, in the order they are applied: repetition penalty, temperature, top-k, top-p."""

    greedy: bool = Field(
        False, title="Greedy decoding",
        description="Always take the most likely token; temperature, top k, top p and the seed have no effect then.",
    )  # fmt: skip
    temperature: Annotated[float, Display(shown_if={"greedy": False})] = Field(
        0.7, ge=0.01, le=5, title="Temperature", description="Below 1 is more certain, above 1 is more varied."
    )
    top_k: Annotated[int, Display(unit="tokens", shown_if={"greedy": False})] = Field(
        0, ge=0, le=1000, title="Top k",
        description="Draw from the k most likely tokens only: fewer is more certain; 0 is off.",
    )  # fmt: skip
    top_p: Annotated[float, Display(shown_if={"greedy": False})] = Field(
        0.95, gt=0, le=1, title="Top p",
        description="Draw from the most likely tokens that make up this probability: less is more certain; 1 is off.",
    )  # fmt: skip
    repetition_penalty: float = Field(
        1.0, ge=0.5, le=3, title="Repetition penalty",
        description="Above 1 makes tokens already used less likely; 1 is off.",
    )  # fmt: skip
    max_new_tokens: Annotated[int, Display(unit="tokens")] = Field(
        256, ge=1, le=8192, title="Maximum answer length", description="Answers stop here: longer ones take more time."
    )
    seed: Annotated[int, Display(shown_if={"greedy": False})] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed gives the same answer."
    )

    def processors(self) -> Any:
        """transformers' logits processors for these settings. Imports torch."""
        from transformers import (
            LogitsProcessorList,
            RepetitionPenaltyLogitsProcessor,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        processors = LogitsProcessorList()
        if self.repetition_penalty != 1:
            processors.append(RepetitionPenaltyLogitsProcessor(self.repetition_penalty))
        if not self.greedy:
            processors.append(TemperatureLogitsWarper(self.temperature))
            if self.top_k:
                processors.append(TopKLogitsWarper(self.top_k))
            if self.top_p < 1:
                processors.append(TopPLogitsWarper(self.top_p))
        return processors

    def generate_arguments(self) -> dict[str, Any]:
        """The same settings in the words of `model.generate`."""
        common: dict[str, Any] = {
            "max_new_tokens": self.max_new_tokens,
            "repetition_penalty": self.repetition_penalty,
            "do_sample": not self.greedy,
        }
        if self.greedy:
            return common
        return {**common, "temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p}

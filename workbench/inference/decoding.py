"""How the next token is chosen."""

from typing import Any

from pydantic import Field

from workbench.core.spec import Spec


class Decoding(Spec):
    """Sampling settings, in the order they are applied: repetition penalty, temperature, top-k, top-p."""

    greedy: bool = Field(
        False, description="Always the likeliest token; the settings below but the penalty are unused."
    )
    temperature: float = Field(0.7, ge=0.01, le=5, description="Below 1 is more certain, above 1 is more varied.")
    top_k: int = Field(0, ge=0, le=1000, description="Only the k likeliest tokens; 0 is off.")
    top_p: float = Field(
        0.95, gt=0, le=1, description="Only the likeliest tokens that make up this probability; 1 is off."
    )
    repetition_penalty: float = Field(1.0, ge=0.5, le=3, description="Above 1 makes tokens already used less likely.")
    max_new_tokens: int = Field(256, ge=1, le=8192, description="Longest answer in tokens.")
    seed: int = Field(0, ge=0, lt=2**31, description="Same seed, same answer.")

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

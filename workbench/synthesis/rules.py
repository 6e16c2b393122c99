"""The settings that every maker shares: what is left out, and how patiently an endpoint is asked."""

from typing import Annotated

from pydantic import Field

from workbench.core.display import Display
from workbench.core.spec import Spec


class Checks(Spec):
    """What is left out."""

    novelty: Annotated[float, Display(limit="max")] = Field(
        0.7, ge=0.1, le=1, title="Maximum similarity",
        description="New prompts with this much ROUGE-L similarity to any other are left out: lower leaves out more.",
    )  # fmt: skip
    refusals: bool = Field(
        True, title="Leave out refusals", description="Leave out texts that begin as refusals do (in English)."
    )
    least_words: Annotated[int, Display(unit="words", limit="min")] = Field(
        1, ge=0, le=1000, title="Minimum answer length", description="Answers of fewer words are left out."
    )
    keep_cut_off: bool = Field(
        False, title="Keep cut-off answers", description="Keep answers that did not end within the maximum length."
    )
    least_score: Annotated[float, Display(limit="min")] = Field(
        3, ge=1, le=5, title="Minimum score", description="Rows the judge scores lower are left out."
    )


class Patience(Spec):
    """How requests are sent to the operator's endpoint."""

    concurrency: int = Field(
        4, ge=1, le=64, title="Parallel requests",
        description="Requests under way at once: more is faster and may meet the endpoint's limits.",
    )  # fmt: skip
    timeout: Annotated[float, Display(unit="s")] = Field(
        60, ge=0.1, le=600, title="Timeout", description="How long one request may take."
    )
    tries: int = Field(
        5, ge=1, le=10, title="Attempts", description="Attempts at one request before it counts as failed."
    )

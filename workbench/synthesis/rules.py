"""The settings that every maker shares: what is left out, and how patiently an endpoint is asked."""

from pydantic import Field

from workbench.core.spec import Spec


class Checks(Spec):
    """What is left out."""

    novelty: float = Field(
        0.7, ge=0.1, le=1, description="New prompts with this much ROUGE-L likeness to any other are left out."
    )
    refusals: bool = Field(True, description="Leave out texts that begin as refusals do (in English).")
    least_words: int = Field(1, ge=0, le=1000, description="Answers of fewer words are left out.")
    keep_cut_off: bool = Field(False, description="Keep answers that did not end before the limit of tokens.")
    least_score: float = Field(3, ge=1, le=5, description="Rows the judge scores lower are left out.")


class Patience(Spec):
    """How an endpoint is asked."""

    concurrency: int = Field(4, ge=1, le=64, description="Requests under way at once.")
    timeout: float = Field(60, ge=0.1, le=600, description="Seconds one request may take.")
    tries: int = Field(5, ge=1, le=10, description="Tries of one request before it counts as failed.")

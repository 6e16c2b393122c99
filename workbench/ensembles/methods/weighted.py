"""A weighted mean of the members' probabilities, arithmetic or geometric."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.ensembles.method import ENSEMBLES, MOST_MEMBERS, Ensemble
from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, TokenStream

if TYPE_CHECKING:
    from workbench.inference.engine import Engine

Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


@ENSEMBLES.register
class Weighted(Ensemble):
    """At each token a weighted mean of the members' probabilities; they must share one vocabulary.

    linear mixes: a token that one member likes can win. geometric multiplies: every member has a veto.
    """

    method: ClassVar[str] = "weighted"
    title: ClassVar[str] = "Weighted mean of probabilities"
    one_vocabulary: ClassVar[bool] = True

    weights: list[Weight] = Field(
        default_factory=list, max_length=MOST_MEMBERS, title="Weights",
        description="One weight a member, in their order, scaled to sum to 1; empty weighs all alike.",
    )  # fmt: skip
    pool: Annotated[
        Literal["linear", "geometric"], Display(labels={"linear": "arithmetic", "geometric": "geometric"})
    ] = Field(
        "linear", title="Mean",
        description="How probabilities are averaged: geometric lets one member's doubt count for more.",
    )  # fmt: skip

    def check_members(self, members: Sequence[str], problems: Problems) -> None:
        if self.weights and len(self.weights) != len(members):
            problems.add(
                "weights", f"{len(self.weights)} are given for {len(members)} members.", "Give one for each member."
            )
        elif self.weights and not any(self.weights):
            problems.add("weights", "all are 0.", "Give at least one member a weight above 0.")

    def how(self, members: Sequence[str]) -> str:
        shares = " / ".join(f"{share:.2f}" for share in self._shares(members))
        return f"{self.title} ({self.pool}, {shares})"

    def _shares(self, members: Sequence[str]) -> list[float]:
        weights = self.weights or [1.0] * len(members)
        return [weight / sum(weights) for weight in weights]

    def stream(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> TokenStream:
        from workbench.ensembles.methods._tokens import Pool, geometric, linear

        heard = {member: share for member, share in zip(members, self._shares(members), strict=True) if share}
        combine = linear if self.pool == "linear" else geometric
        return Pool(engine, list(heard), messages, decoding, combine(list(heard.values())))

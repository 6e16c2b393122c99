"""What the structured pruners share: scores, checks, and the choice of what stays."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from workbench.compression.pruner import Pruner
from workbench.compression.quantizer import SizeEstimate
from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.units import human_count
from workbench.models.anatomy import Anatomy, Shape
from workbench.models.model_references import Resolved

if TYPE_CHECKING:
    from torch import Tensor

Score = Annotated[
    Literal["activation", "magnitude", "random"],
    Display(labels={"activation": "by activations on your rows", "magnitude": "by weights", "random": "at random"}),
]


class Cutting(Pruner):
    """Base of the pruners that take whole parts out: a smaller model of the usual kind is left."""

    effect: ClassVar[str] = (
        "The result is a smaller model of the usual kind: less memory, faster answers, and it trains, merges and "
        "quantizes like any other. It usually needs healing: some training with LoRA."
    )

    score: str

    def needs_rows(self) -> bool:
        return self.score in ("activation", "influence")

    @abstractmethod
    def result(self, anatomy: Anatomy) -> dict[str, Shape]:
        """Old name and shape of every tensor that is left. Raises `UserError` for what cannot be cut."""

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        anatomy = Anatomy.of(resolved.base)
        parameters, size = anatomy.size(self.result(anatomy))
        share = 1 - parameters / anatomy.size()[0]
        return SizeEstimate(size, [f"{human_count(parameters)} parameters are left, {share:.1%} fewer.", self.effect])

    def check(self, resolved: Resolved, problems: Problems) -> None:
        try:
            self.result(Anatomy.of(resolved.base))
        except UserError as error:
            problems.collect("pruner", error)


def best(scores: "Tensor", count: int) -> "Tensor":
    """The places of the `count` highest scores, in their old order; of equal ones the first."""
    import torch

    return torch.sort(scores, descending=True, stable=True).indices[:count].sort().values


def random_scores(count: int, seed: int, layer: int = 0) -> "Tensor":
    """A random score for each of `count` parts, of its own for each layer."""
    import torch

    return torch.rand(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + layer))

"""What the unstructured pruners share: their words, sizes and checks."""

from typing import ClassVar

from workbench.compression.pruner import Pruner
from workbench.compression.quantizer import SizeEstimate
from workbench.core.errors import Problems, UserError
from workbench.models.anatomy import Anatomy
from workbench.models.model_references import Resolved


class Thinning(Pruner):
    """Base of the pruners that set single weights to zero."""

    smaller: ClassVar[bool] = False
    faster: ClassVar[bool] = False
    effect: ClassVar[str] = (
        "The zeros are stored like any other number: the file stays as large and answers are not faster, "
        "except with software and GPUs made for sparse matrices. Heal it with the tuner 'full', which keeps the zeros."
    )

    pattern: str
    sparsity: float

    def share(self) -> float:
        """How much of each matrix becomes zero."""
        return 0.5 if self.pattern == "2:4" else self.sparsity

    def suffix(self) -> str:
        return f"{self.method}-2-4" if self.pattern == "2:4" else f"{self.method}-{self.sparsity * 100:g}"

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        return SizeEstimate(Anatomy.of(resolved.base).size()[1], [self.effect])

    def check(self, resolved: Resolved, problems: Problems) -> None:
        try:
            anatomy = Anatomy.of(resolved.base)
        except UserError as error:
            problems.collect("model", error)
            return
        odd = [name for name in anatomy.linear() if anatomy.shapes[name][1] % 4]
        if self.pattern == "2:4" and odd:
            width = anatomy.shapes[odd[0]][1]
            problems.add(
                "pruner", f"{odd[0]} is {width} wide, which cannot be divided by four.", "Choose another pattern."
            )

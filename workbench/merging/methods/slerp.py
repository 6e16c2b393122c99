"""SLERP: the point between two models on the arc between them, in bounded memory."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from workbench.merging.method import METHODS, MergeMethod

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_ELEMENTS = 2**20  # elements, as mergekit has it: the sums are taken chunk by chunk
CHORD_COSINE = 0.9995  # cosine above which the arc is as good as its chord
SMALLEST_NORM = 1e-8


@METHODS.register
class Slerp(MergeMethod):
    """Two models, the base one of them: goes along the arc between their weights, which keeps their length.

    https://en.wikipedia.org/wiki/Slerp. The same arithmetic as mergekit's in two buffers used again and again; fresh
    ones for every chunk can leave the memory in fragments worth several times the tensor.
    """

    method: ClassVar[str] = "slerp"
    title: ClassVar[str] = "SLERP"
    url: ClassVar[str] = "https://en.wikipedia.org/wiki/Slerp"
    most: ClassVar[int | None] = 2

    t: float = Field(
        ge=0, le=1, title="Interpolation (t)", description="0 is the base, 1 the other model; start with 0.5."
    )

    @classmethod
    def merge(cls, base: "Tensor | None", others: "list[Tensor]", **parameters: Any) -> "Tensor":
        import torch

        assert base is not None
        a, b = base.reshape(-1), others[0].reshape(-1)
        result = torch.empty_like(a)
        if not a.numel():
            return result.reshape(base.shape)
        dtype = torch.float64 if a.dtype == torch.float64 else torch.float32
        x, y = (torch.empty(min(CHUNK_ELEMENTS, a.numel()), dtype=dtype, device=a.device) for _ in range(2))
        chunks = [slice(start, start + CHUNK_ELEMENTS) for start in range(0, a.numel(), CHUNK_ELEMENTS)]

        def loaded() -> Any:
            for chunk in chunks:
                size = len(a[chunk])
                yield chunk, x[:size].copy_(a[chunk]), y[:size].copy_(b[chunk])

        lengths = torch.empty(2, len(chunks), dtype=dtype, device=a.device)
        for index, (_, left, right) in enumerate(loaded()):
            torch.linalg.vector_norm(left, out=lengths[0, index])
            torch.linalg.vector_norm(right, out=lengths[1, index])
        norms = torch.linalg.vector_norm(lengths, dim=1)
        norms = torch.where(norms > SMALLEST_NORM, norms, 1)
        dots = torch.empty(len(chunks), dtype=dtype, device=a.device)
        for index, (_, left, right) in enumerate(loaded()):
            torch.sum(left.div_(norms[0]).mul_(right.div_(norms[1])), dim=0, out=dots[index])
        first, second = _shares(parameters["t"], dots.sum().clamp(-1, 1))
        for chunk, left, right in loaded():
            result[chunk] = left.mul_(first).add_(right.mul_(second))
        return result.reshape(base.shape)


def _shares(t: float, cosine: "Tensor") -> "tuple[Tensor, Tensor]":
    """How much of each model: sin((1-t)θ) / sin θ and sin(tθ) / sin θ; 1-t and t where they are nearly in line."""
    import torch

    at = torch.tensor(t, dtype=cosine.dtype, device=cosine.device)
    if abs(float(cosine)) > CHORD_COSINE or math.isnan(float(cosine)):
        return 1 - at, at
    angle = torch.acos(cosine)
    return torch.sin((1 - at) * angle) / torch.sin(angle), torch.sin(at * angle) / torch.sin(angle)

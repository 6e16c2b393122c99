"""Rounding for teaching: every matrix to whole numbers and back, in its own type, so that the loss can be seen."""

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.compression import hf
from workbench.compression.quantizer import Quantizer, SizeEstimate, Work
from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.models.anatomy import FLOAT_BYTES
from workbench.models.model_references import Resolved
from workbench.models.shelving import copy_texts

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 2 * 10**9
TENSOR_HEADER_BYTES = 256  # bytes of a file's header that its writer keeps free for each tensor
SAME_SIZE = "As large as the original: it shows the loss of rounding and makes nothing smaller."


class Rounding(Quantizer):
    """Base of the teaching quantizers: a subclass says which grid a matrix is rounded to."""

    smaller: ClassVar[bool] = False

    bits: int = Field(
        8, ge=2, le=8, title="Bits",
        description="Bits of the whole numbers: 8 give 255 or 256 steps, 4 give 15 or 16, and fewer lose more.",
    )  # fmt: skip
    scales: Annotated[
        Literal["channel", "tensor"],
        Display(labels={
            "channel": "one for each output row", "tensor": "one for each matrix",
        }),
    ] = Field(
        "channel", title="Scales", description="How many scales there are: one for each row loses less."
    )  # fmt: skip

    def suffix(self) -> str:
        return f"{self.method}-int{self.bits}" + ("" if self.scales == "channel" else "-tensor")

    @abstractmethod
    def grid(self, weight: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        """(scale, zero point) of a matrix in float32, rows × columns; both rows × 1, or 1 × 1 for the whole."""

    @property
    @abstractmethod
    def limits(self) -> tuple[int, int]:
        """The smallest and largest whole number."""

    def rounded(self, weight: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
        """(whole numbers, scale, zero point): a weight is about scale · (number − zero point)."""
        scale, zero = self.grid(weight)
        numbers = (weight / scale).round() + zero
        return numbers.clamp(*self.limits), scale, zero

    def extremes(self, weight: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        """(smallest, largest) weight of each row, or of all as 1 × 1."""
        flat = weight if self.scales == "channel" else weight.reshape(1, -1)
        return flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)

    def estimate(self, resolved: Resolved) -> SizeEstimate:
        headers = hf.Parts.of(resolved.base).headers
        size = sum(math.prod(shape) * FLOAT_BYTES.get(dtype, 1) for shape, dtype in headers.values())
        return SizeEstimate(size + TENSOR_HEADER_BYTES * (len(headers) + 4), [SAME_SIZE])

    def check(self, home: Home, resolved: Resolved, problems: Problems) -> None:
        hf.check_model(resolved, problems, only_linear=False)

    def run(self, work: Work) -> dict[str, Any]:
        import shutil

        from workbench.compression import histograms
        from workbench.models.merged import open_weights
        from workbench.models.weights import ShardWriter

        parts, weights = hf.Parts.of(work.resolved.base), open_weights(work.resolved)
        names, layers = list(parts.headers), []
        with ShardWriter(work.folder, SHARD_BYTES, len(names)) as writer:
            for index, name in enumerate(names):
                work.task.check_stop()
                if index % 10 == 0:
                    work.task.update(index, len(names), f"Rounding {name}")
                tensor = weights.get(name)
                if name in parts.matrices:
                    exact = tensor.float()
                    numbers, scale, zero = self.rounded(exact)
                    tensor = ((numbers - zero) * scale).to(tensor.dtype)
                    layers.append(histograms.layer_histogram(name, exact, tensor.float(), scale, zero))
                writer.add(name, tensor)
            writer.finish()
        copy_texts(work.resolved.base, work.folder)
        shutil.copyfile(work.resolved.base / "config.json", work.folder / "config.json")
        picture = f"histograms-{self.suffix()}.json"
        histograms.write(work.ctx.folder / picture, f"{self.title}, {self.bits} bits, a scale a {self.scales}", layers)
        info = {**hf.quantized_facts(parts, work.folder), "notes": [SAME_SIZE]}
        return {**info, "histograms": picture, "rounding": histograms.histogram_summary(layers)}

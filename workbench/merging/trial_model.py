"""One model in memory that takes on the weights of one merge after another, so that no trial touches the disk."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.models.model_references import resolve

if TYPE_CHECKING:
    from torch import Tensor


class TrialModel:
    """A model of the shelf, loaded once; `take` overwrites its weights. Raises `UserError` when it cannot be loaded."""

    def __init__(self, home: Home, name: str):
        from workbench.core.hardware import detect_hardware
        from workbench.models.loading import load_base

        self.hardware = detect_hardware()
        self.model: Any = load_base(resolve(home, name).base, self.hardware).eval()
        self._tensors: dict[str, Tensor] = self.model.state_dict()

    def take(self, tensors: "Iterable[tuple[str, Tensor]]") -> None:
        """Copies the tensors in under their names, tied ones included.

        Raises `UserError` where they do not fit; the model is unfit for use until the next call succeeds.
        """
        import torch

        with torch.no_grad():
            for name, tensor in tensors:
                own = self._tensors.get(name)
                if own is None or own.shape != tensor.shape:
                    shape = tuple(own.shape) if own is not None else "no tensor of that name"
                    raise UserError(
                        f"{name} is {tuple(tensor.shape)} in the merge and {shape} in the model it is tried in.",
                        "Search over models of one architecture and vocabulary, and choose one of them as the base.",
                        "models",
                    )
                own.copy_(tensor)

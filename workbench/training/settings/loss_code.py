"""What computes the loss over the vocabulary on a GPU."""

from typing import Annotated, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.spec import Spec
from workbench.training.settings.batching import GROUP


class LossSettings(Spec):
    """The setting of the code that a training's loss is computed by."""

    fused_loss: Annotated[
        Literal["auto", "off"], Display(advanced=True, group=GROUP, labels={"auto": "automatic", "off": "off"})
    ] = Field(
        "auto", title="Fused loss (Liger)",
        description="Automatic computes SFT's loss with Liger's fused linear cross-entropy on a CUDA GPU where "
        "liger-kernel 0.8.5 or newer is installed; the run's result says what computed it.",
    )  # fmt: skip

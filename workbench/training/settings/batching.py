"""How rows become batches, and where activations wait for the backward pass."""

from typing import Annotated, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.hardware import cached_hardware
from workbench.core.home import Home
from workbench.core.spec import Spec
from workbench.training.objective import Objective

GROUP = "Speed and memory"
Batching = Literal["padding-free", "packed", "grouped", "padded"]
LABELS = {
    "padding-free": "without padding",
    "packed": "packed rows",
    "grouped": "padded, by length",
    "padded": "padded",
}


class BatchingSettings(Spec):
    """The settings of a training's batches."""

    batching: Annotated[Batching, Display(advanced=True, group=GROUP, labels=LABELS)] = Field(
        "padding-free", title="Batches",
        description="How rows lie in a batch. Without padding they lie end to end, with the loss of padded rows; "
        "packed rows fill the maximum length, which the batch size then counts: fewer, fuller steps.",
    )  # fmt: skip
    activation_offload: Annotated[bool, Display(advanced=True, group=GROUP)] = Field(
        False, title="Activation offload",
        description="Keep what the backward pass needs in the computer's memory instead of the GPU's: less GPU memory, "
        "slower.",
    )  # fmt: skip

    def check_batching(self, objective: Objective, home: Home, problems: Problems) -> None:
        """Adds what cannot be: pairs that are packed, and activations moved off a GPU that is not there."""
        if self.batching == "packed" and not objective.packs:
            problems.add("batching", f"{objective.title} takes pairs, which are not packed.", "Leave it as it is.")
        if self.activation_offload and cached_hardware(home).device != "cuda":
            problems.add("activation_offload", "there is no GPU whose memory it would save.", "Switch it off.")


def halved_batch(rows: int, passes: int) -> tuple[int, int] | None:
    """The next smaller (batch size, accumulation) of the same effective batch size; None for a single row."""
    smaller = next((size for size in range(rows // 2, 0, -1) if rows % size == 0), 0)
    return (smaller, passes * (rows // smaller)) if smaller else None

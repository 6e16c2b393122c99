"""What is trained, on what, for what and how long."""

from typing import Annotated

from pydantic import Field

from workbench.core.display import Display
from workbench.core.spec import Spec
from workbench.data.store.dataset_reference import DatasetRef
from workbench.models.model_references import ModelRef
from workbench.rendering.templates import TemplateName
from workbench.training.objective import OBJECTIVES, Objective
from workbench.training.tuner import TUNERS, Tuner


class BasicSettings(Spec):
    """The model, the rows it learns from, and what it learns of them."""

    model: Annotated[str, ModelRef("model", "adapter", sound=False)] = Field(
        title="Model", description="The model to start from: a base, or an adapter to go on training."
    )
    dataset: Annotated[str, DatasetRef("conversation", "text", "preference")] = Field(
        title="Dataset", description="What to learn from: SFT takes conversations or text, DPO takes preference pairs."
    )
    objective: Annotated[Objective, OBJECTIVES] = OBJECTIVES.field(
        "sft", "What the model learns, and from which kind of rows.", title="Objective"
    )
    tuner: Annotated[Tuner, TUNERS] = TUNERS.field("lora", "Which weights are trained.", title="Tuner")
    template: TemplateName = Field(
        "model", title="Chat template",
        description="How a conversation becomes text; 'model' is the model's own template.",
    )  # fmt: skip
    max_length: Annotated[int, Display(unit="tokens")] = Field(
        512, ge=16, le=131072, title="Maximum length",
        description="Rows longer than this are cut off: longer sees more of long rows and takes more memory.",
    )  # fmt: skip
    batch_size: Annotated[int, Display(unit="rows")] = Field(
        4, ge=1, le=1024, title="Batch size",
        description="Rows in a forward pass: more is faster and takes more memory.",
    )  # fmt: skip


class LengthSettings(Spec):
    """How long it trains, and what the result is called."""

    epochs: float = Field(
        1, gt=0, le=1000, title="Epochs",
        description="How often every row is seen: more learns the rows better, until the model overfits.",
    )  # fmt: skip
    max_steps: int = Field(
        0, ge=0, le=1_000_000, title="Maximum steps",
        description="Stop after so many optimizer steps; 0 goes by epochs.",
    )  # fmt: skip
    output: str = Field(
        "",
        title="Output name",
        description="The result's name on the shelf; empty takes the model's name and the objective.",
    )

"""When a training ends before its last step, and which weights it keeps."""

from typing import Annotated, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.spec import Spec
from workbench.training.best_evaluation import METRICS, Metric

GROUP = "Early stopping and best evaluation"
ADVANCED = Display(advanced=True, group=GROUP)


class StoppingSettings(Spec):
    """Early stopping, and whether the best evaluation's weights are kept in place of the last step's."""

    keep_best: Annotated[bool, ADVANCED] = Field(
        False, title="Keep the best evaluation",
        description="The result is the weights of the best evaluation in place of the last step's; early stopping "
        "always keeps these.",
    )  # fmt: skip
    early_stopping_patience: Annotated[int, Display(unit="evaluations", advanced=True, group=GROUP)] = Field(
        0, ge=0, le=10_000, title="Early stopping patience",
        description="End the run after so many in a row without improvement; 0 never ends it early.",
    )  # fmt: skip
    early_stopping_improvement: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, le=1000, title="Least improvement",
        description="An evaluation has to be better than the best so far by more than this to count as improvement.",
    )  # fmt: skip
    best_metric: Annotated[
        Literal["loss", "accuracy", "margin"],
        Display(advanced=True, group=GROUP, labels={
            "loss": "eval loss", "accuracy": "accuracy on pairs (DPO)", "margin": "reward margin (DPO)",
        }),
    ] = Field(
        "loss", title="Best by", description="The number of an evaluation by which it is better or worse than others."
    )  # fmt: skip

    @property
    def keeps_best(self) -> bool:
        return self.keep_best or self.early_stopping_patience > 0

    @property
    def metric(self) -> Metric:
        return METRICS[self.best_metric]

    def check_stopping(self, metrics: tuple[str, ...], eval_rows: int, problems: Problems) -> None:
        """Adds what keeps evaluations from being compared; `metrics` are those that the objective has."""
        if not self.keeps_best:
            return
        field = "early_stopping_patience" if self.early_stopping_patience else "keep_best"
        if not eval_rows:
            remedy = "Import the dataset with an eval split, or give it one in Data, or turn this off."
            problems.add(field, "the dataset has no eval rows to tell the best weights by.", remedy)
        if self.best_metric not in metrics:
            message = f"this objective's evaluations have no {self.metric.title}."
            problems.add("best_metric", message, f"Choose {' or '.join(metrics)}.")

"""Looking for a learning rate before training with it."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.jobs.job import JOBS, Job
from workbench.training.jobs.train import Train
from workbench.training.settings.basics import BasicSettings
from workbench.training.settings.batching import BatchingSettings
from workbench.training.settings.numbers import NumberSettings
from workbench.training.settings.optimizing import StepSettings

NEVER_STEPS = 1_000_000
UNUSED_NAME = "learning-rate-search"


@JOBS.register
class FindLearningRate(BatchingSettings, NumberSettings, StepSettings, BasicSettings, Job):
    """Trains for some steps with a learning rate that rises at each, and suggests one from how the loss went.

    The learning rate range test, Smith 2017, https://arxiv.org/abs/1506.01186. The suggestion is where the loss fell
    fastest, and no more than a tenth of where it was lowest. What it learned is thrown away, and the learning rate of
    the objective is not used.
    """

    method: ClassVar[str] = "find-learning-rate"
    title: ClassVar[str] = "Find a learning rate"
    runs: ClassVar[str] = "workbench.training.rate_search:search_rate"

    steps: Annotated[int, Display(unit="steps")] = Field(
        100, ge=20, le=10_000, title="Length", description="Steps from the lowest to the highest rate: more is clearer."
    )
    lowest: float = Field(1e-7, gt=0, le=1, title="Lowest rate", description="The learning rate of the first step.")
    highest: float = Field(
        0.1, gt=0, le=1, title="Highest rate",
        description="The learning rate of the last step; it ends before when the loss runs away.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed gives the same search."
    )

    def label(self) -> str:
        return f"Learning rate for {self.model} on {self.dataset}"

    def training(self) -> Train:
        """The training whose steps it makes, at the highest rate."""
        shared = {name: value for name, value in self.to_dict().items() if name in Train.model_fields}
        objective = {**shared["objective"], "learning_rate": self.highest}
        never = {"eval_every": NEVER_STEPS, "checkpoint_every": NEVER_STEPS}
        course = {"scheduler": "constant", "warmup": 0, "max_steps": self.steps, "output": UNUSED_NAME}
        return Train.parse({**shared, **never, **course, "objective": objective})

    def facts(self, home: Home) -> list[list[str]]:
        return [
            ["Model", self.model],
            ["Dataset", self.dataset],
            ["Tuner", self.tuner.title],
            ["Optimizer", self.optimizer.title],
            ["Effective batch", f"{self.batch_size * self.gradient_accumulation}"],
            ["Learning rates", f"{self.lowest:g} to {self.highest:g} in {self.steps} steps"],
        ]

    def check(self, home: Home, problems: Problems) -> None:
        if self.lowest * 10 > self.highest:
            problems.add("highest", "is less than ten times the lowest rate.", "Set it higher, or the lowest lower.")
        found = Problems()
        self.training().check(home, found)
        problems.found += [problem for problem in found.found if problem.path != ("output",)]

    def taken_over(self, rate: float) -> dict[str, Any]:
        """The settings of a training that has this rate."""
        return {"objective": {"method": self.objective.method, "learning_rate": rate}}

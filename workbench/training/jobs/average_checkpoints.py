"""Averaging the last checkpoints of a training run."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir, safe_join
from workbench.core.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.jobs.job_reference import JobRef
from workbench.jobs.page import JobPage
from workbench.jobs.queue import Queue
from workbench.models.base_settings import base_settings, copy_base_settings, scaling_info
from workbench.models.shelf import check_free
from workbench.models.shelving import copy_texts
from workbench.training.checkpoints import KEPT_FILES, checkpoints
from workbench.training.jobs.train import Train


@JOBS.register
class AverageCheckpoints(Job):
    """Averages the last checkpoints of one training run into an adapter, as a mean or an EMA.

    Stochastic weight averaging, Izmailov et al. 2018, https://arxiv.org/abs/1803.05407. What is averaged are the
    trained parameters: for LoRA the factors A and B, not their product. That is sound within one run, whose
    checkpoints lie near one another; adapters of different runs are for combine-adapters.
    """

    method: ClassVar[str] = "average-checkpoints"
    title: ClassVar[str] = "Average checkpoints"
    uses_device: ClassVar[bool] = False
    page: ClassVar[JobPage | None] = JobPage(
        "merge", title="Checkpoints", button="Average checkpoints", order=40,
        needs=(JobRef(Train.method), 1),
        empty=("No training run yet", "The checkpoints of one run can be averaged.",
               "Train with 'Checkpoints kept' above 1 (More settings)."),
    )  # fmt: skip

    training: Annotated[str, JobRef(Train.method)] = Field(
        title="Training run",
        description="The run whose checkpoints are averaged; it has to be trained with 'Checkpoints kept' above 1.",
    )
    last: int = Field(
        0, ge=0, le=20, title="Number of checkpoints",
        description="How many of its last checkpoints; 0 takes all that were kept.",
    )  # fmt: skip
    weighting: Annotated[
        Literal["mean", "ema"], Display(labels={"mean": "mean (all alike)", "ema": "EMA (later ones more)"})
    ] = Field(
        "mean", title="Weighting", description="How much each checkpoint counts."
    )  # fmt: skip
    decay: Annotated[float, Display(shown_if={"weighting": "ema"})] = Field(
        0.5, ge=0, lt=1, title="Decay",
        description="Share the running average keeps at each next checkpoint: larger favours earlier ones.",
    )  # fmt: skip
    output: str = Field(title="Output name", description="Name of the new adapter on the shelf.")

    def label(self) -> str:
        return f"Average {self.output}"

    def facts(self, home: Home) -> list[list[str]]:
        which = f"the last {self.last}" if self.last else "all kept"
        how = "mean" if self.weighting == "mean" else f"EMA, decay {self.decay:g}"
        return [["Training", self.training], ["Checkpoints", which], ["Weighting", how], ["Makes", self.output]]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output)]

    def check(self, home: Home, problems: Problems) -> None:
        check_free(home, self.output, problems)
        try:
            self._chosen(home)
            self._adapter(home)
        except UserError as error:
            problems.collect("training", error)

    def _chosen(self, home: Home) -> list[Path]:
        """The checkpoints to average, oldest first; raises `UserError` when there are not enough."""
        folders = remaining_checkpoints(home, self.training)
        if len(folders) < max(2, self.last):
            wanted = f"{self.last} wanted" if self.last > len(folders) else "two needed"
            raise UserError(
                f"{self.training} has {len(folders)} of the {wanted} checkpoints.",
                "Train with keep_checkpoints set to that many or more, and a checkpoint_every that makes as many.",
                "last" if len(folders) > 1 else "training",
            )
        return folders[-self.last :]

    def _adapter(self, home: Home) -> Path:
        """The adapter the run made; its template and parents are those of the average."""
        job = train_job(home, self.training)
        folder = safe_join(home.models, job.output_name, "training")
        if not folder.is_dir() or read_manifest(folder).made_by.get("job") != self.training:
            raise UserError(
                f"{job.output_name!r}, which this run made, is not on the shelf any more.",
                "Train again, and keep the adapter until the average is made.",
                "training",
            )
        return folder

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.training.averaging import average

        chosen, adapter = self._chosen(ctx.home), self._adapter(ctx.home)
        shares = weights(len(chosen), self.decay if self.weighting == "ema" else None)
        steps = [int(path.name.split("-")[-1]) for path in chosen]
        ctx.task.update(0, 0, f"Averaging steps {', '.join(map(str, steps))}")
        result = {"model": self.output, "steps": steps, "weights": [round(share, 6) for share in shares]}
        with atomic_dir(ctx.home.models / self.output) as partial:
            for count in average(chosen, shares, partial):
                if count % 100 == 1:
                    ctx.task.check_stop()
            copy_texts(adapter, partial)
            copy_base_settings(adapter, partial)
            made_by = {**self.to_dict(), "job": ctx.folder.name}
            parents = _parents(adapter)
            info = {**result, **scaling_info(base_settings(partial))}
            manifest = Manifest(kind="adapter", name=self.output, parents=parents, made_by=made_by, info=info)
            write_manifest(partial, manifest)
        return result


def _parents(adapter: Path) -> list[Parent]:
    inherited = [parent for parent in read_manifest(adapter).parents if parent.role in ("base", "dataset")]
    return [*inherited, parent_of(adapter, "averaged")]


def train_job(home: Home, job_id: str) -> Train:
    """The spec of a training job that has ended; raises `UserError` for anything else."""
    view = Queue(home).get(job_id)
    if not isinstance(view.job, Train):
        raise UserError(f"{job_id} is no training job.", "Choose one that trained an adapter.", "training")
    if view.status in ("queued", "running"):
        raise UserError(f"{view.label} is {view.status}.", "Wait until it has ended.", "training")
    return view.job


def remaining_checkpoints(home: Home, job_id: str) -> list[Path]:
    """The checkpoints that a training job has left, oldest first."""
    train_job(home, job_id)
    folders = checkpoints(safe_join(home.jobs, job_id, "training") / "checkpoints")
    return [path for path in folders if all((path / name).is_file() for name in KEPT_FILES)]


def weights(count: int, decay: float | None = None) -> list[float]:
    """What each of `count` checkpoints counts, oldest first: the same, or as an EMA that starts at the oldest."""
    if decay is None:
        return [1 / count] * count
    return [decay ** (count - 1), *((1 - decay) * decay ** (count - 1 - index) for index in range(1, count))]

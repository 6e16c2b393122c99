"""Settings of what is looked at while a model learns: answers to chosen prompts, and where the numbers go as well."""

import importlib.util
import netrc
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.spec import Spec

PROJECT = "llm-workbench"
WANDB_HOST = "api.wandb.ai"
MOST_SAMPLE_PROMPTS = 8
PACKAGES = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}
"""The package each tracker is."""
SamplePrompt = Annotated[str, Field(min_length=1, max_length=4000)]


class WatchingSettings(Spec):
    """What a training job shows of itself beside its metrics."""

    sample_prompts: Annotated[
        list[SamplePrompt], Display(advanced=True, group="Samples and trackers")
    ] = Field(
        default_factory=list, max_length=MOST_SAMPLE_PROMPTS, title="Sample prompts",
        description="One a line, answered by the model as it is before, during and after training; empty answers none.",
    )  # fmt: skip
    sample_every: Annotated[int, Display(unit="steps", advanced=True, group="Samples and trackers")] = Field(
        50, ge=1, le=1_000_000, title="Answer samples every",
        description="Steps between two answers to the sample prompts: fewer show more and take longer.",
    )  # fmt: skip
    sample_tokens: Annotated[int, Display(unit="tokens", advanced=True, group="Samples and trackers")] = Field(
        64, ge=1, le=1024, title="Sample length", description="The most tokens an answer to a sample prompt may have.",
    )  # fmt: skip
    tracker: Annotated[
        Literal["none", "tensorboard", "trackio", "wandb"],
        Display(advanced=True, group="Samples and trackers", labels={
            "none": "none", "tensorboard": "TensorBoard", "trackio": "trackio", "wandb": "Weights & Biases",
        }),
    ] = Field(
        "none", title="Experiment tracker",
        description="Sends the metrics there too. Weights & Biases uploads them to its servers; the others stay here.",
    )  # fmt: skip

    def tracker_arguments(self, name: str) -> dict[str, Any]:
        """What the trainer is told of the tracker. Nothing is made on the hub: trackio writes to this machine."""
        return {
            "report_to": self.tracker,
            "run_name": name,
            "project": PROJECT,
            "trackio_space_id": None,
            "trackio_static_space_id": None,
        }

    def set_tracker_folders(self, folder: Path) -> None:
        """Has the trackers of this process write into the job's folder; trackio has one place for all projects."""
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
        os.environ.setdefault("WANDB_DIR", str(folder))
        os.environ.setdefault("WANDB_PROJECT", PROJECT)

    def check_watching(self, problems: Problems) -> None:
        """Adds what keeps these settings from working here."""
        package = PACKAGES.get(self.tracker)
        if self.tracker == "wandb" and not _knows_wandb():
            problems.add(
                "tracker", "no key for Weights & Biases is known here.",
                "Set WANDB_API_KEY where the workbench is started, or WANDB_MODE=offline to write to the disk alone.",
            )  # fmt: skip
        if package and importlib.util.find_spec(package) is None:
            problems.add("tracker", f"{package} is not installed.", f"pip install {package}, or choose none.")


def _knows_wandb() -> bool:
    """Whether wandb can log in, or was told to stay offline."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return True
    try:
        return netrc.netrc().authenticators(WANDB_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False

"""Keeps the trained weights of the best evaluation, and ends a run that waits too long for a better one.

Imports torch and transformers: only job processes import this.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState

from workbench.core.home import atomic_dir
from workbench.training.best_evaluation import BestSoFar, Metric, best_so_far, kept_sentences
from workbench.training.settings.stopping import StoppingSettings

FOLDER, FILE = "best_evaluation", "weights.safetensors"


class BestWeights(TrainerCallback):
    """Writes the trained weights at each evaluation that is the best so far, whole or not at all.

    What was best before stays until the next checkpoint lies there: a run that goes on from the one before needs it.
    patience: evaluations without an improvement of more than `least_improvement` after which the run ends; 0 never.
    """

    def __init__(self, folder: Path, metric: Metric, patience: int, least_improvement: float):
        self.folder, self.metric = folder / FOLDER, metric
        self.patience, self.least_improvement = patience, least_improvement
        self.stopped = False

    @classmethod
    def of(cls, settings: StoppingSettings, folder: Path) -> "BestWeights":
        """As the settings have it, below that folder."""
        return cls(folder, settings.metric, settings.early_stopping_patience, settings.early_stopping_improvement)

    def best_so_far(self, state: TrainerState) -> BestSoFar:
        return best_so_far(state.log_history, self.metric, self.least_improvement)

    def has_ended(self, state: TrainerState) -> bool:
        """Whether the run is over, as its history says."""
        return 0 < self.patience <= self.best_so_far(state).waited

    def had_ended_at(self, checkpoint: Path, trainer: Any) -> bool:
        """Whether the run was over at that checkpoint; then the trainer gets its state and weights."""
        state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        if state.global_step >= state.max_steps or not self.has_ended(state):
            return False
        trainer._load_from_checkpoint(str(checkpoint))
        trainer.state, self.stopped = state, True
        return True

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._remove_all_but(self.best_so_far(state).best_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        stand = self.best_so_far(state)
        if stand.found and stand.best_step == state.global_step:
            self.write(model, state.global_step)
        if state.global_step < state.max_steps and self.has_ended(state):
            self.stopped = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._remove_all_but(self.best_so_far(state).best_step)

    def write(self, model: Any, step: int) -> None:
        with atomic_dir(self._snapshot(step), replace=True) as partial:
            weights = {name: weight.detach().contiguous() for name, weight in _trained(model)}
            save_file(weights, partial / FILE, {"format": "pt"})

    def keep(self, trainer: Any, note: Callable[[str], None]) -> dict[str, Any]:
        """Gives the model the weights of the best evaluation; notes what was kept and why, and returns it as facts."""
        best = self.best_so_far(trainer.state)
        if not best.found:
            note("There was no evaluation to tell the best weights by: those of the last step are kept.")
            return {}
        if not self.put_back(trainer.model, best.best_step):
            note(f"The weights of step {best.best_step}, the best evaluation, are gone: the last step's are kept.")
            return {}
        for text in kept_sentences(best, self.metric, self.patience if self.stopped else 0):
            note(text)
        return {**best.facts(self.metric), "stopped_early": self.stopped}

    @torch.no_grad()
    def put_back(self, model: Any, step: int) -> bool:
        """Gives the model the weights of that evaluation; False if they are not there."""
        file = self._snapshot(step) / FILE
        if not file.is_file():
            return False
        saved = load_file(file)
        for name, weight in _trained(model):
            weight.copy_(saved[name])
        return True

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _snapshot(self, step: int) -> Path:
        return self.folder / f"step-{step}"

    def _remove_all_but(self, step: int) -> None:
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path != self._snapshot(step):
                shutil.rmtree(path, ignore_errors=True)


def _trained(model: Any) -> list[tuple[str, Any]]:
    """The weights that are trained, by name; each once, however many layers share it."""
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]

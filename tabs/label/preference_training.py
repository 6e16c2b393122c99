"""From the votes of a closed session to a training on them: what was said as a dataset, and the settings beside it."""

from typing import Any

from tabs.shell.context import Context
from workbench.core.errors import UserError
from workbench.core.home import free_name
from workbench.models.model_references import model_ref
from workbench.preferences.export import export_dataset, export_edits
from workbench.preferences.sessions import model_of
from workbench.preferences.summary import report
from workbench.training.jobs.train import Train

FEW_PAIRS = 1000
"""Below, the SFT loss on the chosen answers is added: alone, DPO mostly learns to be short."""


def best_model(ctx: Context, summary: dict[str, Any]) -> str:
    """The best rated model of a closed session's report that is still there to be trained, else the first such."""
    rated = [row["model"] for row in summary["ratings"]["rows"]]
    named = [model_of(model) for model in summary["session"]["models"]]
    return next((model for model in [*rated, *named] if _is_trainable(ctx, model)), "")


def _is_trainable(ctx: Context, model: str) -> bool:
    try:
        model_ref(Train, "model").find(ctx.home, model)
    except UserError:
        return False
    return True


def preference_settings(ctx: Context, name: str, own: bool) -> dict[str, Any]:
    """Exports the pairs of a closed session as a dataset; the settings of a training that go with it.

    own: only pairs of the best model's own answers. Without a `model` when none of the session's is on the shelf.
    """
    start = best_model(ctx, report(ctx.home, name))
    dataset = free_name(ctx.home.datasets, f"{name}-pairs")
    manifest = export_dataset(ctx.home, name, dataset, own=start if own else "")
    pairs = manifest.info["rows"]["train"]
    return _from(start) | {
        "dataset": manifest.name,
        "output": free_name(ctx.home.models, f"{name}-dpo"),
        "objective": {"method": "dpo", "learning_rate": 1e-4, "sft_weight": 1.0 if pairs < FEW_PAIRS else 0.0},
        "epochs": 1,
        "eval_every": 5,
    }


def edits_settings(ctx: Context, name: str) -> dict[str, Any]:
    """Exports the answers that people edited as a dataset; the settings of an SFT on it, as `preference_settings`."""
    manifest = export_edits(ctx.home, name, free_name(ctx.home.datasets, f"{name}-edits"))
    return _from(best_model(ctx, report(ctx.home, name))) | {
        "dataset": manifest.name,
        "output": free_name(ctx.home.models, f"{name}-sft"),
        "objective": {"method": "sft"},
    }


def _from(model: str) -> dict[str, Any]:
    return {"model": model} if model else {}


def training_words(settings: dict[str, Any], what: str, graded: bool = False) -> str:
    """What to do with settings that fill the form, where `what` was exported; `graded`: with margins."""
    words = f"{what} are the dataset {settings['dataset']}. "
    if graded:
        words += "Votes were graded: DPO uses their margins where its 'Margin weight' is above 0. "
    if "model" in settings:
        return words + "Check the settings, then start."
    return words + "None of the session's models is on the shelf: choose the model to train, then start."

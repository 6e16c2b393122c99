"""Distillation: learning from what another model thinks of every next token."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.errors import UserError, concerning
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.ensembles.shelf import token_table
from workbench.models.model_references import ModelRef, Resolved, model_ref
from workbench.training.activation_memory import Batch, LayerSizes
from workbench.training.objective import OBJECTIVES, Setup
from workbench.training.objectives.sft import Sft
from workbench.training.weight_facts import WeightFacts

LOGITS_COPIES = 8


@OBJECTIVES.register
class Distill(Sft):
    """Learns the probabilities that a larger or unpruned model of the same vocabulary gives to every next token.

    Hinton et al. 2015, https://arxiv.org/abs/1503.02531: α · T² · KL(teacher ‖ student), both softened by the
    temperature T, and (1 - α) of the SFT loss, on the tokens that SFT trains. A way to heal a pruned model. The texts
    are the dataset's; learning from the student's own answers (TRL's DistillationTrainer) generates at every step,
    which a CPU is too slow for.
    """

    method: ClassVar[str] = "distill"
    title: ClassVar[str] = "Distillation: learn from a teacher"

    label_smoothing: ClassVar[float] = 0.0  # type: ignore[misc]  # no setting here: the teacher spreads the targets

    teacher: Annotated[str, ModelRef("model", "adapter")] = Field(
        "", title="Teacher", description="The model to learn from; empty takes the one this was pruned from."
    )
    alpha: float = Field(
        0.5, ge=0, le=1, title="Teacher weight (α)",
        description="Weight of the teacher's probabilities: larger follows the teacher more, the rest is the SFT "
        "loss.",
    )  # fmt: skip
    temperature: float = Field(
        1.0, gt=0, le=20, title="Temperature",
        description="Softens both distributions: above 1 the teacher's less likely tokens count for more.",
    )  # fmt: skip

    def loss_bytes(self, sizes: LayerSizes, batch: Batch, held: WeightFacts) -> int:
        """Both models' logits, their copies in float32, and their log-probabilities."""
        return LOGITS_COPIES * 4 * batch.tokens * sizes.vocabulary

    def models_needed(self, home: Home, student: Resolved) -> dict[str, Resolved]:
        """The teacher; raises `UserError` unless there is one with the student's vocabulary."""
        name = self.teacher or pruned_from(home, student.named_folders[-1])
        if not name:
            raise UserError(
                f"{student.name!r} was not pruned from a model.", "Choose the teacher to learn from.",
                ("objective", "teacher"),
            )  # fmt: skip
        with concerning(("objective", "teacher")):
            teacher = model_ref(self, "teacher").resolve(home, name)
        if teacher.identity == student.identity:
            raise UserError(
                "It would be its own teacher.", "Choose a larger model, or the one it was pruned from.",
                ("objective", "teacher"),
            )  # fmt: skip
        if token_table(teacher.home_of_template) != token_table(student.home_of_template):
            raise UserError(
                f"{name!r} and {student.name!r} have different vocabularies, so their probabilities do not line up.",
                "Choose a teacher of the same family.",
                ("objective", "teacher"),
            )
        return {"teacher": teacher}

    def trainer(self, setup: Setup) -> Any:
        return self.built(_distilling(setup.models["teacher"], self.alpha, self.temperature), setup)


def pruned_from(home: Home, folder: Path) -> str:
    """The model that this one, or the one it was trained from, was pruned from; '' if there is none."""
    visited: set[Path] = set()
    while folder not in visited:
        visited.add(folder)
        manifest = read_manifest(folder)
        if pruned := manifest.parent("pruned"):
            return pruned.name
        before = manifest.parent("start") or manifest.parent("base")
        if before and (home.models / before.name).is_dir():
            folder = home.models / before.name
    return ""


def _distilling(teacher: Any, alpha: float, temperature: float) -> Any:
    """A trainer whose loss is that of distillation; it tells both parts of it, in nats a token."""
    from transformers import Trainer
    from trl import SFTTrainer

    class Distilling(SFTTrainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            import torch

            model_inputs = {name: inputs[name] for name in ("input_ids", "attention_mask", "labels")}
            with torch.no_grad():
                goals = teacher(**model_inputs, use_cache=False, learned_logits=True)
            logits = model(**model_inputs, use_cache=False, learned_logits=True)
            labels = inputs["labels"][:, 1:]
            learned = labels != -100
            weights = inputs["weights"][:, 1:][learned] if "weights" in inputs and self.model.training else None  # type: ignore[union-attr]
            kl, nll, tokens = divergence(logits, goals, labels[learned], temperature, weights)
            self._tell(inputs, {"kl": kl / tokens, "nll": nll / tokens})
            items = tokens if num_items_in_batch is None else torch.as_tensor(num_items_in_batch).to(kl.device)
            loss = (alpha * temperature**2 * kl + (1 - alpha) * nll) / items
            return (loss, {"logits": logits}) if return_outputs else loss

        def _tell(self, inputs: Any, parts: dict[str, Any]) -> None:
            mode = "train" if self.model.training else "eval"  # type: ignore[union-attr]
            for name, value in parts.items():
                self._metrics[mode][name].append(float(value.detach()))
            if mode == "train":
                self._total_train_tokens += int(inputs["attention_mask"].sum())
                self._metrics[mode]["num_tokens"] = [self._total_train_tokens]

        def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
            return Trainer.prediction_step(self, model, inputs, prediction_loss_only, ignore_keys)

    return Distilling


def divergence(
    student: Any, teacher: Any, targets: Any, temperature: float, weights: Any = None
) -> tuple[Any, Any, Any]:
    """(Σ KL(teacher ‖ student) at this temperature, Σ negative log-likelihood, tokens) over the trained tokens.

    Logits of tokens × vocabulary; where one model pads its vocabulary, only what both have counts. With `weights`, one
    a token, each counts so many times in both sums.
    """
    import torch
    from torch.nn import functional

    size = min(student.shape[-1], teacher.shape[-1])
    own, wanted = (logits[:, :size].float() for logits in (student, teacher))
    soft, goal = (torch.log_softmax(logits / temperature, dim=-1) for logits in (own, wanted))
    kl = functional.kl_div(soft, goal, reduction="none", log_target=True).sum(-1)
    nll = functional.cross_entropy(own, targets, reduction="none")
    if weights is not None:
        kl, nll = kl * weights, nll * weights
    tokens = torch.as_tensor(len(targets), device=own.device).clamp(min=1)
    return kl.sum(), nll.sum(), tokens

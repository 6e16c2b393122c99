"""The weights that a trainer trains, and the optimizer over them. Imports torch: only job processes import this."""

import os
from typing import Any

import torch
from torch.nn.functional import softshrink

from workbench.training.optimizer import Decay, Optimizer, TrainedWeight


def optimize(trainer: Any, optimizer: Optimizer, decay: Decay) -> None:
    """Has the trainer use this optimizer; its schedule and checkpoints treat it as one of its own."""
    trainer.optimizer = optimizer.build(trained_weights(trainer), trainer.args.learning_rate, decay)
    if decay.l1:
        trainer.optimizer.register_step_post_hook(lambda made, *_: shrink(made))


def make_deterministic() -> None:
    """Has torch use only operations that give the same bits every time in this process, or fail.

    cuBLAS gives the same bits with a workspace of its own for each stream only:
    https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def trained_weights(trainer: Any) -> list[TrainedWeight]:
    """Every weight that is trained, in the model's order; norms and biases do not decay, as transformers has it."""
    model = trainer.model
    decaying = set(trainer.get_decay_parameter_names(model))
    tables = {id(table.weight) for table in _tables(model)}
    return [
        TrainedWeight(parameter, name in decaying, id(parameter) in tables)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]


def _tables(model: Any) -> list[Any]:
    """The layers with a row for each token."""
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    layers += [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    return [layer for layer in layers if hasattr(layer, "weight")]


@torch.no_grad()
def shrink(optimizer: Any) -> None:
    """Moves the weights of groups with `l1` towards zero by the learning rate times it, and no further than zero.

    The proximal step of an L1 penalty (ISTA), apart from the gradient as AdamW's decay is.
    """
    for group in optimizer.param_groups:
        if amount := group["lr"] * group.get("l1", 0.0):
            for parameter in group["params"]:
                parameter.copy_(softshrink(parameter, float(amount)))

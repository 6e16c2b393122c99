"""What goes through a model's layers on calibration rows: one pass, statistics by hooks, no activation is kept.

Imports torch: only job processes import this. All numbers are float64 on the CPU.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from workbench.compression.pruner import Cut
from workbench.core.errors import UserError
from workbench.models.anatomy import layer_number

Statistic = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


def input_squares(cut: Cut, modules: Iterable[str]) -> dict[str, torch.Tensor]:
    """Σ x² over all tokens for each input feature of these linear layers, by name: ‖X_j‖² of shape (in,)."""
    return _gather(cut, modules, lambda _, inputs, __: inputs.float().pow(2).sum(0))


def group_squares(cut: Cut, modules: Iterable[str], groups: int) -> dict[str, torch.Tensor]:
    """Σ ‖W_g x_g‖² over all tokens for each of `groups` equal blocks of inputs: what each adds, of shape (groups,)."""

    def statistic(module: Any, inputs: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        blocks, weights = inputs.chunk(groups, dim=1), module.weight.chunk(groups, dim=1)
        added = [(block @ weight.T).float().pow(2).sum() for block, weight in zip(blocks, weights, strict=True)]
        return torch.stack(added)

    return _gather(cut, modules, statistic)


def influences(cut: Cut) -> torch.Tensor:
    """How much each layer turns the hidden state: the mean over tokens of 1 - cos(input, output), of shape (layers,).

    Block influence, ShortGPT, Men et al. 2024, https://arxiv.org/abs/2403.03853.
    """
    layers = [name for name, _ in cut.model.named_modules() if name.rpartition(".")[0].endswith("layers")]
    layers = [name for name in layers if layer_number(f"{name}.x") is not None]

    def statistic(_: Any, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        turned = 1 - torch.nn.functional.cosine_similarity(inputs.float(), outputs.float(), dim=-1)
        return turned.sum()[None]

    sums = _gather(cut, layers, statistic)
    tokens = sum(len(row["input_ids"]) for row in cut.rows)
    return torch.cat([sums[name] for name in sorted(layers, key=lambda name: layer_number(f"{name}.x") or 0)]) / tokens


def _gather(cut: Cut, names: Iterable[str], statistic: Statistic) -> dict[str, torch.Tensor]:
    """Runs every row alone, so that no padding counts, and sums the statistic of each named module."""
    modules = dict(cut.model.named_modules())
    wanted = list(names)
    missing = [name for name in wanted if name not in modules]
    if missing:
        raise UserError(
            f"{missing[0]} of the weight files is no layer of its own in the loaded model.",
            "Choose a pruner that goes by the weights alone.",
            "pruner",
        )
    sums: dict[str, torch.Tensor] = {}
    with _watched({name: modules[name] for name in wanted}, statistic, sums), torch.inference_mode():
        for index, row in enumerate(cut.rows):
            cut.task.check_stop()
            if index % 4 == 0:
                cut.task.update(index, len(cut.rows), "Looking at activations")
            cut.model(input_ids=torch.tensor([row["input_ids"]], device=cut.model.device), use_cache=False)
    strange = [name for name, value in sums.items() if not bool(value.isfinite().all())]
    if strange or len(sums) < len(wanted):
        raise UserError(
            f"The activations of {(strange or wanted)[0]} are no numbers.", "Check that the model answers.", "model"
        )
    return sums


@contextmanager
def _watched(
    modules: dict[str, torch.nn.Module], statistic: Statistic, sums: dict[str, torch.Tensor]
) -> Iterator[None]:
    def hook(name: str) -> Callable[..., None]:
        def see(module: torch.nn.Module, args: Sequence[Any], options: dict[str, Any], result: Any) -> None:
            inputs = args[0] if args else options["hidden_states"]
            output = result[0] if isinstance(result, tuple) else result
            value = statistic(module, inputs.flatten(0, -2), output.flatten(0, -2)).double().cpu()
            sums[name] = sums[name] + value if name in sums else value

        return see

    handles = [module.register_forward_hook(hook(name), with_kwargs=True) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

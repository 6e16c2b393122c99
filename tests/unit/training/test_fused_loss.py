"""Liger's function in the loss: when it is taken, and that the numbers are those of our own code.

It runs on GPUs alone: a function of the signature that liger-kernel 0.8.5 has stands in for it.
"""

import importlib.metadata
import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from tests.unit.training.test_row_attention import CONFIGS, batch, model_of, scored
from workbench.training import fused_loss
from workbench.training.fused_loss import LossCode, chosen_loss_code
from workbench.training.token_log_probs import token_log_probs
from workbench.training.unpadded_forward import compute_real_tokens_only


def stand_in(
    input: Any, weight: Any, target: Any, bias: Any = None, ce_weight: Any = None, ignore_index: int = -100,
    lse_square_scale: float = 0.0, label_smoothing: float = 0.0, reduction: str = "mean", softcap: float | None = None,
    return_z_loss: bool = False, accum_dtype: Any = None, use_token_scaling: bool = False,
    return_token_accuracy: bool = False, return_predicted_tokens: bool = False, chunk_mem_const: int = 1,
) -> Any:  # fmt: skip
    logits = torch.nn.functional.linear(input, weight, bias).float()
    loss = torch.nn.functional.cross_entropy(logits, target, reduction=reduction, ignore_index=ignore_index)
    predicted = logits.argmax(-1) if return_predicted_tokens else None
    return SimpleNamespace(loss=loss, z_loss=None, token_accuracy=None, predicted_tokens=predicted)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Liger of the version in it, '' for none; 0.8.5 to begin with."""
    versions = {"liger-kernel": "0.8.5"}

    def version(name: str) -> str:
        if not versions.get(name):
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    module = ModuleType(fused_loss.MODULE)
    module.liger_fused_linear_cross_entropy = stand_in  # type: ignore[attr-defined]
    names = fused_loss.MODULE.split(".")
    for end in range(1, len(names)):
        monkeypatch.setitem(sys.modules, ".".join(names[:end]), ModuleType(".".join(names[:end])))
    monkeypatch.setitem(sys.modules, fused_loss.MODULE, module)
    monkeypatch.setattr(fused_loss.importlib.metadata, "version", version)
    return versions


@pytest.mark.parametrize(
    ("choice", "device", "statistics", "version", "name"),
    [
        ("auto", "cuda", False, "0.8.5", "Liger's fused linear cross-entropy 0.8.5"),
        ("auto", "cuda", False, "1.0.0.dev3", "Liger's fused linear cross-entropy 1.0.0"),
        ("off", "cuda", False, "0.8.5", "TRL's kernels"),
        ("auto", "cuda", True, "0.8.5", "TRL's kernels"),  # DPO tells entropy too, which Liger does not
        ("auto", "cuda", False, "0.8.4", "TRL's kernels"),
        ("auto", "cuda", False, "", "TRL's kernels"),
        ("auto", "cpu", False, "0.8.5", "tiles of logits"),
        ("auto", "mps", False, "0.8.5", "tiles of logits"),
    ],
)
def test_it_is_taken_where_it_is_installed_and_can_run(
    choice: str, device: str, statistics: bool, version: str, name: str, installed: dict[str, str]
) -> None:
    installed["liger-kernel"] = version
    code = chosen_loss_code(choice, device, statistics)
    assert code.name == name and (code.function is stand_in) == name.startswith("Liger")


def test_one_that_cannot_be_imported_is_no_requirement(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, fused_loss.MODULE, None)  # type: ignore[arg-type]
    assert chosen_loss_code("auto", "cuda", False).name == "TRL's kernels"


def test_what_it_is_called_with_is_in_its_signature_and_gives_our_numbers() -> None:
    calls: list[dict[str, Any]] = []

    def heard(*args: Any, **settings: Any) -> Any:
        calls.append(inspect.signature(stand_in).bind(*args, **settings).arguments)
        return stand_in(*args, **settings)

    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(7, 5, requires_grad=True), torch.randn(11, 5), torch.randn(11)
    targets, slopes = torch.randint(0, 11, (7,)), torch.rand(7)
    gradients, found = [], []
    for scores in (
        LossCode("Liger", heard).scores(hidden, weight, bias, targets),
        token_log_probs(hidden, weight, bias, targets, False),
    ):
        (gradient,) = torch.autograd.grad((scores[0] * slopes).sum(), hidden)  # every token counts otherwise
        gradients.append(gradient)
        found.append(scores)
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(gradients[0], gradients[1])
    assert torch.equal(found[0][1], found[1][1])
    assert calls[0]["reduction"] == "none" and calls[0]["return_predicted_tokens"] is True


@pytest.mark.parametrize("frozen_head", [True, False])
def test_a_model_learns_with_it_as_without(frozen_head: bool) -> None:
    name = next(iter(CONFIGS))
    usual, fused = (model_of(CONFIGS[name]) for _ in range(2))
    calls: list[int] = []

    def heard(*args: Any, **settings: Any) -> Any:
        calls.append(len(args[0]))
        return stand_in(*args, **settings)

    for model, code in ((usual, None), (fused, LossCode("Liger", heard))):
        model.get_output_embeddings().requires_grad_(not frozen_head)
        compute_real_tokens_only(model, code=code)
    outputs = [scored(model, batch()) for model in (usual, fused)]
    for output in outputs:
        (-output.log_probs.sum() / output.label_mask.sum()).backward()
    assert calls == [int(outputs[0].label_mask.sum())], "the trained tokens alone, once"
    torch.testing.assert_close(outputs[1].log_probs, outputs[0].log_probs, atol=1e-5, rtol=1e-5)
    for one, other in zip(fused.parameters(), usual.parameters(), strict=True):
        if other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)


def test_a_batch_without_a_trained_token_does_not_reach_it() -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked for nothing")

    model = model_of(next(iter(CONFIGS.values())))
    model.get_output_embeddings().requires_grad_(False)
    compute_real_tokens_only(model, code=LossCode("Liger", refused))
    rows = batch()
    rows["labels"] = torch.full_like(rows["labels"], -100)
    assert not scored(model, rows).log_probs.any()

"""Every architecture: rows end to end have the log-probabilities and gradients of padded ones, or are padded."""

from typing import Any

import pytest
import torch
from trl.trainer.utils import add_fused_lm_head

from tests.prove.architectures import ARCHITECTURES
from tests.toy_adapters import build
from workbench.training.row_attention import cleared_rows
from workbench.training.unpadded_forward import compute_real_tokens_only

pytestmark = pytest.mark.prove
NOT_TRAINED = {"bert", "t5", "llava"}
PADDED = {"bloom", "falcon", "gemma2", "gpt-j", "gpt-oss", "mamba"}  # state across rows, sinks, ALiBi, eager attention
LENGTHS = (40, 9, 23)


def batch(changed: bool) -> dict[str, torch.Tensor]:
    ids = torch.randint(3, 400, (3, max(LENGTHS)), generator=torch.Generator().manual_seed(1))
    if changed:
        ids[1] = (ids[1] - 3 + 11) % 397 + 3
    mask = (torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]).long()
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def log_probs(model: Any, changed: bool = False) -> torch.Tensor:
    with cleared_rows():
        found: torch.Tensor = model(**batch(changed), use_cache=False, fused_lm_head=True).log_probs
        if not changed:
            model.zero_grad()
            (-found.sum() / sum(LENGTHS)).backward()
    return found.detach()


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - NOT_TRAINED))
def test_rows_end_to_end_are_as_padded_ones(name: str) -> None:
    architecture, settings = ARCHITECTURES[name]
    models = [build(architecture, settings, 0).float().eval().requires_grad_(True) for _ in range(2)]
    for model in models:
        add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    reason = compute_real_tokens_only(models[1])
    print(name, reason or "end to end")
    assert bool(reason) == (name in PADDED), reason
    expected, found = (log_probs(model) for model in models)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    for one, other in zip(models[1].parameters(), models[0].parameters(), strict=True):
        if other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=2e-5, rtol=1e-3)
    if not reason:
        changed = log_probs(models[1], changed=True)
        torch.testing.assert_close(changed[[0, 2]], found[[0, 2]], atol=1e-6, rtol=0)

"""The log-probabilities of tokens and their gradients, made tile by tile, are those of the whole logits."""

import pytest
import torch

from workbench.training import token_log_probs
from workbench.training.token_log_probs import TokenLogProbs


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("statistics", [False, True])
def test_tiles_give_what_the_whole_gives(statistics: bool, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_log_probs, "FEWEST_ROWS", 7)
    monkeypatch.setattr(token_log_probs, "TILE_BYTES", 1)
    torch.manual_seed(0)
    hidden, weight = torch.randn(40, 16, requires_grad=True), torch.randn(50, 16)
    added = torch.randn(50) if bias else None
    targets, weights = torch.randint(0, 50, (40,)), torch.rand(40)
    found = TokenLogProbs.apply(hidden, weight, added, targets, statistics)
    (found[0] * weights).sum().backward()
    gradient, hidden.grad = hidden.grad, None
    logits = torch.nn.functional.linear(hidden, weight, added)
    logs = logits.log_softmax(-1)
    expected = logs.gather(1, targets[:, None])[:, 0]
    (expected * weights).sum().backward()
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient, hidden.grad, atol=1e-5, rtol=1e-5)
    assert torch.equal(found[1], logits.argmax(-1) == targets)
    if statistics:
        torch.testing.assert_close(found[2], -(logs.exp() * logs).sum(-1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found[3], logits.mean(-1), atol=1e-5, rtol=1e-5)


def test_no_token_is_no_loss() -> None:
    hidden = torch.randn(0, 16, requires_grad=True)
    found = TokenLogProbs.apply(hidden, torch.randn(50, 16), None, torch.empty(0, dtype=torch.long), False)[0]
    found.sum().backward()
    assert found.shape == (0,) and hidden.grad.shape == (0, 16)


def test_16_bit_weights_have_the_log_probabilities_of_their_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_log_probs, "FEWEST_ROWS", 7)
    monkeypatch.setattr(token_log_probs, "TILE_BYTES", 1)
    torch.manual_seed(0)
    hidden, weight = torch.randn(40, 16).bfloat16().requires_grad_(), torch.randn(50, 16).bfloat16()
    targets = torch.randint(0, 50, (40,))
    found = TokenLogProbs.apply(hidden, weight, None, targets, True)
    found[0].sum().backward()
    logs = torch.nn.functional.linear(hidden.detach(), weight).float().log_softmax(-1)
    torch.testing.assert_close(found[0], logs.gather(1, targets[:, None])[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[2], -(logs.exp() * logs).sum(-1), atol=1e-4, rtol=1e-4)
    slopes = torch.nn.functional.one_hot(targets, 50) - logs.exp()
    torch.testing.assert_close(hidden.grad.float(), slopes @ weight.float(), atol=0.05, rtol=0.05)

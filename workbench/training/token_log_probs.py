"""Log-probabilities of the tokens that are trained, a tile of logits at a time.

Imports torch: only job processes import this.
"""

from typing import Any

import torch

TILE_BYTES = 32 * 2**20  # bytes of a tile of logits in float32: it stays in a CPU's last cache
FEWEST_ROWS = 64


class TokenLogProbs(torch.autograd.Function):
    """log p(target | hidden) of every token through an output layer that is not trained itself.

    The gradient for `hidden` is made with the forward pass while the logits of a tile are at hand: two matrix products
    where recomputing them in the backward pass takes three. As in Liger's fused linear cross-entropy,
    https://arxiv.org/abs/2410.10989, but a token's gradient is scaled in the backward pass, so that any loss over
    log-probabilities can follow.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        statistics: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """(log-probabilities, whether the target is the likeliest, entropy, mean logit), (tokens,) each.

        hidden: (tokens, width); weight: (vocabulary, width); targets: (tokens,). Entropy and mean logit are 0 unless
        `statistics` are asked for.
        """
        wanted = ctx.needs_input_grad[0]
        hidden, weight = hidden.detach(), weight.detach()
        found = hidden.new_zeros((4, len(hidden)), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if wanted else None
        rows = min(max(1, len(hidden)), max(FEWEST_ROWS, TILE_BYTES // (4 * len(weight))))
        # One tile for all: fresh memory of its size would be mapped page by page each time.
        products = hidden.new_empty((rows, len(weight)), dtype=weight.dtype)
        is_exact = products.dtype == torch.float32
        tile = products if is_exact else products.new_empty(products.shape, dtype=torch.float32)
        shares = torch.empty_like(tile) if statistics else tile
        for start in range(0, len(hidden), rows):
            part = slice(start, start + rows)
            states = hidden[part]
            logits, exact, slopes = (buffer[: len(states)] for buffer in (products, tile, shares))
            if bias is None:
                torch.mm(states, weight.t(), out=logits)
            else:
                torch.addmm(bias, states, weight.t(), out=logits)
            if not is_exact:
                exact.copy_(logits)
            _tile(exact, slopes, targets[part], found[:, part], statistics, wanted)
            if gradient is not None:
                torch.mm(slopes if is_exact else logits.copy_(slopes), weight, out=gradient[part])
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(top1 := found[1] > 0, found[2], found[3])
        return found[0], top1, found[2], found[3]

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * slope[:, None].to(gradient.dtype), None, None, None, None


def token_log_probs(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor, statistics: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """`TokenLogProbs` as a function."""
    found: tuple[torch.Tensor, ...] = TokenLogProbs.apply(hidden, weight, bias, targets, statistics)  # type: ignore[no-untyped-call]
    return found[0], found[1], found[2], found[3]


def _tile(
    logits: torch.Tensor,
    shares: torch.Tensor,
    targets: torch.Tensor,
    found: torch.Tensor,
    statistics: bool,
    wanted: bool,
) -> None:
    """Fills `found`, (4, tokens), and where wanted `shares` with the slopes of the log-probabilities.

    logits, shares: (tokens, vocabulary) float32, the same memory unless there are `statistics`; both are overwritten.
    """
    targets = targets[:, None]
    target = logits.gather(1, targets)
    if statistics:
        found[3] = logits.mean(dim=1)
    highest = logits.amax(dim=1, keepdim=True)
    found[1] = (target >= highest)[:, 0]
    shifted = logits.sub_(highest)
    torch.exp(shifted, out=shares)
    total = shares.sum(dim=1, keepdim=True)
    if statistics:
        # a product of matrices, as `vecdot` would make a third tile
        means = torch.bmm(shares[:, None], shifted[:, :, None])[:, 0, 0] / total[:, 0]
        found[2] = total.log()[:, 0] - means
    found[0] = (target - highest - total.log())[:, 0]
    if wanted:
        shares.div_(-total)
        shares.scatter_add_(1, targets, torch.ones_like(target))

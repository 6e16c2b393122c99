"""What a model computes in training and evaluation: real tokens only, and logits of the trained positions only.

TRL's trainers call `model(..., labels=labels, fused_lm_head=True)` and get log-probabilities of the labels. Here the
rows of that padded batch are laid end to end first, so that no padding goes through the layers, and the output layer
sees the positions whose next token is trained. What comes back has the shape of the padded batch, so that losses,
metrics and evaluations are TRL's and ours unchanged.

Imports torch, transformers and trl: only job processes import this.
"""

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils.import_utils import is_flash_attn_2_available
from trl.trainer.utils import FusedCausalLMOutput

from workbench.rendering.rendered import IGNORED
from workbench.training.fused_loss import LossCode, Scores
from workbench.training.row_attention import reason_for_padding, register_row_attention, set_rows
from workbench.training.token_log_probs import token_log_probs

Tensors = dict[str, Any]


@dataclass(frozen=True)
class Flattened:
    """A padded batch with its rows laid end to end; `kept`, (rows, width), says which positions are no padding."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    kept: torch.Tensor
    lengths: list[int]

    def back(self, values: torch.Tensor) -> torch.Tensor:
        """What was computed for each next token, (1, tokens), as (rows, width - 1); 0 where there is no token."""
        padded = values.new_zeros(self.kept.shape)
        padded[self.kept] = values[0]
        return padded[:, :-1]

    def varlen_arguments(self) -> Tensors:
        """What flash attention takes to keep rows apart."""
        ends = torch.tensor([0, *self.lengths], device=self.input_ids.device).cumsum(0).to(torch.int32)
        longest = max(self.lengths)
        return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}


def flattened(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> Flattened:
    """Rows end to end, (1, tokens) each, from (rows, width); the first token of a row is nothing to learn.

    Position t of `labels` is still the token t: nothing is shifted.
    """
    kept = attention_mask.bool()
    lengths = kept.sum(dim=1)
    positions = (kept.cumsum(dim=1) - 1)[kept][None]
    flat_labels = labels[kept][None].masked_fill(positions == 0, IGNORED)
    return Flattened(input_ids[kept][None], positions, flat_labels, kept, [n for n in lengths.tolist() if n])


def causal_model(model: Any) -> Any:
    """The causal language model inside PEFT's wrapper, if there is one."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def compute_real_tokens_only(
    model: Any, padded: bool = False, statistics: bool = False, code: LossCode | None = None
) -> str:
    """Lets `model`, already prepared by a trainer of TRL's, leave out padding and positions without a label.

    Returns why its rows are padded all the same, or ''; `padded` asks for that. With `statistics` there are entropy
    and mean logit too; `code` computes the loss where its function can.
    """
    causal = causal_model(model)
    register_row_attention()
    reason = "" if padded else reason_for_padding(causal)
    flash = not reason and not padded and _use_flash_attention(causal)
    lean = LeanForward(causal, not reason and not padded, flash, statistics, code)
    causal.forward = types.MethodType(functools.wraps(type(causal).forward)(lean), causal)
    return reason


def _use_flash_attention(causal: Any) -> bool:
    """Switches to flash attention's kernel for rows of any length where that is installed for this device."""
    if causal.device.type != "cuda" or causal.dtype == torch.float32 or not is_flash_attn_2_available():
        return False
    try:
        causal.set_attn_implementation("flash_attention_2")
    except (ImportError, ValueError):
        return False
    return True


class LeanForward:
    """The forward of a causal language model in training; called with anything else it is the one it had.

    A row's tokens are computed as those of a batch of that row alone.
    """

    def __init__(self, causal: Any, end_to_end: bool, flash: bool, statistics: bool, code: LossCode | None = None):
        self.code = code
        self.usual, self.end_to_end, self.flash, self.statistics = causal.forward, end_to_end, flash, statistics
        self.plain_head = _is_plain_head(causal)
        self.__name__ = "forward"

    def __call__(
        self, causal: Any, *args: Any, fused_lm_head: bool = False, learned_logits: bool = False, **given: Any
    ) -> Any:
        set_rows(None)
        if not fused_lm_head and not learned_logits:
            return self.usual(*args, **given)
        labels = given.pop("labels")
        if self.end_to_end:
            flat = flattened(given.pop("input_ids"), given.pop("attention_mask"), labels)
            given |= {"input_ids": flat.input_ids, "position_ids": flat.position_ids}
            given |= flat.varlen_arguments() if self.flash else {}
            set_rows(None if self.flash else flat.lengths)
        wanted = _next(flat.labels if self.end_to_end else labels)
        learned = wanted != IGNORED
        if learned_logits:
            return self._logits(causal, learned, given)
        scorer = self._scorer(causal, given, bool(learned.any()))
        if scorer is None:
            output = self.usual(labels=flat.labels if self.end_to_end else labels, fused_lm_head=True, **given)
            values = (output.log_probs, output.is_top1, output.entropy, output.mean_logits)
            found, aux_loss = [None if value is None else _with_last(value) for value in values], output.aux_loss
        else:
            head, states = causal.get_output_embeddings(), _states(causal, given)[learned]
            states = states.to(head.weight.dtype)
            scores = scorer(states, head.weight, head.bias, wanted[learned])
            found, aux_loss = [_spread(learned, value) for value in scores], None
        if self.end_to_end:
            found = [value if value is None else flat.back(value) for value in found]
        else:
            found = [value if value is None else value[:, :-1] for value in found]
        return _output(found, labels, aux_loss)

    def _logits(self, causal: Any, learned: torch.Tensor, given: Tensors) -> torch.Tensor:
        """(trained tokens, vocabulary): the logits that their labels are compared with, row by row."""
        if self.plain_head:
            logits: torch.Tensor = causal.get_output_embeddings()(_states(causal, given)[learned])
            return logits
        return self.usual(**given).logits[learned]  # type: ignore[no-any-return]

    def _scorer(self, causal: Any, given: Tensors, learns: bool) -> Callable[..., Scores] | None:
        """What computes the scores of the trained tokens, of which there are some if it `learns`; None for TRL's.

        That is Liger's function where it was chosen, and on a CPU `token_log_probs` for a frozen output layer; on a GPU
        TRL's kernels are faster.
        """
        head = causal.get_output_embeddings()
        if not self.plain_head or given.get("output_router_logits"):
            return None
        if self.code and self.code.function and learns:
            return self.code.scores
        if head.weight.requires_grad or head.weight.device.type == "cuda":
            return None
        return functools.partial(token_log_probs, statistics=self.statistics)


def _states(causal: Any, arguments: Tensors) -> torch.Tensor:
    states: torch.Tensor = causal.base_model(**{**arguments, "use_cache": False}).last_hidden_state
    return states


def _next(labels: torch.Tensor) -> torch.Tensor:
    """The label of the next token at every position; none at the last."""
    return torch.cat([labels[:, 1:], labels.new_full((len(labels), 1), IGNORED)], dim=1)


def _with_last(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values, values.new_zeros((len(values), 1))], dim=1)


def _spread(learned: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Values of the trained positions in the shape of all; connected to the model even where there are none."""
    return values.new_zeros(learned.shape).masked_scatter(learned, values)


def _output(values: list[torch.Tensor | None], labels: torch.Tensor, aux_loss: Any = None) -> Any:
    log_probs, top1, entropy, mean_logits = values
    return FusedCausalLMOutput(
        log_probs=log_probs, is_top1=top1, entropy=entropy, mean_logits=mean_logits,
        label_mask=labels[:, 1:] != IGNORED, aux_loss=aux_loss,
    )  # fmt: skip


def _is_plain_head(causal: Any) -> bool:
    """Whether logits are the output layer's product with the last hidden states and nothing more: found by trying."""
    head = causal.get_output_embeddings()
    softcap = getattr(causal.config.get_text_config(), "final_logit_softcapping", None)
    if type(head) is not torch.nn.Linear or softcap is not None:
        return False
    training = causal.training
    set_rows(None)
    try:
        with torch.no_grad():
            causal.eval()
            given = {"input_ids": torch.arange(3, device=head.weight.device)[None], "use_cache": False}
            logits = causal.forward(**given).logits.float()
            states = _states(causal, given).to(head.weight.dtype)
            return float((head(states).float() - logits).abs().max()) <= 1e-3 * float(logits.abs().mean())
    finally:
        causal.train(training)

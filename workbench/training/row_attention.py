"""Attention within rows that lie end to end in one sequence, without padding and without a mask.

A batch of rows is one sequence of (1, tokens); every row attends to itself alone, by one call of scaled dot product
attention a row. No score is computed that a mask would throw away, which a kernel without variable lengths would do
for the square of all tokens together. https://arxiv.org/abs/2107.02027 (packing without contamination across rows).

Imports torch and transformers: only job processes import this.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

from workbench.training.activation_memory import FLOAT32_TOKENS

PER_ROW_LAYERS = {"full_attention", "sliding_attention"}
PROBE_LENGTHS = (5, 9, 4)
UNSUPPORTED_ARGUMENTS = ("s_aux", "softcap", "position_bias", "cache")


class _Rows:
    """The lengths of the rows in the sequence that is computed now; None when a batch is padded as usual.

    Held until the next forward, as layers that are computed again in the backward pass need it too; by any thread, as
    autograd has its own for every device.
    """

    lengths: list[int] | None = None


@contextmanager
def cleared_rows() -> Iterator[None]:
    """No rows lie end to end any more once this is left."""
    try:
        yield
    finally:
        _Rows.lengths = None


def set_rows(lengths: list[int] | None) -> None:
    """The next forward computes one sequence of rows of these lengths, or with None a padded batch."""
    _Rows.lengths = lengths


def register_row_attention() -> None:
    """Makes transformers' scaled dot product attention keep to the rows that were set; without any it is as before."""
    AttentionInterface.register("sdpa", row_attention_forward)
    AttentionMaskInterface.register("sdpa", _row_mask)


def _row_mask(*args: Any, **settings: Any) -> torch.Tensor | None:
    """No mask where rows lie end to end: the attention cuts the sequence instead."""
    return sdpa_mask(*args, **settings) if _Rows.lengths is None else None


def row_attention_forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """(1, tokens, heads, width) from query, key and value of (1, heads, tokens, width); padded batches as usual."""
    lengths = _Rows.lengths
    if lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    if attention_mask is not None or query.shape[0] != 1 or sum(lengths) != query.shape[2] != key.shape[2]:
        raise ValueError("rows that lie end to end must be one sequence without a mask")
    if given := [name for name in UNSUPPORTED_ARGUMENTS if settings.get(name) is not None]:
        raise ValueError(f"attention by rows knows no {given[0]}")
    window = settings.get("sliding_window")
    outputs = []
    for parts in zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True):
        mask = _window_mask(parts[0], window) if window and parts[0].shape[2] > window else None
        outputs.append(_row_attention(module, parts, mask, settings))
    return torch.cat(outputs, dim=1), None


def _row_attention(
    module: torch.nn.Module, parts: Sequence[torch.Tensor], mask: torch.Tensor | None, settings: dict[str, Any]
) -> torch.Tensor:
    """(1, tokens, heads, width) of one row from its query, key and value."""
    query = parts[0]
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    if query.device.type != "cpu" or dtype == torch.float32 or query.shape[2] > FLOAT32_TOKENS:
        return _sdpa(module, parts, mask, settings)
    with torch.autocast("cpu", enabled=False):  # it would cast them back
        return _sdpa(module, [part.float() for part in parts], mask, settings).to(dtype)


def _sdpa(
    module: torch.nn.Module, parts: Sequence[torch.Tensor], mask: torch.Tensor | None, settings: dict[str, Any]
) -> torch.Tensor:
    output: torch.Tensor = sdpa_attention_forward(module, parts[0], parts[1], parts[2], mask, **settings)[0]
    return output


def _window_mask(query: torch.Tensor, window: int) -> torch.Tensor:
    """(1, 1, tokens, tokens): each token sees the last `window` ones, itself among them."""
    place = torch.arange(query.shape[2], device=query.device)
    distance = place[:, None] - place[None, :]
    return ((distance >= 0) & (distance < window))[None, None]


def reason_for_padding(causal: Any) -> str:
    """Why the rows of a batch cannot lie end to end in this causal language model, or ''.

    Found by trying: short rows end to end must give what they give alone, and no row may change with another. So
    recurrent and linear attention, convolutions and whatever else carries a state across rows is found whatever its
    name, as are models that do not use transformers' scaled dot product attention.
    """
    config = causal.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ()) - PER_ROW_LAYERS
    if kinds:
        return f"its layers are of the kind {', '.join(sorted(kinds))}"
    if config._attn_implementation != "sdpa":
        return f"its attention is {config._attn_implementation!r}"
    training = causal.training
    try:
        with torch.no_grad(), cleared_rows():
            return _difference(causal.eval())
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        return (str(error) or type(error).__name__).splitlines()[0][:120]
    finally:
        causal.train(training)


def _difference(causal: Any) -> str:
    """What is not the same for rows end to end; the model answers, without gradients."""
    size = causal.get_input_embeddings().weight.shape[0]
    device = causal.get_input_embeddings().weight.device
    drawn = torch.randint(0, size, (sum(PROBE_LENGTHS),), generator=torch.Generator().manual_seed(0)).to(device)
    rows = drawn.split(list(PROBE_LENGTHS))
    other = [rows[0], (rows[1] + 1) % size, rows[2]]
    end_to_end, changed = (_states(causal, list(given), list(PROBE_LENGTHS)) for given in (rows, other))
    alone = torch.cat([_states(causal, [row], None) for row in rows])
    first, last = PROBE_LENGTHS[0], PROBE_LENGTHS[2]
    outside = torch.cat([torch.arange(first), torch.arange(len(alone) - last, len(alone))]).to(device)
    scale = float(alone.abs().mean())
    if float((end_to_end[outside] - changed[outside]).abs().max()) > 1e-6 * scale:
        return "a row would depend on the rows before it"
    tolerance = 1e-3 if causal.dtype == torch.float32 else 5e-2
    if float((end_to_end - alone).abs().mean()) > tolerance * scale:
        return "a row would not be computed as it is alone"
    return ""


def _states(causal: Any, rows: list[torch.Tensor], lengths: list[int] | None) -> torch.Tensor:
    """(tokens, width) float32: the last hidden states of rows end to end, or of a single row computed as usual."""
    set_rows(lengths)
    positions = torch.cat([torch.arange(len(row), device=row.device) for row in rows])
    output = causal.base_model(input_ids=torch.cat(rows)[None], position_ids=positions[None], use_cache=False)
    states: torch.Tensor = output.last_hidden_state[0]
    return states.float()

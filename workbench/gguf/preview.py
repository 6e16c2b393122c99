"""How large a GGUF will be, to about 1 %, and which type fits into given memory: from the model's headers alone."""

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.units import human_size
from workbench.gguf.converter import gguf_architecture, language_architecture
from workbench.gguf.converting import float_type
from workbench.gguf.layout import padded_size, tensor_bytes, tensor_names
from workbench.gguf.tensor_traits import Traits, Weight, is_quantized
from workbench.gguf.types import BY_QUALITY, TypeChoice, type_mixture
from workbench.models import tensors
from workbench.models.model_references import Resolved

EXPERT = re.compile(r"\.experts\.\d+\.")
TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # GPT-2 keeps these the other way round
IGNORED = ("inv_freq", "masked_bias", ".attn.bias")
KEYS_BYTES = 2_000  # bytes of the keys besides the tokenizer
CONTEXT_TOKENS = 4096
CACHE_BYTES = 2  # of a number in the cache of keys and values


@dataclass(frozen=True)
class SizePreview:
    """A GGUF before it is made: its bytes, and how many tensors cannot have the type they should."""

    kind: str
    bytes: int
    tensors: int
    fallbacks: list[TypeChoice] = field(repr=False)
    needs_importance: bool = False

    def fallback_sentence(self) -> str:
        """'180 of 272 tensors fall back to a larger type, …'; '' when none does."""
        if not self.fallbacks:
            return ""
        widths = sorted({choice.weight.shape[0] for choice in self.fallbacks})
        block = 256 if any(width % 32 == 0 for width in widths) else 32
        return (
            f"{len(self.fallbacks)} of {self.tensors} tensors fall back to a larger type, because their width "
            f"({', '.join(map(str, widths[:3]))}) is not divisible by {block}."
        )


@dataclass(frozen=True)
class Fit:
    """The best type for some memory: the file's bytes, and those of the cache for a context of that many tokens."""

    kind: str
    bytes: int
    cache: int
    context: int


def preview_size(resolved: Resolved, kind: str, importance: bool = False) -> SizePreview:
    """The size of one type; raises `UserError` on damaged folders."""
    weights, traits = described_tensors(resolved)
    chosen = type_mixture(weights, traits, kind, importance)
    places = sum(28 + len(choice.weight.name) + 8 * len(choice.weight.shape) for choice in chosen)
    header = padded_size(KEYS_BYTES + places + _vocabulary(resolved.home_of_template))
    data = sum(padded_size(tensor_bytes(choice.weight.shape, choice.type)) for choice in chosen)
    fallbacks = [choice for choice in chosen if choice.is_fallback]
    return SizePreview(kind, header + data, len(chosen), fallbacks, any(choice.needs_importance for choice in chosen))


def best_fit(resolved: Resolved, gigabytes: float, context: int = CONTEXT_TOKENS, importance: bool = False) -> Fit:
    """The most faithful type that fits into so many GB together with its context.

    Types that need an importance matrix come in only with `importance`. Raises `UserError` when none fits.
    """
    room, cache = gigabytes * 1e9, cache_bytes(resolved, context)
    smallest: SizePreview | None = None
    for kind in BY_QUALITY:
        candidate = preview_size(resolved, kind, importance)
        if candidate.needs_importance and not importance:
            continue
        if candidate.bytes + cache <= room:
            return Fit(kind, candidate.bytes, cache, context)
        smallest = min(candidate, smallest or candidate, key=lambda option: option.bytes)
    assert smallest
    raise UserError(
        f"Nothing fits into {gigabytes:g} GB: {smallest.kind} takes {human_size(smallest.bytes)} and a context of "
        f"{context:,} tokens {human_size(cache)}.",
        "Allow more memory, shorten the context, or choose a smaller model.",
        "gigabytes",
    )


def cache_bytes(resolved: Resolved, context: int) -> int:
    """Bytes of the keys and values of a context, all layers alike, in 16 bits."""
    config, traits = _text_config(resolved.base), described_tensors(resolved)[1]
    wide = _number(config, "hidden_size", "n_embd") // max(traits.heads, 1)
    head = _number(config, "head_dim") or wide
    return 2 * CACHE_BYTES * context * traits.layers * traits.key_heads * head


def described_tensors(resolved: Resolved) -> tuple[list[Weight], Traits]:
    """The tensors the converter will write, by their GGUF names, and what the rules of mixing ask about the model."""
    path = resolved.base / "config.json"
    return _described(resolved.base, path.stat().st_mtime_ns if path.is_file() else 0)


@functools.lru_cache(16)
def _described(folder: Path, _: int) -> tuple[list[Weight], Traits]:
    config = _text_config(folder)
    heads = _number(config, "num_attention_heads", "n_head")
    traits = Traits(
        gguf_architecture(language_architecture(tensors.model_config(folder))) or "llama",
        _number(config, "num_hidden_layers", "n_layer", "num_layers"), heads,
        _number(config, "num_key_value_heads") or heads,
        _number(config, "num_local_experts", "num_experts", "n_routed_experts"),
    )  # fmt: skip
    return _weights(folder, traits), traits


def _weights(folder: Path, traits: Traits) -> list[Weight]:
    named, plain = tensor_names(traits.architecture, traits.layers), float_type(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    experts: dict[str, int] = {}
    for name, shape, _ in tensors.shapes(folder):
        if name.endswith(IGNORED):
            continue
        merged = EXPERT.sub(".experts.", name)  # the converter puts the matrices of all experts into one tensor
        ours = named(merged) or merged
        experts[ours] = experts.get(ours, 0) + (merged != name)
        turned = traits.architecture == "gpt2" and name.endswith(TURNED)
        shapes[ours] = (shape if turned else tuple(reversed(shape))) or (1,)
    wide = {name: (*shape, experts[name]) if experts[name] else shape for name, shape in shapes.items()}
    weights = [Weight(name, shape, plain) for name, shape in wide.items()]
    return [weight if is_quantized(weight) else Weight(weight.name, weight.shape, "F32") for weight in weights]


def _text_config(folder: Path) -> dict[str, Any]:
    config = tensors.model_config(folder)
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def _number(config: dict[str, Any], *names: str) -> int:
    return next((int(config[name]) for name in names if isinstance(config.get(name), int)), 0)


def _vocabulary(folder: Path) -> int:
    path = folder / "tokenizer.json"
    return _vocabulary_bytes(path, path.stat().st_mtime_ns) if path.is_file() else 0


@functools.lru_cache(16)
def _vocabulary_bytes(path: Path, _: int) -> int:
    """Bytes of the tokens, their kinds and the merges as GGUF writes them."""
    try:
        model = json.loads(path.read_text("utf-8"))["model"]
    except (ValueError, KeyError, TypeError):
        return 0
    tokens = model.get("vocab") or {}
    texts = list(tokens) if isinstance(tokens, dict) else [str(entry[0]) for entry in tokens]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model.get("merges") or []]
    return sum(12 + len(text.encode()) for text in texts) + sum(8 + len(merge.encode()) for merge in merges)

"""Which type each tensor gets in a GGUF of some kind: llama.cpp's own mixtures, rule by rule.

`mixture` follows llama_tensor_get_type of src/llama-quant.cpp, counters included: a rule may depend on how many
tensors of its sort came before, in llama.cpp's order of names. https://github.com/ggml-org/llama.cpp (MIT)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from workbench.gguf.layout import FLOATS, TYPES
from workbench.gguf.tensor_traits import BLOCK_NUMBER, Traits, Weight, is_quantized, order, sort_of

QuantizationName = Literal[
    "Q4_K_M", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q4_K_S", "Q4_0", "Q3_K_M", "Q3_K_S", "Q2_K", "IQ4_XS",
    "IQ4_NL", "IQ3_M", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XXS", "F16", "BF16",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(QuantizationName)
# from the most faithful to the smallest
BY_QUALITY = (
    "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q4_K_M", "Q4_K_S", "IQ4_NL", "IQ4_XS", "Q4_0", "IQ3_M",
    "Q3_K_M", "Q3_K_S", "IQ3_XXS", "Q2_K", "IQ2_M", "IQ2_S", "IQ2_XXS",
)  # fmt: skip
DEFAULT = {
    **{kind: kind.rsplit("_", 1)[0] for kind in KINDS if "_K_" in kind},
    "IQ3_M": "IQ3_S", "IQ2_M": "IQ2_S", "IQ2_S": "IQ2_XS",
}  # fmt: skip
NEEDS_IMPORTANCE = ("IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_M", "IQ1_S")  # types of tensors
FALLBACK = {
    **dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    "Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip
TWO_BITS = ("IQ2_XXS", "IQ2_S", "IQ2_M")


@dataclass(frozen=True)
class TypeChoice:
    """The type a tensor gets; `wanted` differs when its width does not fit into the blocks of what it should get."""

    weight: Weight
    type: str
    wanted: str

    @property
    def is_fallback(self) -> bool:
        return self.type != self.wanted

    @property
    def needs_importance(self) -> bool:
        return self.type in NEEDS_IMPORTANCE and self.weight.name not in ("token_embd.weight", "output.weight")


def type_mixture(weights: Iterable[Weight], traits: Traits, kind: str, importance: bool = False) -> list[TypeChoice]:
    """The type of every tensor, in the order llama.cpp writes them."""
    ordered = sorted(weights, key=lambda weight: order(weight.name))
    mixer = _Mixer(traits, kind, importance, ordered)
    return [mixer.choose(weight) for weight in ordered]


def more_bits(index: int, count: int) -> bool:
    """The layers that get more bits: the first and last eighth, and every third between."""
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2


@dataclass
class _Mixer:
    """Chooses types one tensor after the other."""

    traits: Traits
    kind: str
    importance: bool
    weights: Sequence[Weight]
    values: int = 0
    downs: int = 0
    rules: dict[str, Callable[[str, str], str]] = field(init=False)

    def __post_init__(self) -> None:
        names = [weight.name for weight in self.weights]
        self.value_count = sum(sort_of(name) == "value" for name in names)
        self.tied = "output.weight" not in names
        self.default = DEFAULT.get(self.kind, self.kind)
        self.eight = self.traits.experts == 8
        self.shared = self.traits.sharing >= 4
        self.falcon = self.traits.architecture == "falcon"
        self.rules = {
            "value": self._value, "key": self._key, "query": self._query, "attention output": self._attention_output,
            "down": self._down,
        }  # fmt: skip

    def choose(self, weight: Weight) -> TypeChoice:
        if not is_quantized(weight):
            return TypeChoice(weight, weight.type, weight.type)
        if self.default in FLOATS:
            return TypeChoice(weight, self.default, self.default)
        sort = sort_of(weight.name)
        if sort == "output" or (self.tied and sort == "embedding"):
            wanted = self._output(weight)
        elif sort == "embedding":
            wanted = self._embedding()
        elif self.kind in TWO_BITS:
            wanted = self._two_bits(sort)
        else:
            rule = self.rules.get(sort)
            wanted = rule(self.default, weight.name) if rule else self.default
        return TypeChoice(weight, _fitting(wanted, weight.shape[0]), wanted)

    def _output(self, weight: Weight) -> str:
        if self.falcon or weight.shape[0] % TYPES[self.default][1]:
            return "Q8_0"
        if self.kind in (*TWO_BITS, "IQ3_XXS"):
            return "Q5_K"
        return "Q8_0" if self.default == "Q8_0" else "Q6_K"

    def _embedding(self) -> str:
        special = {"IQ2_XXS": "Q2_K", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S", "IQ3_XXS": "IQ3_S"}
        return special.get(self.kind, self.default)

    def _two_bits(self, sort: str) -> str:
        better = "Q2_K" if self.kind == "IQ2_XXS" else "IQ3_S"
        if sort == "value":
            self.values += 1
            return "Q4_K" if self.shared or self.traits.experts >= 4 else better
        if sort == "key" and self.eight:
            return "Q4_K"
        if sort == "down":
            self.downs += 1
            return better if self.downs - 1 < self.traits.layers // 8 else self.default
        if sort == "attention output":
            return "Q5_K" if self.eight else self.default if self.kind == "IQ2_XXS" else "IQ3_S"
        return self.default

    def _value(self, default: str, name: str) -> str:
        index, self.values = self.values, self.values + 1
        chosen = self._value_by_kind(default, index)
        if self.traits.is_70b and chosen in ("Q3_K", "Q4_K"):
            chosen = "Q5_K"  # eight heads share it, so it is small and worth the bits
        return "Q8_0" if self.eight else chosen

    def _value_by_kind(self, default: str, index: int) -> str:
        if self.kind in ("Q2_K", "IQ3_XXS", "IQ3_M"):
            alone = {"Q2_K": "Q3_K", "IQ3_M": "Q4_K"}.get(self.kind, default if self.importance else "IQ3_S")
            return "Q4_K" if self.shared else alone
        if self.kind == "Q3_K_M":
            return "Q5_K" if index < 2 else "Q4_K"
        if self.kind in ("IQ4_NL", "IQ4_XS"):
            return "Q5_K" if self.shared else default
        if self.kind in ("Q4_K_M", "Q5_K_M"):
            return "Q6_K" if more_bits(index, self.value_count) else default
        return "Q5_K" if self.kind == "Q4_K_S" and index < 4 else default

    def _key(self, default: str, name: str) -> str:
        return "Q8_0" if self.eight else self._query(default, name)

    def _query(self, default: str, name: str) -> str:
        return "IQ2_S" if self.kind == "IQ3_XXS" else default

    def _down(self, default: str, name: str) -> str:
        position, self.downs = self.downs, self.downs + 1
        count, layer = self.traits.layers, BLOCK_NUMBER.match(name)
        # experts may come in any order, so there the layer counts, not how many came before
        index = int(layer[1]) if self.traits.experts > 1 and layer else position
        if self.kind in ("Q4_K_M", "Q5_K_M", "Q3_K_M"):
            return self._down_medium(default, index, count)
        early = index < count // 8
        if self.kind == "Q2_K" or (self.kind == "IQ3_XXS" and not self.importance):
            return "Q4_K" if early and self.kind == "IQ3_XXS" else "Q3_K"
        if self.kind == "IQ3_M":
            return "Q4_K" if early or (self.eight and more_bits(index, count)) else default
        if self.kind in ("IQ4_NL", "IQ4_XS"):
            return "Q5_K" if early and not self.importance else default
        if self.kind == "Q4_K_S":
            return "Q5_K" if early and not self.falcon else default
        return default.replace("_0", "_1") if self.kind in ("Q4_0", "Q5_0") and early and self.importance else default

    def _down_medium(self, default: str, index: int, count: int) -> str:
        more, first = more_bits(index, count), index < count // 16
        if self.kind == "Q3_K_M":
            return "Q5_K" if first else "Q4_K" if more or not self.falcon else "Q3_K"
        if self.kind == "Q4_K_M" and self.falcon:
            return "Q6_K" if first else "Q5_K" if more else "Q4_K"
        return "Q6_K" if more else default

    def _attention_output(self, default: str, name: str) -> str:
        if self.falcon:
            return default
        if self.eight:
            kinds = ("Q2_K", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_M", "IQ4_XS")
            return "Q5_K" if self.kind in kinds else default
        return {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "IQ3_M": "Q4_K"}.get(self.kind, default)


def _fitting(kind: str, width: int) -> str:
    """The type itself, or what stands in for it when its blocks do not fill a row."""
    if width % TYPES[kind][1] == 0:
        return kind
    other = FALLBACK.get(kind, "F16")
    return other if width % TYPES[other][1] == 0 else "F16"

"""What kind of model a config.json describes, and what can be done with it here. Imports nothing heavy.

https://huggingface.co/docs/transformers/model_summary
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError
from workbench.core.limits import text_up_to as text_of
from workbench.models import tensors

SHOWN_CHARACTERS = 100  # characters of a name that a config holds

ENCODERS = (
    "ForMaskedLM", "ForPreTraining", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering",
    "ForMultipleChoice", "ForNextSentencePrediction",
)  # fmt: skip
ENCODER_TYPES = frozenset({
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "longformer",
    "modernbert", "mpnet", "nomic_bert", "roberta", "roformer", "squeezebert", "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip
STATE_SPACE = frozenset({"falcon_mamba", "mamba", "mamba2", "rwkv", "xlstm"})
SEES_AND_SPEAKS = frozenset(  # transformers loads these as causal language models too: text in, text out
    {"gemma3", "gemma3n", "gemma4", "gemma4_unified", "got_ocr2", "moss_transcribe_diarize"}
)
DECODERS = ("CausalLM", "LMHead", "ConditionalGeneration")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
NOT_TEXT = "It does not go on with a text, so that chat, training, folding and GGUF are not for it; it can be merged."
LIMITS = {
    "encoder": NOT_TEXT,
    "sequence to sequence": NOT_TEXT,
    "vision": "It is loaded with its pictures only, which is not done here; it can be merged.",
    "state space": "It does not chat or train as it is; it can be merged, and by `quantize` made a GGUF that chats.",
    "other": NOT_TEXT,
}


@dataclass(frozen=True)
class ModelKind:
    """family: causal, encoder, sequence to sequence, vision, state space or other. traits: what is more to say."""

    family: str
    traits: tuple[str, ...] = ()
    architecture: str = "?"

    @property
    def generates(self) -> bool:
        """Whether it answers and is trained here."""
        return self.family == "causal"

    @property
    def label(self) -> str:
        """'causal, mixture of experts', for lists."""
        return ", ".join([self.family, *self.traits])

    @property
    def limits(self) -> str:
        """What will and will not work with it here, '' where all does."""
        return LIMITS.get(self.family, "")

    def require_text(self, name: str, field: str = "model", gguf: bool = False) -> None:
        """Raises `UserError` unless it goes on with a text; gguf: llama.cpp's doing so is enough."""
        if self.generates or (gguf and self.family == "state space"):
            return
        article = "an" if self.family[0] in "aeo" else "a"
        kind = f"{article} {self.family} model" if self.family != "other" else "no causal language model"
        raise UserError(f"{name!r} is {kind} ({self.architecture}). {self.limits}", "Choose a causal model.", field)


def kind_of(folder: Path) -> ModelKind:
    """What the config.json of a whole model says; raises `UserError` when it cannot be read."""
    return kind_from(tensors.model_config(folder))


def kind_from(config: dict[str, Any]) -> ModelKind:
    """The same from a config that has been read."""
    named = config.get("architectures")
    architecture = text_of(named[0], SHOWN_CHARACTERS) if isinstance(named, list) and named else ""
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    family = _family(architecture, config)
    traits = []
    if any(text.get(name) for name in EXPERTS):
        traits.append("mixture of experts")
    if family == "causal" and "vision_config" in config:
        traits.append("with vision")
    packed = config.get("quantization_config")
    if isinstance(packed, dict):
        traits.append(f"quantized by {text_of(packed.get('quant_method'), SHOWN_CHARACTERS) or '?'}")
    return ModelKind(family, tuple(traits), architecture or "?")


def _family(architecture: str, config: dict[str, Any]) -> str:
    named = str(config.get("model_type", ""))
    encodes = named in ENCODER_TYPES or architecture.endswith(ENCODERS)
    signs = (
        (named in STATE_SPACE, "state space"),
        (named in SEES_AND_SPEAKS, "causal"),
        (bool(config.get("is_encoder_decoder")), "sequence to sequence"),
        ("vision_config" in config, "vision"),
        (encodes and not config.get("is_decoder"), "encoder"),
        (
            not architecture or architecture.endswith("Model") or any(marker in architecture for marker in DECODERS),
            "causal",
        ),
    )
    return next((family for sign, family in signs if sign), "other")

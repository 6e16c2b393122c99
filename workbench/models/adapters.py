"""What an adapter is, decided in one place: from its whole adapter_config.json and the header of its file.

Every setting is either honoured by PEFT's own code, which loads and merges it, or refused here by name; so are
settings and kinds that are not known. `workbench.models.adapted` then holds the file against what they promise.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError, shortened
from workbench.core.limits import text_up_to
from workbench.models import tensors
from workbench.models.base_settings import base_settings
from workbench.models.rope_scaling import scaling_words

SHOWN_CHARACTERS = 100  # characters of a name that an adapter holds


def words_of_line(text: str) -> frozenset[str]:
    """The words of a line."""
    return frozenset(text.split())


COMMON = words_of_line(
    "auto_mapping base_model_name_or_path exclude_modules inference_mode modules_to_save peft_type peft_version"
    " revision target_modules task_type"
)
LAYERS = frozenset({"layers_pattern", "layers_to_transform"})
PATTERNS = frozenset({"alpha_pattern", "rank_pattern"})
LYCORIS = words_of_line("alpha init_weights module_dropout r rank_dropout use_effective_conv2d")
LORA = words_of_line(
    "alora_invocation_tokens arrow_config bias corda_config ensure_weight_tying eva_config fan_in_fan_out"
    " init_lora_weights kasa_config layer_replication loftq_config lora_alpha lora_bias lora_dropout lora_ga_config"
    " megatron_config megatron_core monteclora_config qalora_group_size r runtime_config target_parameters"
    " trainable_token_indices use_bdlora use_dora use_qalora use_rslora velora_config"
)
PROMPT = words_of_line(
    "num_attention_heads num_layers num_transformer_submodules num_virtual_tokens token_dim encoder_hidden_size"
    " prompt_tuning_init prompt_tuning_init_text tokenizer_kwargs tokenizer_name_or_path prefix_projection init_weights"
    " encoder_dropout encoder_num_layers encoder_reparameterization_type"
)
FIELDS: dict[str, frozenset[str]] = {
    "LORA": LORA | PATTERNS | LAYERS,
    "IA3": frozenset({"fan_in_fan_out", "feedforward_modules", "init_ia3_weights"}),
    "LOHA": PATTERNS | LAYERS | LYCORIS,
    "LOKR": PATTERNS | LAYERS | LYCORIS | {"decompose_both", "decompose_factor", "rank_dropout_scale"},
    "OFT": LAYERS
    | words_of_line(
        "bias block_share coft eps fan_in_fan_out init_weights module_dropout num_cayley_neumann_terms oft_block_size r"
        " use_cayley_neumann"
    ),
    "BOFT": LAYERS
    | words_of_line(
        "bias boft_block_num boft_block_size boft_dropout boft_n_butterfly_factor fan_in_fan_out init_weights"
    ),
    "HRA": LAYERS | {"apply_GS", "bias", "init_weights", "r"},
    "TRAINABLE_TOKENS": frozenset({"init_weights", "token_indices"}),
    "PROMPT_TUNING": PROMPT,
    "PREFIX_TUNING": PROMPT,
    "P_TUNING": PROMPT,
}
PROMPT_METHODS = {"PROMPT_TUNING": "prompt tuning", "PREFIX_TUNING": "prefix tuning", "P_TUNING": "p-tuning"}
REFUSED = {
    "alora_invocation_tokens": "is switched on by tokens in the middle of a text (aLoRA)",
    "arrow_config": "routes between adapters (Arrow)",
    "kasa_config": "rewrites its base by a truncated SVD (KaSA)",
    "megatron_config": "is split for Megatron",
    "monteclora_config": "draws its weights at random (MonteCLoRA)",
    "use_bdlora": "has block-diagonal matrices (BD-LoRA)",
    "use_qalora": "pools its inputs (QA-LoRA)",
}
HARMLESS_INITS = (True, False, None, "gaussian", "eva", "orthogonal")
FROM_BASE = ("pissa", "olora")  # the base loses what they start from; it can be computed again from the base
LOST_INITS = {
    "corda": "CorDA takes a part out of the base that only its training data could tell again",
    "loftq": "LoftQ was trained on a base of its own, rounded by LoftQ, which is not among these files",
    "lora_ga": "LoRA-GA takes a part out of the base that only its training data could tell again",
    "pissa_niter": "the fast PiSSA takes a random part out of the base, which is not among these files",
}
EMBEDDINGS = ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out", "word_embeddings", "tok_embeddings", "output")
MARKED = re.compile(r"(lora|ia3|hada|lokr|oft|boft|hra)_\w+\.default(\.|$)")
BEYOND_LORA = {
    "use_dora": "uses DoRA, whose magnitudes are no sum",
    "modules_to_save": "trains whole modules besides LoRA",
    "trainable_token_indices": "trains single tokens besides LoRA",
    "target_parameters": "changes parameters that are no layers",
    "lora_bias": "has a LoRA bias",
    "layer_replication": "repeats layers of its base",
}
SHARED = ("use_dora", "lora_bias")  # of these, what leaves the base in memory as it is
SAVE_AGAIN = "Save it again with PEFT's save_pretrained."
CONVERT = "Save it with save_pretrained(…, path_initial_model_for_weight_conversion=…), which makes it plain LoRA."


@dataclass(frozen=True)
class AdapterKind:
    """An adapter as its files describe it.

    refusal, remedy: why it cannot be used here at all, or ''. unfoldable: why it cannot be added to its base's
    weights. beyond_lora: what it has besides low-rank pairs of matrices. embeddings: the first embedding or output
    head that it changes, '' for none; rows: of the embedding that it brings whole, 0 for none. private: whether
    loading it changes the base in memory, so that nothing else may answer from that. base_settings: what it asks of
    its base's config.json.
    """

    type: str
    config: dict[str, Any]
    embeddings: str = ""
    rows: int = 0
    refusal: str = ""
    remedy: str = ""
    unfoldable: str = ""
    beyond_lora: str = ""
    private: bool = False
    base_settings: dict[str, Any] = field(default_factory=dict)

    @property
    def scaling(self) -> str:
        """The RoPE scaling that its base has to have, as it is called; '' without one."""
        return scaling_words(self.base_settings)

    @property
    def is_prompt(self) -> bool:
        return self.type in PROMPT_METHODS

    def require_usable(self, name: str, field: str = "model") -> None:
        """Raises `UserError` with the reason unless it can be used here."""
        if self.refusal:
            raise UserError(f"The adapter {name!r} {self.refusal}.", self.remedy, field)

    def require_foldable(self, name: str, field: str = "model") -> None:
        """Raises `UserError` with the reason unless it can become part of its base's weights."""
        self.require_usable(name, field)
        if self.unfoldable:
            raise UserError(
                f"{name!r} cannot be folded: it {self.unfoldable}.", "Chat with it as it is, over its base.", field
            )


def adapter_kind(folder: Path) -> AdapterKind:
    """What an adapter's folder holds; raises `UserError` on damaged files."""
    config = tensors.adapter_config(folder)
    named = text_up_to(config.get("peft_type"), SHOWN_CHARACTERS)
    shapes = {name: shape for name, shape, _ in tensors.shapes(folder)}
    refusal, remedy = _refusal(named, config, shapes)
    rows = _rows(shapes)
    return AdapterKind(
        type=named,
        config=config,
        embeddings=next(filter(None, map(_embedding, shapes)), ""),
        rows=rows,
        refusal=refusal,
        remedy=remedy,
        unfoldable=_unfoldable(named, config),
        beyond_lora=_beyond_lora(named, config, rows),
        private=_is_private(named, config, rows),
        base_settings=base_settings(folder),
    )


def misfits(kind: AdapterKind, adapter: Path, base: Path) -> list[str]:
    """Where LoRA's matrices cannot be added to the tensors of the base: what headers alone tell, a sentence each.

    Layers that the base's files hold under other names are left to `workbench.models.adapted`.
    """
    base_shapes = {name: shape for name, shape, _ in tensors.shapes(base)}
    sentences = []
    for name, shape, _ in tensors.shapes(adapter):
        module, _, parameter = name.removeprefix("base_model.model.").partition(".lora_")
        weight = base_shapes.get(f"{module}.weight")
        if weight is None or len(weight) != 2:
            continue
        if parameter == "B.bias" and f"{module}.bias" not in base_shapes:
            sentences.append(f"it adds a bias to {module}, which has none in the base.")
        side = {"A.weight": 1, "B.weight": 0}.get(parameter)
        have = shape[side] if side is not None else 0
        need = weight[1 - side if kind.config.get("fan_in_fan_out") else side] if side is not None else 0
        if have != need:
            sentences.append(f"{module}.weight is {weight[0]} × {weight[1]} in the base, the adapter needs {have}.")
    return sentences


def _is_private(named: str, config: dict[str, Any], rows: int) -> bool:
    if named != "LORA" or rows or config.get("init_lora_weights") in FROM_BASE:
        return True
    return config.get("bias", "none") != "none" or any(
        config.get(setting) for setting in BEYOND_LORA if setting not in SHARED
    )


def _refusal(named: str, config: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> tuple[str, str]:
    if named not in FIELDS:
        kinds = ", ".join(FIELDS)
        return (f"is of the kind {named or '?'}, which is not known here", f"Known are: {kinds}.")
    unknown = sorted(name for name in config if name not in FIELDS[named] | COMMON and config[name])
    if unknown:
        return (
            f"has the setting {shortened(unknown[0], SHOWN_CHARACTERS)}, which is not known here",
            "Save it with the PEFT that this uses.",
        )
    for setting, reason in REFUSED.items():
        if config.get(setting):
            return (reason, "Fold it where it was trained, and import the whole model.")
    if lost := _lost_start(config.get("init_lora_weights")):
        return (lost, CONVERT)
    marked = shortened(next(filter(MARKED.search, shapes), ""), SHOWN_CHARACTERS)
    if marked or not shapes:
        does = f"names its tensors so that PEFT does not read them ({marked})" if marked else "holds no tensor"
        return (f"{does}: it does nothing", SAVE_AGAIN)
    return ("", "")


def _lost_start(init: Any) -> str:
    """Why the base that an adapter was trained on cannot be told from its start, or ''."""
    if init in (*HARMLESS_INITS, *FROM_BASE):
        return ""
    lost = next((why for start, why in LOST_INITS.items() if str(init).startswith(start)), "")
    return (
        f"cannot be read alone: {lost}"
        if lost
        else f"starts from {shortened(repr(init), SHOWN_CHARACTERS)}, which is not known here"
    )


def _unfoldable(named: str, config: dict[str, Any]) -> str:
    if named in PROMPT_METHODS:
        return f"is {PROMPT_METHODS[named]}, which adds tokens and no weights: there is nothing to fold"
    if config.get("layer_replication"):
        return "repeats layers of its base, which makes it another architecture"
    return ""


def _beyond_lora(named: str, config: dict[str, Any], rows: int) -> str:
    if named != "LORA":
        return f"is no LoRA adapter but {named}"
    if config.get("bias", "none") != "none":
        return "trains biases too"
    if config.get("init_lora_weights") in FROM_BASE:
        return f"changes its base too ({config['init_lora_weights']})"
    if reason := next((reason for setting, reason in BEYOND_LORA.items() if config.get(setting)), ""):
        return reason
    return "brings an embedding of its own" if rows else ""


def _embedding(name: str) -> str:
    """The embedding or output head that a tensor of an adapter belongs to, or ''."""
    segments = name.removeprefix("base_model.model.").split(".")
    return next((segment for segment in segments if segment in EMBEDDINGS), "")


def _rows(shapes: dict[str, tuple[int, ...]]) -> int:
    """Rows of the whole embedding or output head among an adapter's tensors."""
    for name, shape in shapes.items():
        module = name.removesuffix(".weight").removesuffix(".base_layer").rpartition(".")[2]
        if name.endswith(".weight") and module in EMBEDDINGS and len(shape) == 2:
            return shape[0]
    return 0

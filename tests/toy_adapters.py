"""Toy bases of several architectures, and every kind of adapter that PEFT makes over them, with its logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.toys import toy_tokenizer
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, write_manifest
from workbench.models.chat_tokens import copy_tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
GPT2: dict[str, Any] = {
    "vocab_size": 400, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
EXPERTS: dict[str, Any] = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "untied": ("Llama", {**SIZES, "tie_word_embeddings": False}),
    "tied": ("Llama", {**SIZES, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2", SIZES),
    "gpt2": ("GPT2", GPT2),
    "mixtral": ("Mixtral", {**SIZES, "num_local_experts": 4}),
    "qwen3-moe": ("Qwen3Moe", {**SIZES, **EXPERTS, "num_experts": 4, "head_dim": 16, "norm_topk_prob": True}),
    "deepseek": ("DeepseekV2", {
        **SIZES, **EXPERTS, "num_key_value_heads": 4, "n_routed_experts": 4, "n_shared_experts": 1, "q_lora_rank": None,
        "first_k_dense_replace": 1, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 16,
        "v_head_dim": 16, "n_group": 1, "topk_group": 1,
    }),
    "gemma3": ("Gemma3", {
        "text_config": {**SIZES, "head_dim": 16},
        "vision_config": {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14,
        },
        "mm_tokens_per_image": 4,
    }),
}  # fmt: skip
SPREAD = 0.08  # of the weights: untrained ones are so small that an adapter hardly shows


def build(architecture: str, settings: dict[str, Any], seed: int = 0, kind: str = "") -> Any:
    """A model of transformers with random weights that are not small; a causal one unless a class is named."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{architecture}Config")(**settings)
    named = getattr(transformers, kind) if kind else transformers.AutoModelForCausalLM
    model = named(config) if kind else named.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, SPREAD)
    return model.eval()


def toy_base(home: Home, name: str, dtype: str = "float32") -> Path:
    """One of `BASES` on the shelf."""
    import torch
    from transformers import AutoTokenizer

    with atomic_dir(home.models / name) as folder:
        build(*BASES[name]).to(getattr(torch, dtype)).save_pretrained(folder)
        toy_tokenizer(folder)
        if name == "qwen2":  # transformers takes Qwen2's own splitting for every model of that type
            AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
        write_manifest(folder, Manifest(kind="model", name=name, made_by={"method": "toy"}))
    return home.models / name


def _embedding(base: str) -> str:
    return "wte" if base == "gpt2" else "embed_tokens"


def _some(base: str) -> list[str]:
    return ["c_attn", "mlp.c_proj"] if base == "gpt2" else ["q_proj", "o_proj", "down_proj"]


def _lora(**settings: Any) -> Callable[[str], Any]:
    def config(base: str) -> Any:
        from peft import LoraConfig

        done = {key: value(base) if callable(value) else value for key, value in settings.items()}
        common = {"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", "target_modules": "all-linear"}
        return LoraConfig(**{**common, **done})

    return config


def _other(name: str, **settings: Any) -> Callable[[str], Any]:
    def config(base: str) -> Any:
        import peft

        done = {key: value(base) if callable(value) else value for key, value in settings.items()}
        return getattr(peft, f"{name}Config")(task_type="CAUSAL_LM", **done)

    return config


def _both(base: str) -> list[str]:
    return [_embedding(base), "lm_head"]


def _embed(base: str) -> list[str]:
    return [_embedding(base)]


ADAPTERS: dict[str, Callable[[str], Any]] = {
    "lora": _lora(),
    "rslora": _lora(use_rslora=True),
    "patterns": _lora(rank_pattern={"q_proj": 2, "c_attn": 2}, alpha_pattern={"o_proj": 3, "c_fc": 3}),
    "layers": _lora(target_modules=_some, layers_to_transform=[1]),
    "dora": _lora(use_dora=True, target_modules=_some),
    "pissa": _lora(init_lora_weights="pissa", target_modules=_some),
    "olora": _lora(init_lora_weights="olora", target_modules=_some),
    "fast pissa": _lora(init_lora_weights="pissa_niter_4", target_modules=_some),
    "all biases": _lora(bias="all"),
    "lora bias": _lora(lora_bias=True, target_modules=_some),
    "whole embedding": _lora(modules_to_save=_embed),
    "whole embedding, tied": _lora(modules_to_save=_embed, ensure_weight_tying=True),
    "whole embedding and head": _lora(modules_to_save=_both),
    "norms": _lora(modules_to_save=["norm", "ln_f"]),
    "lora on embedding": _lora(target_modules=_embed),
    "lora on embedding, tied": _lora(target_modules=_embed, ensure_weight_tying=True),
    "dora on embedding": _lora(target_modules=_embed, use_dora=True),
    "lora on head": _lora(target_modules=["lm_head"]),
    "lora on both": _lora(target_modules=_both),
    "tokens": _lora(trainable_token_indices=[3, 7, 9]),
    "experts": _lora(target_modules=[], target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]),
    "repeated layers": _lora(layer_replication=[[0, 2], [1, 2]], target_modules=_some),
    "two more tokens": _lora(),
    "two more tokens, saved": _lora(modules_to_save=_both),
    "only tokens": _other("TrainableTokens", token_indices=[3, 7, 9], target_modules=_embed),
    "ia3": _other("IA3", target_modules=_some, feedforward_modules=lambda base: _some(base)[-1:]),
    "loha": _other("LoHa", r=4, alpha=8, target_modules=_some),
    "lokr": _other("LoKr", r=4, alpha=8, target_modules=_some),
    "oft": _other("OFT", r=0, oft_block_size=16, target_modules=_some),
    "boft": _other("BOFT", boft_block_size=4, target_modules=_some),
    "hra": _other("HRA", r=4, target_modules=_some),
    "adalora": _other("AdaLora", init_r=4, target_r=4, total_step=10, target_modules=_some),
    "prompt tuning": _other("PromptTuning", num_virtual_tokens=4),
    "prefix tuning": _other("PrefixTuning", num_virtual_tokens=4),
    "p-tuning": _other("PromptEncoder", num_virtual_tokens=4, encoder_hidden_size=16),
}  # fmt: skip


def probe() -> Any:
    """Token ids (2, 24), those that adapters train singly and the last of the vocabulary among them."""
    import torch

    ids = torch.randint(0, 400, (2, 24), generator=torch.Generator().manual_seed(1))
    ids[0, :6] = torch.tensor([3, 7, 9, 398, 399, 3])
    return ids


def save_adapter(base: Path, name: str, folder: Path) -> tuple[Any, Any]:
    """An adapter of that kind as PEFT saves it, its weights at random; the logits of `probe()` of base and of both.

    Raises whatever PEFT raises where it makes no such adapter over that base.
    """
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    ids = probe()
    with torch.no_grad():
        plain = model(input_ids=ids).logits
        if name.startswith("two more tokens"):
            model.resize_token_embeddings(402, mean_resizing=False)
        adapted: Any = get_peft_model(model, ADAPTERS[name](base.name)).eval()
        torch.manual_seed(5)
        for path, weight in adapted.named_parameters():
            if weight.requires_grad:
                _draw(name, path, weight)
        truth = adapted(input_ids=ids).logits[:, -ids.shape[1] :]
    adapted.save_pretrained(folder)
    copy_tokenizer(base, folder)
    return plain, truth


def _draw(name: str, path: str, weight: Any) -> None:
    """Random values that make an effect of a usual size, around what the kind starts from."""
    import torch

    moved = torch.randn_like(weight)
    if "lora_" in path and "magnitude" not in path and not name.endswith("pissa") and name != "olora":
        weight.copy_(moved * 0.2)
    elif name == "ia3":
        weight.add_(moved * 0.3)
    elif name in ("loha", "lokr") or "prompt" in path:
        weight.copy_(moved * 0.2)
    else:
        weight.add_(moved * 0.05)

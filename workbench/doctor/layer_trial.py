"""One layer of a large model, trained with QLoRA once: how long it takes, and what it takes of the device's memory."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from workbench.core.hardware import Hardware
from workbench.doctor.qlora_plan import ModelSize, TrainingSize

TRIAL_VOCABULARY_TOKENS = 64


class LayerTrial(NamedTuple):
    """Seconds of a forward and a backward pass; peak: bytes on a CUDA device, 0 elsewhere."""

    seconds: float
    peak: int


def try_layer(folder: Path, size: ModelSize, training: TrainingSize, hardware: Hardware) -> LayerTrial:
    """Writes a random model of one such layer into the folder, loads it as QLoRA does, and times its second pass."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from workbench.training.tuners.qlora import QLora

    config = LlamaConfig(
        vocab_size=TRIAL_VOCABULARY_TOKENS, hidden_size=size.hidden, intermediate_size=size.intermediate,
        num_hidden_layers=1, num_attention_heads=size.heads, num_key_value_heads=size.key_value_heads,
        max_position_embeddings=max(training.tokens, 512), dtype=torch.bfloat16,
    )  # fmt: skip
    whole: Any = LlamaForCausalLM(config)
    whole.to(torch.bfloat16).save_pretrained(folder)
    model = QLora(r=training.rank).load(folder, None, hardware).train()
    device = next(model.parameters()).device
    ids = torch.randint(TRIAL_VOCABULARY_TOKENS, (training.batch_size, training.tokens), device=device)
    cuda = device.type == "cuda"
    seconds = 0.0
    for _ in range(2):  # the first one compiles and allocates
        began = time.perf_counter()
        model(input_ids=ids, labels=ids).loss.backward()
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return LayerTrial(seconds, torch.cuda.max_memory_allocated() if cuda else 0)

"""The logits of a GGUF by llama.cpp, held against those that transformers computes of its source."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from workbench.inference.cpu_budget import Spare
from workbench.inference.llama_cpp import LlamaContext, LlamaModel

TOKENS = 24


def largest_difference(folder: Path, path: Path) -> float:
    """The largest difference of a log-probability over `TOKENS` random tokens; llama.cpp keeps its cache in float16."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.randint(3, 300, (TOKENS,), generator=torch.Generator().manual_seed(1)).tolist()
    with torch.no_grad():
        ours = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    context = LlamaContext(LlamaModel(path), 64, Spare(1))
    theirs = torch.stack([torch.from_numpy(context.feed({0: [token]})[0]) for token in ids]).log_softmax(-1)
    assert theirs.shape == ours.shape
    return (theirs - ours).abs().max().item()

"""GPTQ and AWQ by llm-compressor, run by the Python of an environment of their own.

Usage: python llm_compressor.py SPEC.json

The spec: {"method": "gptq" | "awq", "model", "dtype", "rows", "folder", "group", "dampening", "order"}. `rows` is a
file with a list of token ids in each line. Writes `PROGRESS done total text` lines, and the model in the format
compressed-tensors.
https://github.com/vllm-project/llm-compressor
"""

import json
import sys
from pathlib import Path
from typing import Any


def write_progress(completed: float, total: float, text: str) -> None:
    """Says how far it is, as the parent process reads it."""
    print("PROGRESS", completed, total, text, flush=True)


def modifiers(spec: dict[str, Any]) -> list[Any]:
    """The modifiers: GPTQ rounds column by column, AWQ scales columns first and then rounds to the nearest."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    gptq = spec["method"] == "gptq"
    weights = QuantizationArgs(
        num_bits=4, type="int", symmetric=gptq, strategy="group", group_size=spec["group"],
        actorder=("static" if spec["order"] else None) if gptq else None,
    )  # fmt: skip
    common: dict[str, Any] = {
        "config_groups": {"matrices": QuantizationScheme(targets=["Linear"], weights=weights)},
        "ignore": ["lm_head"],
    }
    if gptq:
        return [GPTQModifier(**common, dampening_frac=spec["dampening"])]
    return [AWQModifier(), QuantizationModifier(**common)]


def count_layers(total: int) -> None:
    """Tells of every part of the model as the library logs that it begins with it."""
    from loguru import logger

    matrices = 0

    def hear(message: Any) -> None:
        nonlocal matrices
        if "Quantizing" in message.record["message"]:
            matrices += 1
            write_progress(min(matrices, total), total, f"Rounding matrix {min(matrices, total)} of {total}")

    logger.remove()
    logger.add(hear, level="INFO")
    logger.add(sys.stderr, level="WARNING")


def main(path: str) -> None:
    """Quantizes as the spec file says."""
    spec = json.loads(Path(path).read_text("utf-8"))
    write_progress(0, 1, "Loading the library")
    import torch
    from datasets import Dataset
    from llmcompressor import oneshot
    from transformers import AutoModelForCausalLM

    device: dict[str, Any] = {"device_map": {"": "cuda"}} if torch.cuda.is_available() else {}
    model = AutoModelForCausalLM.from_pretrained(
        spec["model"], dtype=getattr(torch, spec["dtype"]), use_safetensors=True, local_files_only=True,
        trust_remote_code=False, **device,
    )  # fmt: skip
    head = model.get_output_embeddings()
    count_layers(sum(isinstance(module, torch.nn.Linear) and module is not head for module in model.modules()))
    rows = [json.loads(line) for line in Path(spec["rows"]).read_text("utf-8").splitlines()]
    dataset = Dataset.from_list([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows])
    oneshot(
        model=model, dataset=dataset, recipe=modifiers(spec), num_calibration_samples=len(rows),
        max_seq_length=max(map(len, rows)), shuffle_calibration_samples=False,
    )  # fmt: skip
    write_progress(1, 1, "Saving")
    model.save_pretrained(spec["folder"], save_compressed=True, max_shard_size="2GB")


if __name__ == "__main__":
    main(sys.argv[1])

"""A training script as one would write it with TRL alone: no events, no queue, no checks.

Arguments: home, loss ('trl' for TRL's own, 'ours' for the workbench's loss over real tokens), the job as JSON.
"""

import json
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from workbench.core.hardware import detect_hardware
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.jobs.job import JOBS
from workbench.rendering.rendered import Tokenizer, encode_rows
from workbench.rendering.templates import get_template
from workbench.training.lean_trainer import in_batches, lean
from workbench.training.lora_forward import compute_lora_in_one_step
from workbench.training.unpadded_forward import compute_real_tokens_only


class Clock(TrainerCallback):
    """When training began, when its first step ended and when the last did."""

    def __init__(self) -> None:
        self.began = self.first = self.last = 0.0

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.began = time.time()

    def on_step_end(self, *_: object, **__: object) -> None:
        self.last = time.time()
        self.first = self.first or self.last


def main() -> None:
    home, loss, spec = Home.at(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    job = JOBS.parse(spec)
    started = time.time()
    folder = home.models / spec["model"]
    hardware = detect_hardware()
    dtype = torch.bfloat16 if hardware.bf16 else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    rows = {
        split: Dataset.from_list(
            encode_rows(
                datasets.all_rows(home, spec["dataset"], split),
                "conversation",
                Tokenizer.load(folder),
                get_template("model", folder),
                spec["max_length"],
            )[0]
        )
        for split in ("train", "eval")
    }
    arguments = job.trainer_arguments(
        Path(sys.argv[1]) / "bare", hardware, {split: len(found) for split, found in rows.items()}
    )  # type: ignore[attr-defined]
    config = SFTConfig(learning_rate=3e-4, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}, **arguments)
    clock = Clock()
    trainer = (SFTTrainer if loss == "trl" else in_batches(lean(SFTTrainer)))(
        model=model,
        args=config,
        train_dataset=rows["train"],
        eval_dataset=rows["eval"],
        processing_class=tokenizer,
        callbacks=[clock],
    )
    if loss == "ours":
        compute_lora_in_one_step(model)
        compute_real_tokens_only(model)
    trainer.train()
    print(json.dumps({"to_first_step": clock.first - started, "training": clock.last - clock.began}))


if __name__ == "__main__":
    main()

"""One training in a process of its own, ours or a script of TRL's; prints what it took as JSON.

Arguments: home, side, the job as JSON, and optionally after how many seconds the run ends. The sides: 'ours', the job
as it is; 'trl', TRL's trainer with the library's defaults (float32 weights under bfloat16 autocast, gradient
checkpointing, padding); 'trl-equal', the same with our type of numbers and without checkpointing; 'trl-functions',
TRL's trainer with our functions and settings. All get the same rows, encoded, and the same adapter, seed, learning
rate, schedule and batch size.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed

from tests.bench._common import peak_memory
from workbench.core.hardware import Hardware, detect_hardware
from workbench.core.home import Home
from workbench.data.encoding.cache import EncodedRows, encoded_rows
from workbench.data.store import datasets
from workbench.jobs.job import JOBS, JobContext
from workbench.models.loading import load_base
from workbench.rendering.templates import get_template
from workbench.training import report
from workbench.training.jobs.train import Train
from workbench.training.lean_trainer import in_batches, lean
from workbench.training.lora_forward import compute_lora_in_one_step
from workbench.training.unpadded_forward import compute_real_tokens_only

IGNORED = -100


class Clock(TrainerCallback):
    """Real tokens, seconds and CPU seconds from the beginning of the first step to the end of the last, which is the
    one in which `limit` seconds are over."""

    def __init__(self, limit: float = math.inf) -> None:
        self.limit, self.is_cut = limit, False
        self.began = self.cpu_began = self.seconds = self.cpu_seconds = self.tokens = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if not self.began:
            self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self.began, time.process_time() - self.cpu_began
        if self.seconds > self.limit and state.global_step < state.max_steps:
            control.should_training_stop = self.is_cut = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.tokens = max(self.tokens, (logs or {}).get("num_tokens", 0.0))


def main() -> None:
    home, side, job = Home.at(sys.argv[1]), sys.argv[2], JOBS.parse(json.loads(sys.argv[3]))
    assert isinstance(job, Train)
    hardware, clock = detect_hardware(), Clock(*map(float, sys.argv[4:5]))
    rows = {split: _rows(home, job, split) for split in ("train", "eval")}
    adapter = _ours(home, job, clock) if side == "ours" else _trl(home, job, side, hardware, rows["train"], clock)
    figures = {name: getattr(clock, name) for name in ("tokens", "seconds", "cpu_seconds")}
    memory = peak_memory()
    losses = {} if clock.is_cut else eval_losses(home, job, adapter, rows["eval"])
    print(json.dumps({**figures, "peak_gb": memory, **losses}))


def _rows(home: Home, job: Train, split: str) -> EncodedRows:
    folder = home.models / job.model
    rules = job.objective.rules(datasets.dataset_kind(home, job.dataset), get_template("model", folder), job.max_length)
    return encoded_rows(home, job.dataset, split, folder, rules)


def _ours(home: Home, job: Train, clock: Clock) -> Path:
    """The job as the worker runs it; the folder of its adapter."""

    class Timed(report.Report):
        def on_step_begin(self, *args: Any, **given: Any) -> None:
            clock.on_step_begin()
            super().on_step_begin(*args, **given)

        def on_step_end(self, *args: Any, **given: Any) -> None:
            super().on_step_end(*args, **given)
            clock.on_step_end(*args, **given)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
            clock.on_log(args, state, control, logs)
            super().on_log(args, state, control, logs, **given)

    report.Report = Timed  # type: ignore[misc]
    folder = home.jobs / job.output_name
    folder.mkdir()
    job.run(JobContext(home, folder))
    return home.models / job.output_name


def _trl(home: Home, job: Train, side: str, hardware: Hardware, encoded: EncodedRows, clock: Clock) -> Path:
    """What a person writes with TRL: its trainer, its collator, its loss; the folder of the adapter."""
    set_seed(job.seed)
    equal = side != "trl"
    folder = home.models / job.model
    dtype = torch.bfloat16 if equal and hardware.bf16 else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    arguments: dict[str, Any] = {
        "output_dir": str(home.root / "trl"),
        "max_steps": job.max_steps or -1,
        "num_train_epochs": job.epochs,
        "per_device_train_batch_size": job.batch_size,
        "learning_rate": job.objective.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": job.steps_of_warmup(job.total_steps(len(encoded))),
        "logging_steps": 1,
        "save_strategy": "no",
        "seed": job.seed,
        "use_cpu": hardware.device == "cpu",
        "report_to": "none",
        "disable_tqdm": True,
        "max_length": None,
    }
    if equal:
        arguments |= {"bf16": hardware.bf16, "gradient_checkpointing": False}
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    made = _pairs_trainer if job.objective.method == "dpo" else _rows_trainer
    trainer = made(get_peft_model(model, lora), arguments, encoded, AutoTokenizer.from_pretrained(folder), side)
    if side == "trl-functions":
        compute_lora_in_one_step(trainer.model)
        compute_real_tokens_only(trainer.model)
    trainer.add_callback(clock)
    trainer.train()
    target = home.root / f"{side}-{job.output_name}"
    trainer.model.save_pretrained(str(target))
    return target


def _rows_trainer(model: Any, arguments: dict[str, Any], encoded: EncodedRows, tokenizer: Any, side: str) -> Any:
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": row["input_ids"], "labels": labels_of(row["input_ids"], row["spans"])}
        for row in encoded.table.to_pylist()
    ]
    trainer = in_batches(lean(SFTTrainer)) if side == "trl-functions" else SFTTrainer
    return trainer(
        model=model, args=SFTConfig(**arguments), train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )


def _pairs_trainer(model: Any, arguments: dict[str, Any], encoded: EncodedRows, tokenizer: Any, side: str) -> Any:
    from trl import DPOConfig, DPOTrainer

    class OnEncodedPairs(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    rows = []
    for row in encoded.table.to_pylist():
        starts = [row[f"{name}_spans"][0]["start"] for name in ("chosen", "rejected")]
        sides = {f"{name}_ids": row[f"{name}_ids"][starts[0] :] for name in ("chosen", "rejected")}
        rows.append({"prompt_ids": row["chosen_ids"][: starts[0]], **sides})
    return OnEncodedPairs(
        model=model, args=DPOConfig(**arguments), train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )


def labels_of(ids: list[int], spans: list[dict[str, Any]]) -> list[int]:
    """The ids that are learned, -100 for the others."""
    labels = [IGNORED] * len(ids)
    for span in spans:
        labels[span["start"] : span["end"]] = ids[span["start"] : span["end"]]
    return labels


@torch.no_grad()
def eval_losses(home: Home, job: Train, adapter: Path, encoded: EncodedRows) -> dict[str, float]:
    """Measured alike for every side, in float32 and row by row: the mean loss of the trained tokens, or DPO's."""
    exact = Hardware(device="cpu")
    model = PeftModel.from_pretrained(load_base(home.models / job.model, exact), str(adapter)).eval()
    total, items = 0.0, 0
    for row in encoded.table.to_pylist():
        if job.objective.method == "dpo":
            margin = 0.0
            for sign, name in ((1, "chosen"), (-1, "rejected")):
                ids, spans = row[f"{name}_ids"], row[f"{name}_spans"]
                with model.disable_adapter():
                    before = log_probability(model, ids, spans)[0]
                margin += sign * (log_probability(model, ids, spans)[0] - before)
            total -= float(torch.nn.functional.logsigmoid(torch.tensor(0.1 * margin)))
            items += 1
        else:
            value, tokens = log_probability(model, row["input_ids"], row["spans"])
            total, items = total - value, items + tokens
    return {"eval_loss": total / items}


def log_probability(model: Any, ids: list[int], spans: list[dict[str, Any]]) -> tuple[float, int]:
    """The sum of the learned tokens' log-probabilities, and how many there are."""
    labels = torch.tensor(labels_of(ids, spans))[1:]
    logs = model(input_ids=torch.tensor(ids)[None]).logits[0, :-1].float().log_softmax(-1)
    learned = labels != IGNORED
    return float(logs[learned].gather(1, labels[learned][:, None]).sum()), int(learned.sum())


if __name__ == "__main__":
    main()

"""A home with many models, datasets and jobs, each as small as it can be, written as files and not by the engine."""

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.toys import conversations
from workbench.core.home import Home
from workbench.core.lineage import Manifest, now
from workbench.core.spec import dump_yaml
from workbench.data.store.datasets import write_rows

LONG_AGO = 1_700_000_000.0


def many(home: Home, models: int = 0, datasets: int = 0, jobs: int = 0) -> Home:
    """Fills the home; the names begin at 0, so that a second call adds nothing that is there."""
    if models:
        first = add_model(home, 0)
        for number in range(1, models):
            add_model(home, number, first)
    if datasets:
        write_rows(home, "set-00000", "conversation", conversations(2))
        for number in range(1, datasets):
            add_dataset(home, number)
    for number in range(jobs):
        add_job(home, number)
    return home


def add_model(home: Home, number: int, like: Path | None = None) -> Path:
    """A model of one tensor."""
    name = f"model-{number:05}"
    folder = _partial(home.models / name)
    if like:
        shutil.copy(like / "model.safetensors", folder)
    else:
        save_file({"model.embed.weight": np.zeros((4, 4), np.float32)}, folder / "model.safetensors")
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 4, "num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    made = Manifest(kind="model", name=name, created=now(), digest="0" * 64, made_by={"method": "bench"})
    (folder / "manifest.yaml").write_text(dump_yaml(made.to_dict()))
    return folder.rename(home.models / name)


def add_dataset(home: Home, number: int) -> Path:
    """A copy of the first one under another name."""
    name, first = f"set-{number:05}", home.datasets / "set-00000"
    folder = _partial(home.datasets / name)
    shutil.copy(first / "train.parquet", folder)
    (folder / "manifest.yaml").write_text((first / "manifest.yaml").read_text().replace(first.name, name))
    return folder.rename(home.datasets / name)


def add_job(home: Home, number: int) -> Path:
    """A training that ended long ago."""
    name = f"20240101-{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}-000-sft-{number:05}-0000"
    folder = _partial(home.jobs / name)
    settings = {"method": "train", "model": "model-00000", "dataset": "set-00000", "output": f"made-{number:05}"}
    (folder / "job.yaml").write_text(dump_yaml(settings))
    events = [
        {"t": LONG_AGO + number, "type": "status", "status": "queued"},
        {"t": LONG_AGO + number + 1, "type": "status", "status": "running", "pid": 1, "process_started": 1.0},
        {"t": LONG_AGO + number + 2, "type": "progress", "done": 10, "total": 10, "text": "Step 10"},
        *({"t": LONG_AGO + number + 2, "type": "metrics", "step": step, "loss": 1 / step} for step in range(1, 11)),
        {"t": LONG_AGO + number + 9, "type": "status", "status": "done", "result": {"model": settings["output"]}},
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder.rename(home.jobs / name)


def _partial(folder: Path) -> Path:
    made = folder.with_name(f".made-{folder.name}")
    made.mkdir()
    return made

"""The estimate of a training's memory against what it takes: the starter model, six drawn batches × lengths a way.

Every point is a run of two steps in a process of its own, in the precision of the machine. Measured is the most
resident memory (VmHWM; on a GPU the most that torch allocated) over what the process held with all packages imported.
The figure is how far the estimate is off, in percent of what was measured.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench._common import ROOT, peak_memory, prepared_home
from workbench.core.home import Home
from workbench.data.store.datasets import write_rows
from workbench.models.starter import STARTER_NAME

SEED, POINTS = 20_240, 6
MOST_ROWS, LENGTHS = 4, range(64, 513, 32)
MOST_TOKENS = 1024  # of a batch: a step of more takes minutes on two cores
WAYS: dict[str, dict[str, Any]] = {
    "lora": {"tuner": "lora", "dataset": "long"},
    "qlora": {"tuner": "qlora", "dataset": "long"},
    "full": {"tuner": "full", "dataset": "long"},
    "dpo": {"tuner": "lora", "objective": "dpo", "dataset": "long-pairs"},
}
GOAL_PERCENT = 15.0


def measure() -> Iterator[tuple[Any, ...]]:
    """For every point the percent that the estimate is off."""
    home = prepared_home()
    write_long_rows(home)
    for way in WAYS:
        for rows, length in drawn_points(way):
            found = measured(home, way, rows, length)
            off = 100 * abs(found["estimate"] / found["peak"] - 1)
            megabytes = f"{found['estimate'] / 1e6:.0f}_of_{found['peak'] / 1e6:.0f}MB"
            yield f"memory_{way}_{rows}x{length}_{megabytes}", off, GOAL_PERCENT, "%"
    shutil.rmtree(home.root)


def drawn_points(way: str) -> list[tuple[int, int]]:
    """Six different (batch, length), pairs counting twice towards the most tokens."""
    draw = random.Random(f"{SEED}-{way}")
    sides = 2 if way == "dpo" else 1
    every = [(rows, length) for rows in range(1, MOST_ROWS + 1) for length in LENGTHS]
    return draw.sample([(rows, length) for rows, length in every if rows * length * sides <= MOST_TOKENS], POINTS)


def write_long_rows(home: Home) -> None:
    """Rows that every length cuts off, so that each batch is as wide as it can be."""
    answers = [" ".join(f"word {row} number {word} of many" for word in range(600)) for row in range(48)]
    ask = [{"role": "user", "content": "Tell me."}]
    replies = [[{"role": "assistant", "content": answer}] for answer in answers]
    write_rows(home, "long", "conversation", [{"messages": [*ask, *reply]} for reply in replies], [])
    pairs = zip(replies[:24], replies[24:], strict=True)
    write_rows(
        home, "long-pairs", "preference", [{"prompt": ask, "chosen": one, "rejected": two} for one, two in pairs], []
    )


def job_of(way: str, rows: int, length: int) -> dict[str, Any]:
    common = {"method": "train", "model": STARTER_NAME, "output": "measured", "max_steps": 2, "warmup": 0}
    return {**common, "batch_size": rows, "max_length": length, "checkpoint_every": 1000, **WAYS[way]}


def measured(home: Home, way: str, rows: int, length: int) -> dict[str, float]:
    """{peak, estimate} in bytes."""
    command = [sys.executable, "-m", "tests.bench.memory", str(home.root), way, str(rows), str(length)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def train_once(root: str, way: str, rows: str, length: str) -> None:
    """The child's part: one run, and its peak above what is held when everything is imported."""
    import psutil
    import torch

    from workbench.core.hardware import detect_hardware
    from workbench.jobs.job import JOBS, JobContext
    from workbench.jobs.worker import warm_up
    from workbench.training.memory_estimate import estimate_memory

    home, job = Home.at(root), JOBS.parse(job_of(way, int(rows), int(length)))
    warm_up()
    if way == "qlora":
        import bitsandbytes  # noqa: F401
    hardware = detect_hardware()
    estimate = estimate_memory(home, job, hardware).total  # type: ignore[arg-type]
    folder = Path(tempfile.mkdtemp(dir=home.jobs))
    held = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    job.run(JobContext(home, folder))
    peak = peak_memory() * 1e9 - held
    if hardware.device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    shutil.rmtree(folder)
    shutil.rmtree(home.models / "measured")
    print(json.dumps({"peak": peak, "estimate": estimate}))


if __name__ == "__main__":
    train_once(*sys.argv[1:])

"""Encoding and memory of a large dataset: 200,000 rows of some 300 tokens on a toy model.

BENCH_ROWS takes fewer of them. Speed is held against `datasets.map` tokenizing the same texts, rendered before, on as
many processes; memory is what training holds above the model in anonymous pages, which no file backs.
"""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench._common import ROOT
from tests.toys import toy_model
from workbench.core.home import Home
from workbench.core.parallel import cores
from workbench.data.store.datasets import write_rows
from workbench.rows.table import page_of_rows

ROWS, STEPS = int(os.environ.get("BENCH_ROWS", "200000")), 50
WORDS = ["red", "blue", "green", "leaf", "sky", "old", "oak", "warm", "rain", "stone", "quiet", "lake", "is", "good"]


def measure() -> Iterator[tuple[Any, ...]]:
    """Seconds of encoding over those of datasets.map, MB of training, and whether a second run encodes again."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        home = Home.at(folder)
        toy_model(home)
        write_rows(home, "large", "conversation", _rows())
        first, second = _trained(home, "first"), _trained(home, "second")
        theirs = _mapped(home)
    yield "encode_over_datasets_map", first["encoding"] / theirs, 1.2, "x"
    yield "encode_rows_per_second", ROWS / first["encoding"], None
    yield "datasets_map_rows_per_second", ROWS / theirs, None
    yield "training_memory_above_the_model", first["memory"], 500.0, "MB"
    yield "second_training_memory_above_the_model", second["memory"], 500.0, "MB"
    yield "second_run_encoding", second["encoding"], 1.0, "s"


def _rows() -> Iterator[dict[str, Any]]:
    draw = random.Random(0)
    for number in range(ROWS):
        asked, answered = " ".join(draw.choices(WORDS, k=40)), " ".join(draw.choices(WORDS, k=235))
        yield {
            "messages": [
                {"role": "user", "content": f"{number}: {asked}?"},
                {"role": "assistant", "content": f"{answered}."},
            ]
        }


def _trained(home: Home, name: str) -> dict[str, float]:
    """A training of its own process: seconds of encoding, and the most MB of anonymous memory above the model."""
    command = [sys.executable, "-m", "tests.bench.encode", str(home.root), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def _mapped(home: Home) -> float:
    """Seconds in which datasets.map tokenizes the texts of the same conversations."""
    import datasets
    from transformers import PreTrainedTokenizerFast

    datasets.disable_progress_bars()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(home.models / "toy" / "tokenizer.json"))
    source = datasets.Dataset.from_generator(_texts, gen_kwargs={"path": home.datasets / "large" / "train.parquet"})
    began = time.perf_counter()
    source.map(
        lambda batch: tokenizer(batch["text"], add_special_tokens=False, truncation=True, max_length=512),
        batched=True,
        num_proc=cores(),
        remove_columns=["text"],
        cache_file_name=str(home.root / "mapped.arrow"),
    )
    return time.perf_counter() - began


def _texts(path: Path) -> Iterator[dict[str, str]]:
    for row in page_of_rows(path, 0, ROWS):
        turns = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in row["messages"])
        yield {"text": turns}


def _train(home: Home, name: str) -> dict[str, float]:
    """One job in this process, its encoding timed and its memory looked at after loading and at every step."""
    from tests.running import context
    from workbench.training import run
    from workbench.training.jobs.train import Train
    from workbench.training.report import Report
    from workbench.training.tuners.lora import Lora

    seconds, held, encode, load, step = 0.0, [0.0], run.encoded_rows, Lora.load, Report.on_step_end

    def timed(*given: Any) -> Any:
        nonlocal seconds
        began = time.perf_counter()
        found = encode(*given)
        seconds += time.perf_counter() - began
        return found

    def loaded(self: Any, *given: Any) -> Any:
        model = load(self, *given)
        held[0] = anonymous_mb()
        return model

    def stepped(self: Any, *given: Any, **named: Any) -> None:
        step(self, *given, **named)
        held.append(anonymous_mb())

    run.encoded_rows, Lora.load, Report.on_step_end = timed, loaded, stepped  # type: ignore[method-assign,assignment]
    job = {"model": "toy", "dataset": "large", "output": name, "max_steps": STEPS, "max_length": 512, "batch_size": 4}
    Train.parse(job).run(context(home, name))
    return {"encoding": seconds, "memory": max(held[1:]) - held[0]}


def anonymous_mb() -> float:
    """The memory of this process that no file backs, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) / 1024


if __name__ == "__main__":
    if multiprocessing.parent_process() is None:
        print(json.dumps(_train(Home.at(sys.argv[1]), sys.argv[2])))

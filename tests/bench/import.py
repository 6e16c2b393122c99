"""Importing 200,000 conversations from JSON lines, against `datasets.load_dataset` with a fresh cache."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROWS = 200_000
ROUNDS = 3
HEAD = "import json, os, sys, time; started = time.time(); source, folder = sys.argv[1:]\n"
TAIL = """
status = open('/proc/self/status').read()
peak = int(status.split('VmHWM:')[1].split()[0]) * 1024 / 1e9
print(json.dumps({'seconds': time.time() - started, 'cpu': sum(os.times()[:2]), 'peak': peak, 'rows': rows}))
"""
OURS = """
from pathlib import Path
from workbench.data.recipes.importing import import_dataset
from workbench.core.home import Home
rows = sum(import_dataset(Home.at(folder), Path(source), 'talks').info['rows'].values())
"""
THEIRS = """
from datasets import load_dataset
rows = len(load_dataset('json', data_files=source, cache_dir=folder, split='train'))
"""


def measure() -> Iterator[tuple[Any, ...]]:
    """Seconds of whole processes, by turns; the fastest of three rounds each."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        source = _talks(Path(folder) / "talks.jsonl")
        turns = [(_run(OURS, source, folder), _run(THEIRS, source, folder)) for _ in range(ROUNDS)]
    ours, theirs = (min(side, key=lambda run: run["seconds"]) for side in zip(*turns, strict=True))
    yield "import_over_datasets", ours["seconds"] / theirs["seconds"], 1.5, ""
    yield "import_cpu_over_datasets", ours["cpu"] / theirs["cpu"], None, ""
    yield "import_seconds", ours["seconds"], None, "s"
    yield "import_datasets_seconds", theirs["seconds"], None, "s"
    yield "import_peak_memory", ours["peak"], None, "GB"
    yield "import_datasets_peak_memory", theirs["peak"], None, "GB"


def _run(code: str, source: Path, folder: str) -> dict[str, float]:
    """One side in a process of its own and with an empty folder; imports count."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command = [sys.executable, "-c", HEAD + code + TAIL, str(source), fresh]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == ROWS, found
    return found


def _talks(path: Path) -> Path:
    """About 150 MB of conversations of two or four turns, some with quotes, line breaks and other alphabets."""
    dice = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(dice.choices(letters, k=dice.randint(2, 10))) for _ in range(5000)]
    words += ["naïve", "größer", '"quoted"', "a\nbreak", "日本語", "Information", "[1]", "{x}"] * 5

    def said(role: str, least: int, most: int) -> dict[str, str]:
        return {"role": role, "content": " ".join(dice.choices(words, k=dice.randint(least, most)))}

    with path.open("w", encoding="utf-8") as file:
        for number in range(ROWS):
            turns = [said("user", 5, 30), said("assistant", 25, 75)]
            if number % 2:
                turns += [said("user", 5, 15), said("assistant", 25, 75)]
            file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
    return path

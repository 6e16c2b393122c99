"""What the benches share: a home with the starter model, and the bare TRL script to hold ours against."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.recipes.importing import import_sample
from workbench.models import starter

ROOT = Path(__file__).resolve().parents[2]


def prepared_home() -> Home:
    """A fresh home with the starter model and the sample data."""
    home = Home.at(tempfile.mkdtemp(prefix="llm-workbench-bench-"))
    starter.unpack(home, starter.fetch(home, Task()), Task())
    import_sample(home)
    return home


def peak_memory() -> float:
    """The most memory this process ever held, in GB.

    Not getrusage: its figure is handed down from the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024 / 1e9


def settings(steps: int, **over: Any) -> dict[str, Any]:
    """The training job both sides run."""
    return {
        "method": "train",
        "model": starter.STARTER_NAME,
        "dataset": "field-guide",
        "max_steps": steps,
        "max_length": 256,
        "batch_size": 4,
        "eval_every": 1000,
        "checkpoint_every": 1000,
        **over,
    }


def bare(home: Home, job: dict[str, Any], loss: str) -> dict[str, float]:
    """The same run by a script that only knows TRL, in a process of its own; its own timings."""
    command = [sys.executable, "-m", "tests.bench.bare_trl", str(home.root), loss, json.dumps(job)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])

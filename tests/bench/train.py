"""Training: ours beside scripts of TRL's, side by side on the starter model and the sample data.

BENCH_SEEDS (3) and BENCH_STEPS (0, one epoch) make it shorter.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.bench._common import ROOT, prepared_home
from workbench.core.home import Home
from workbench.models import starter

SIDES = ("ours", "trl", "trl-equal", "trl-functions")
SEEDS, STEPS = int(os.environ.get("BENCH_SEEDS", "3")), int(os.environ.get("BENCH_STEPS", "0"))
LONGEST = 4.0  # epochs of ours
Runs = dict[str, list[dict[str, float]]]


def measure() -> Iterator[tuple[Any, ...]]:
    """Ratios of real tokens a second, by the clock and by CPU time, of memory and of loss; and the linear layers'."""
    home = prepared_home()
    runs = side_by_side(home, {"dataset": "field-guide", "objective": {"method": "sft"}}, SIDES)
    yield from figures("train", runs, 2.0, 1.3)
    overhead = 100 * (ratio(runs, "trl-functions", "seconds") - 1)
    yield "train_overhead_percent_over_trl_with_our_functions", overhead, 3.0, "%"
    overhead = 100 * (ratio(runs, "trl-functions", "cpu_seconds") - 1)
    yield "train_overhead_percent_of_cpu_time", overhead, None, "%"
    share = _child("tests.bench.linear_share", str(home.root))
    yield "train_linear_layers_share_of_step", share["share"], 0.7, "", True
    yield "train_linear_layers_share_of_cpu_time", share["cpu_share"], None, "", True


def side_by_side(home: Home, settings: dict[str, Any], sides: tuple[str, ...]) -> Runs:
    """What each side took, seed by seed, one after the other and each time in another order."""
    runs: Runs = {side: [] for side in sides}
    for seed in range(SEEDS):
        for turn in range(len(sides)):
            side = sides[(turn + seed) % len(sides)]
            job = _job(settings, side, seed)
            # where the library's defaults mean bfloat16 on a processor that has none, a step takes minutes: they get as
            # long as a few of our epochs, and are told by the tokens of that time
            limit = [str(LONGEST * runs["ours"][-1]["seconds"])] if side == "trl" else []
            run = _child("tests.bench.one_training", str(home.root), side, json.dumps(job), *limit)
            print(f"# seed {seed} {side}: {json.dumps(run)}", file=sys.stderr, flush=True)
            runs[side].append(run)
    return runs


def _job(settings: dict[str, Any], side: str, seed: int) -> dict[str, Any]:
    common = {"method": "train", "model": starter.STARTER_NAME, "max_steps": STEPS, "eval_every": 10**6}
    return {**common, "checkpoint_every": 10**6, "seed": seed, "output": f"{side}-{seed}", **settings}


def figures(name: str, runs: Runs, over_defaults: float, over_equal: float) -> Iterator[tuple[Any, ...]]:
    """Ours over TRL's with its defaults and with equal numbers: speed, memory, loss."""
    for side, label, goal in (("trl", "trl_defaults", over_defaults), ("trl-equal", "equal_trl", over_equal)):
        speed = 1 / ratio(runs, side, "seconds")
        yield f"{name}_tokens_per_second_over_{label}", speed, goal, "", True
        yield f"{name}_tokens_per_cpu_second_over_{label}", 1 / ratio(runs, side, "cpu_seconds"), None, "", True
        if any("eval_loss" not in run for run in runs[side]):
            continue  # it saw a few rows alone: neither what it learned nor its largest batch can be compared
        yield f"{name}_peak_memory_over_{label}", ratio(runs, side, "peak_gb", tokens=False), 1.0
        loss = abs(100 * (ratio(runs, side, "eval_loss", tokens=False) - 1))
        yield f"{name}_eval_loss_difference_to_{label}", loss, 2.0, "%"


def ratio(runs: Runs, side: str, figure: str, tokens: bool = True) -> float:
    """Ours over the other side's, the median over seeds; per real token for what grows with them."""
    pairs = zip(runs["ours"], runs[side], strict=True)
    return statistics.median(
        (ours[figure] / other[figure]) * (other["tokens"] / ours["tokens"] if tokens else 1.0) for ours, other in pairs
    )


def _child(*arguments: str) -> dict[str, float]:
    """A module in a process of its own: what it prints last, as JSON."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found

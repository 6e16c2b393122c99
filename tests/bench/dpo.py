"""DPO: ours beside scripts of TRL's on pairs made of the sample data. BENCH_SEEDS and BENCH_STEPS as in `train`."""

from collections.abc import Iterator
from typing import Any

from tests.bench._common import prepared_home
from tests.bench.train import figures, side_by_side
from workbench.core.home import Home
from workbench.data.store import datasets

SIDES = ("ours", "trl", "trl-equal")


def measure() -> Iterator[tuple[Any, ...]]:
    """Ratios of real tokens a second, by the clock and by CPU time, of memory and of loss."""
    home = prepared_home()
    _write_pairs(home)
    runs = side_by_side(home, {"dataset": "pairs", "objective": {"method": "dpo"}}, SIDES)
    yield from figures("dpo", runs, 2.0, 1.3)


def _write_pairs(home: Home) -> None:
    """Pairs whose rejected answer is that of another row."""
    splits = []
    for split in ("train", "eval"):
        rows = list(datasets.all_rows(home, "field-guide", split))
        answers = [row["messages"][-1:] for row in rows]
        others = [*answers[1:], answers[0]]
        made = [
            {"prompt": row["messages"][:-1], "chosen": chosen, "rejected": rejected}
            for row, chosen, rejected in zip(rows, answers, others, strict=True)
        ]
        splits.append(made)
    datasets.write_rows(home, "pairs", "preference", *splits)

"""Runs the benches named on the command line, or all; prints a line a figure and writes bench.json."""

import importlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

BENCHES = (
    "overhead",
    "train",
    "dpo",
    "start",
    "page",
    "shelf",
    "footprint",
    "queue",
    "durability",
    "votes",
    "merge",
    "merge-memory",
    "gguf",
    "quantize",
    "neardup",
    "import",
    "paging",
    "mask",
    "encode",
    "memory",
)


@dataclass
class Figure:
    """One measured figure; `goal` is an upper bound in the same unit (a lower one with `at_least`), None: no goal."""

    name: str
    value: float
    goal: float | None
    unit: str = ""
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return "info"
        return "ok" if (self.value >= self.goal if self.at_least else self.value <= self.goal) else "short"

    def line(self) -> str:
        goal = "-" if self.goal is None else f"{self.goal:g}{self.unit}"
        return f"{self.name} {self.value:.3g}{self.unit} {goal} {self.verdict}"


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHES)
    if unknown:
        print(f"error: there is no bench {', '.join(sorted(unknown))}. Known: {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    for name in names or BENCHES:
        for found in importlib.import_module(f"tests.bench.{name.replace('-', '_')}").measure():
            figure = Figure(*found)
            figures.append(figure)
            print(figure.line(), flush=True)
    path = Path("bench.json")
    path.write_text(json.dumps([{**asdict(figure), "verdict": figure.verdict} for figure in figures], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

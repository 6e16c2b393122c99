"""What outlives kill -9: votes of eight people over HTTP through two kills of the server, and a training killed in a
checkpoint and in its save."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.durability import training, voting
from workbench.core.home import Home

ANNOTATORS, PAIRS, KILLS = 8, 208, 2


def measure() -> Iterator[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        found = voting(Home.at(Path(folder) / "votes"), ANNOTATORS, PAIRS, KILLS)
        acknowledged, kept = len(found.acknowledged), set(found.kept)
        yield f"votes acknowledged, {ANNOTATORS} annotators, {found.kills} kills", acknowledged, PAIRS, "", True
        yield "acknowledged votes that are not kept", len(found.acknowledged - kept), 0
        yield "kept votes beyond one a pair", found.twice, 0
        for run in training(Path(folder) / "runs"):
            yield f"killed in {run.place}: half-made on the shelf", int(not run.whole_or_nothing), 0
            yield f"killed in {run.place}: resumed to other bits", int(not run.identical), 0
            yield f"killed in {run.place}: killed and resumed in", run.seconds, None, " s"

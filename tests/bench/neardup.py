"""Near-duplicate removal against rensa and datasketch, on records of which the copies are known.

Every contender runs in a process of its own, reads the same file first, and is timed from the texts to the flags. All
keep the first of what belongs together: a removed record that is a copy of an earlier one is right (precision = right /
removed, recall = right / copies). rensa's seconds are those of its fastest setting. Memory is the peak above what the
process held when the file was read. Each first does a thousand texts, so that nobody is timed for loading code.

`python -m tests.bench.neardup --records 1000000` measures ours alone on a corpus of that size.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench._common import ROOT, peak_memory
from tests.bench.corpus import write_corpus

ROUNDS = {50_000: 5, 200_000: 3}
WARM_UP = 1000
RENSA = ("rensa-words-0.7", "rensa-words-0.8", "rensa-pairs-0.5")


def measure() -> Iterator[tuple[Any, ...]]:
    """Right and wrong finds, speed relative to the others (more than 1 is faster), and memory, at both sizes."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        for size, rounds in ROUNDS.items():
            path, name = Path(folder) / f"{size}.parquet", f"{size // 1000}k"
            write_corpus(path, size)
            ours, rensa, alike, datasketch = _contest(path, rounds)
            yield f"neardup_precision_{name}", ours["precision"], 0.99, "", True
            yield f"neardup_recall_{name}", ours["recall"], 0.98, "", True
            yield f"neardup_speed_over_rensa_{name}", rensa["seconds"] / ours["seconds"], 1.0, "x", True
            yield f"neardup_speed_over_rensa_alike_{name}", alike["seconds"] / ours["seconds"], None, "x"
            yield f"neardup_speed_over_datasketch_{name}", datasketch["seconds"] / ours["seconds"], 4.0, "x", True
            yield f"neardup_memory_{name}", ours["memory"], 2.0 if size == 200_000 else None, "GB"
            yield f"neardup_seconds_{name}", ours["seconds"], None, "s"
            for other, found in (("rensa", rensa), ("rensa_alike", alike), ("datasketch", datasketch)):
                yield f"neardup_{other}_seconds_{name}", found["seconds"], None, "s"
                yield f"neardup_{other}_precision_{name}", found["precision"], None
                yield f"neardup_{other}_recall_{name}", found["recall"], None


def _contest(path: Path, count: int) -> tuple[dict[str, float], ...]:
    """Ours, the fastest of rensa, rensa with our shingles and threshold, and datasketch (once, it is slow).

    Medians of rounds in which all take turns.
    """
    rounds: dict[str, list[dict[str, float]]] = {}
    for number in range(count):
        for name in ("ours", *RENSA, *(("datasketch",) if number == 0 else ())):
            rounds.setdefault(name, []).append(_in_a_process(name, path))
    found = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in rounds.items()
    }
    fastest = min((found[name] for name in RENSA), key=lambda run: run["seconds"])
    return found["ours"], fastest, found["rensa-pairs-0.5"], found["datasketch"]


def _in_a_process(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.neardup", "--contender", name, "--file", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def contend(name: str, path: Path) -> dict[str, float]:
    """Seconds, GB above the load, precision and recall of one contender."""
    table = pq.read_table(path)
    copies = table["copy"].to_numpy()
    work = _prepared(name, table["text"])
    del table
    work(WARM_UP)
    pa.default_memory_pool().release_unused()
    loaded = _held()
    began = time.perf_counter()
    removed = np.asarray(work(len(copies)), bool)
    seconds = time.perf_counter() - began
    right = int((removed & copies).sum())
    return {
        "seconds": seconds,
        "memory": peak_memory() - loaded,
        "precision": right / max(1, int(removed.sum())),
        "recall": right / max(1, int(copies.sum())),
    }


def _prepared(name: str, texts: Any) -> Callable[[int], Any]:
    """The contender as a call on the first so many texts, with its library imported and the texts as it wants them."""
    if name == "ours":
        import scipy.sparse.csgraph  # noqa: F401

        from workbench.data.text.duplicates import near_groups

        return lambda count: near_groups(texts[:count]) != np.arange(count)
    strings = texts.to_pylist()
    if name == "datasketch":
        return lambda count: _datasketch(strings[:count])
    _, tokens, threshold = name.split("-")
    return lambda count: _rensa(strings[:count], str.split if tokens == "words" else _pairs, float(threshold))


def _rensa(texts: list[str], tokens: Callable[[str], list[str]], threshold: float) -> list[bool]:
    from rensa import RMinHashDeduplicator

    found = RMinHashDeduplicator(threshold=threshold, num_perm=128, use_lsh=True)
    kept = found.add_pairs((str(number), tokens(text)) for number, text in enumerate(texts))
    return [not keep for keep in kept]


def _datasketch(texts: list[str]) -> list[bool]:
    from datasketch import MinHash, MinHashLSH

    index, removed = MinHashLSH(threshold=0.5, num_perm=128), []
    tokens = ([word.encode() for word in _pairs(text)] for text in texts)
    for number, sketch in enumerate(MinHash.generator(tokens, num_perm=128)):
        removed.append(bool(index.query(sketch)))
        if not removed[-1]:
            index.insert(str(number), sketch)
    return removed


def _pairs(text: str) -> list[str]:
    words = text.lower().split()
    return [f"{left} {right}" for left, right in pairwise(words)] or words


def _held() -> float:
    """The memory this process holds now, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e9


def main() -> None:
    """Runs one contender on a file, or ours on a new corpus of so many records; prints JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contender", default="ours")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    if given.file:
        print(json.dumps(contend(given.contender, given.file)))
        return
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        path = Path(folder) / "corpus.parquet"
        write_corpus(path, given.records)
        print(json.dumps(_in_a_process(given.contender, path)))


if __name__ == "__main__":
    main()

"""Our engine and kernels beside mergekit's own: seconds and memory of merging the starter model with two fine-tunes."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench._common import ROOT, peak_memory, prepared_home
from workbench.core.home import Home
from workbench.core.lineage import Manifest, now, versions
from workbench.core.spec import dump_yaml
from workbench.models import starter

ROUNDS = 3
TUNED = ("one", "two")
SAME: dict[str, dict[str, Any]] = {"linear": {}, "task_arithmetic": {"lambda": 0.8}}
FASTER: dict[str, dict[str, Any]] = {
    "ties": {"density": 0.5}, "dare_ties": {"density": 0.5}, "della": {"density": 0.5, "epsilon": 0.15}
}  # fmt: skip


def measure() -> Iterator[tuple[Any, ...]]:
    """Ours over mergekit's: the engine's time with the same kernels, our kernels' time, our kernels' peak memory."""
    home = prepared_home()
    for seed, name in enumerate(TUNED):
        _fine_tune(home, name, seed)
    for method in SAME:
        yield f"merge_engine_ratio_{method}", _asked(home, "ratio", method, "stock", "bfloat16"), 1.05, ""
    for method in FASTER:
        for dtype in ("bfloat16", "float32"):
            yield f"merge_time_ratio_{method}_{dtype}", _asked(home, "ratio", method, "fast", dtype), 0.4, ""
    for method in FASTER:
        ours, theirs = (_asked(home, "peak", method, side, "bfloat16") for side in ("ours", "theirs"))
        yield f"merge_peak_ratio_{method}", ours / theirs, 1.0, ""
    shutil.rmtree(home.root)


def _fine_tune(home: Home, name: str, seed: int) -> None:
    """The starter model with a little noise on every weight."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = home.models / name
    shutil.copytree(home.models / starter.STARTER_NAME, folder)
    torch.manual_seed(seed)
    for path in folder.glob("*.safetensors"):
        tensors = {key: (one + 0.003 * torch.randn(one.shape)).to(one.dtype) for key, one in load_file(path).items()}
        save_file(tensors, path, {"format": "pt"})
    manifest = Manifest(kind="model", name=name, created=now(), versions=versions(), made_by={"method": "bench"})
    (folder / "manifest.yaml").write_text(dump_yaml(manifest.to_dict()))


def _asked(home: Home, *what: str) -> float:
    """The figure a fresh process prints."""
    command = [sys.executable, "-m", "tests.bench.merge", str(home.root), *what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(json.loads(done.stdout.splitlines()[-1]))


def _recipe(method: str, dtype: str) -> dict[str, Any]:
    return {
        "merge_method": method,
        **({} if method == "linear" else {"base_model": starter.STARTER_NAME}),
        "models": [{"model": name, "parameters": {"weight": 0.5}} for name in TUNED],
        "parameters": {**SAME, **FASTER}[method],
        "dtype": dtype,
    }


def ours(home: Home, recipe: dict[str, Any], kernels: Any) -> float:
    """Seconds of our engine, from the recipe to a whole folder."""
    from workbench.merging.engine import MergePlan, merge_to
    from workbench.merging.recipe import MergeRecipe

    with tempfile.TemporaryDirectory(dir=home.root) as folder:
        began = time.perf_counter()
        plan = MergePlan(home, MergeRecipe.parse(recipe), kernels=kernels)
        merge_to(plan, Path(folder)).finish()
        plan.save_rest(Path(folder))
        return time.perf_counter() - began


def theirs(home: Home, recipe: dict[str, Any]) -> float:
    """Seconds of mergekit's `run_merge` with its own kernels."""
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    from workbench.core.spec import load_yaml
    from workbench.merging.mergekit_bridge import register_with_mergekit
    from workbench.merging.recipe import MergeRecipe, for_mergekit

    register_with_mergekit("stock")
    LoaderCache().loaders.clear()
    config = MergeConfiguration.model_validate(load_yaml(for_mergekit(home, MergeRecipe.parse(recipe))))
    with tempfile.TemporaryDirectory(dir=home.root) as folder:
        began = time.perf_counter()
        run_merge(config, folder, MergeOptions(quiet=True, copy_tokenizer=True, write_model_card=False))
        return time.perf_counter() - began


def _ratio(home: Home, method: str, kernels: str, dtype: str) -> float:
    """Median of ours over median of theirs, in turn, the order changing; one turn before that is not counted."""
    recipe = _recipe(method, dtype)
    ours(home, _recipe("linear", dtype), kernels), theirs(home, _recipe("linear", dtype))
    found: tuple[list[float], list[float]] = [], []
    for turn in range(ROUNDS):
        for side in (0, 1) if turn % 2 else (1, 0):
            found[side].append(theirs(home, recipe) if side else ours(home, recipe, kernels))
    print({"ours": found[0], "theirs": found[1]})
    return statistics.median(found[0]) / statistics.median(found[1])


def _peak(home: Home, method: str, side: str, dtype: str) -> float:
    """The most memory in GB of a process that only did this."""
    recipe = _recipe(method, dtype)
    _ = ours(home, recipe, "fast") if side == "ours" else theirs(home, recipe)
    return peak_memory()


if __name__ == "__main__":
    root, figure, *what = sys.argv[1:]
    print(json.dumps({"ratio": _ratio, "peak": _peak}[figure](Home.at(root), *what)))

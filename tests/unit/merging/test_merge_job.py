"""The merge job: checked before, whole or not at all, gone on with after a stop or a kill, told in the manifest."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.toys import toy_home, toy_model
from workbench.cli.jobs import run_here
from workbench.core.assets import ROOT
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.lineage import digest_of, read_manifest
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue

SLERP = {
    "merge_method": "slerp",
    "base_model": "toy",
    "models": [{"model": "toy"}, {"model": "other"}],
    "parameters": {"t": 0.5},
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = toy_home(tmp_path_factory.mktemp("home"), lessons=20)
    toy_model(home, "other", seed=1, lessons=20)
    return home


def merge(home: Home, output: str, **settings: Any) -> dict[str, Any]:
    given = {"method": "merge", "output": output, "recipe": SLERP, "proof": {"prompts": 1, "tokens": 8}, **settings}
    return run_here(home, JOBS.parse(given))


def test_the_child_is_on_the_shelf_with_its_parents_recipe_and_proof(home: Home) -> None:
    found = merge(home, "child")
    manifest = read_manifest(home.models / "child")
    assert {(parent.name, parent.role) for parent in manifest.parents} == {("toy", "merge-base"), ("other", "merged")}
    assert manifest.made_by["recipe"]["merge_method"] == "slerp" and manifest.digest == digest_of(home.models / "child")
    assert set(found["perplexity"]) == {"toy", "other", "child"}
    assert [set(sample["answers"]) for sample in found["samples"]] == [{"toy", "other", "child"}]
    card = (home.models / "child" / "README.md").read_text()
    assert "merge_method: slerp" in card and "other" in card
    assert (home.models / "child" / "mergekit_config.yml").is_file()


def test_the_same_recipe_gives_the_same_files(home: Home) -> None:
    for name in ("twin-a", "twin-b"):
        merge(home, name, proof={"enabled": False})
    files = [(home.models / name / "model.safetensors").read_bytes() for name in ("twin-a", "twin-b")]
    assert files[0] == files[1]


def test_everything_wrong_is_said_before_it_is_queued(home: Home) -> None:
    wrong = {**SLERP, "models": [{"model": "toy"}, {"model": "nobody"}], "parameters": {}}
    with pytest.raises(SpecError) as caught:
        Queue(home).submit(
            JOBS.parse({"method": "merge", "output": "toy", "recipe": wrong, "proof": {"dataset": "no"}})
        )
    said = str(caught.value)
    assert "nobody" in said and "on the shelf already" in said and "no dataset 'no'" in said


def test_a_model_that_was_changed_by_hand_is_refused(home: Home) -> None:
    toy_model(home, "changed", seed=3)
    path = home.models / "changed" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    recipe = {**SLERP, "models": [{"model": "toy"}, {"model": "changed"}]}
    with pytest.raises(UserError, match="changed has changed since"):
        merge(home, "from-changed", recipe=recipe)
    assert not (home.models / "from-changed").exists()


@pytest.mark.prove
def test_a_killed_merge_goes_on_and_gives_the_same_bits(home: Home, tmp_path: Path) -> None:
    """kill -9 in the middle: nothing on the shelf; resumed, the files equal those of an undisturbed merge."""
    big = Home.at(tmp_path)
    for seed, name in enumerate(("toy", "other")):
        toy_model(big, name, seed=seed, hidden=512, layers=8)
    given = {"method": "merge", "recipe": SLERP, "shard_gb": 0.004, "proof": {"enabled": False}}
    whole = run_here(big, JOBS.parse({**given, "output": "whole"}))
    queue = Queue(big)
    job = queue.submit(JOBS.parse({**given, "output": "killed"}), here=True)
    folder = queue.get(job).folder
    command = [sys.executable, "-m", "workbench.jobs.worker", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    deadline = time.time() + 120
    while len(list((folder / "shards").glob("*.safetensors"))) < 2 and time.time() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert whole["model"] == "whole" and not (big.models / "killed").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "shards").glob("*.safetensors")}
    assert len(kept) >= 2
    queue.resume(job)
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 0 and queue.get(job).status == "done", queue.log(job)[0]
    for path in sorted((big.models / "whole").glob("*.safetensors")):
        assert path.read_bytes() == (big.models / "killed" / path.name).read_bytes()
    assert not (folder / "shards").exists()

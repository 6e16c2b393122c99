"""A home written by version 1 opens whole: models, datasets, recipes, jobs, sessions and votes; nothing newer does."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.old_home import contents, old_home
from tests.running import carry
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, verify
from workbench.core.spec import load_yaml
from workbench.data.recipes.recipe import Recipe
from workbench.data.store.datasets import count, dataset_table, list_datasets
from workbench.ensembles.shelf import create_ensemble, read_ensemble
from workbench.family.tree import as_text, family
from workbench.jobs.job import JOBS
from workbench.jobs.job_file import job_yaml, read_job
from workbench.jobs.queue import Queue
from workbench.jobs.worker import execute_job
from workbench.models.shelf import list_models
from workbench.preferences.sessions import list_sessions
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.summary import report

MODELS = {
    "toy": "model", "other": "model", "blend": "model", "toy-absmax-int8": "model", "imported": "adapter",
    "taught": "adapter", "toy-f32": "gguf", "together": "ensemble",
}  # fmt: skip
JOBS_BEFORE = [
    ("import-data", "done"), ("prepare", "done"), ("prepare", "done"), ("train", "done"), ("merge", "done"),
    ("quantize", "done"), ("measure", "done"), ("generate", "done"), ("train", "stopped"), ("measure", "failed"),
    ("fold-adapter", "stopped"), ("prepare", "queued"),
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return old_home(tmp_path / "old")


@pytest.fixture
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def rows_of(home: Home, name: str) -> dict[str, Any]:
    return {part: dataset_table(home, name, part).to_pylist() for part in ("train", "eval")}


def job_of(home: Home, beginning: str) -> str:
    return next(row.id for row in Queue(home).all() if row.label.startswith(beginning) and row.status != "done")


def test_every_model_is_listed_whole_and_unchanged(home: Home) -> None:
    found = {info.name: info for info in list_models(home)}
    assert {name: info.kind for name, info in found.items()} == MODELS
    assert not [info.error for info in found.values() if info.error]
    for name in MODELS:
        verify(home.models / name)
    assert read_manifest(home.models / "blend").made_by["recipe"]["merge_method"] == "slerp"
    ensemble = read_ensemble(home, "together")
    assert (ensemble.method.method, ensemble.members) == ("weighted", ("toy", "other"))


def test_every_dataset_is_listed_with_its_rows_and_recipe(home: Home) -> None:
    assert {one.name: one.info["rows"] for one in list_datasets(home)} == {
        "raw": {"train": 23, "eval": 2}, "talks": {"train": 19, "eval": 5},
    }  # fmt: skip
    assert not [one for one in list_datasets(home) if "error" in one.info]
    steps = Recipe.at(home.datasets / "talks").steps
    assert [step.method for step in steps] == ["exact_duplicates", "pii", "edit_rows", "shuffle", "split"]
    assert [step.method for step in Recipe.at(home.datasets / "raw").steps] == ["split"]


def test_the_family_tree_goes_through_models_datasets_and_merges(home: Home) -> None:
    found = family(home, "taught")
    assert {key[1] for key in found.nodes} >= {"toy", "talks", "taught"} and not found.notes, as_text(found)
    assert {edge.role for edge in family(home, "blend").edges} >= {"merge-base", "merged"}
    assert "together" in {edge.child[1] for edge in family(home, "toy").edges}


def test_every_job_is_listed_with_its_status_and_result(home: Home) -> None:
    rows = Queue(home).all()
    assert [(row.method, row.status) for row in rows] == JOBS_BEFORE
    views = [Queue(home).get(row.id) for row in rows]
    assert not [view.damage for view in views if view.damage]
    results = {view.label: view.state.result for view in views if view.status == "done"}
    assert results["SFT taught"]["steps"] == 2 and results["Merge blend"]["model"] == "blend"
    assert rows[9].error == "There is no dataset 'lost'."


def test_a_job_of_every_kind_that_was_written_is_written_again_as_it_was(home: Home) -> None:
    for folder in home.jobs.iterdir():
        if folder.name.startswith("."):
            continue
        job = read_job(folder)
        written = load_yaml(job_yaml(job))
        assert written["format"] == 1 and JOBS.parse({k: v for k, v in written.items() if k != "format"}) == job


def test_sessions_are_open_or_closed_as_they_were_with_every_vote(home: Home) -> None:
    found = {one.name: one for one in list_sessions(home)}
    assert {name: (one.prompts, bool(one.closed)) for name, one in found.items()} == {
        "answers": (3, False), "closed": (3, True), "open": (3, False),
    }  # fmt: skip
    votes = {name: effective_votes(home, name) for name in found}
    assert {name: len(given) for name, given in votes.items()} == {"answers": 0, "closed": 3, "open": 1}
    assert {vote.choice for vote in votes["closed"]} == {"left", "right", "tie"}
    assert {vote.annotator for given in votes.values() for vote in given} == {"ann"}
    assert report(home, "closed")["counts"]["votes"] == 3


def test_a_recipe_run_again_gives_the_same_rows(home: Home) -> None:
    before = rows_of(home, "talks")
    recipe = Recipe.at(home.datasets / "talks")
    carry(home, JOBS.parse({"method": "prepare", "recipe": recipe.to_dict()}))
    assert rows_of(home, "talks") == before and count(home, "talks", "eval") == 5
    written = load_yaml((home.datasets / "talks" / "recipe.yaml").read_text())
    assert written["format"] == 1 and Recipe.parse(written) == recipe


def test_a_queued_job_of_then_is_carried_out_now(home: Home, sigterm: None) -> None:
    queue = Queue(home)
    job_id = job_of(home, "Prepare later")
    assert execute_job(home, home.jobs / job_id) == "done", queue.get(job_id).error
    assert count(home, "later") == 24 and queue.get(job_id).refresh().status == "done"


def test_a_stopped_training_of_then_goes_on_or_says_that_it_starts_again(
    home: Home, sigterm: None, one_thread: None
) -> None:
    queue = Queue(home)
    job_id = job_of(home, "SFT half")
    queue.resume(job_id)
    assert execute_job(home, home.jobs / job_id) == "done", queue.get(job_id).error
    assert "No checkpoint was left; starting again." in queue.get(job_id).refresh().state.notes
    assert read_manifest(home.models / "half").parents[0].name == "toy"


def test_what_is_made_in_an_old_home_carries_versions(home: Home) -> None:
    create_ensemble(home, "newer", "average", ["toy", "other"])
    folder = home.models / "newer"
    written = [load_yaml((folder / name).read_text()) for name in ("manifest.yaml", "ensemble.yaml")]
    assert [one["format"] for one in written] == [1, 1] and read_ensemble(home, "newer").members == ("toy", "other")


@pytest.mark.parametrize("version", [2, "1", True, None, 0])
def test_files_of_a_newer_or_odd_version_are_named_and_the_rest_is_listed(home: Home, version: object) -> None:
    job_id = job_of(home, "Prepare later")
    files = [
        home.models / "taught" / "manifest.yaml", home.datasets / "talks" / "recipe.yaml",
        home.models / "together" / "ensemble.yaml", home.jobs / job_id / "job.yaml",
    ]  # fmt: skip
    for path in files:
        path.write_text(f"format: {json.dumps(version)}\n{path.read_text()}")
    before = contents(home.root)
    expected = "newer LLM Workbench" if version == 2 else "is no version of"
    errors = {info.name: info.error for info in list_models(home) if info.error}
    assert expected in errors.pop("taught") and set(errors) <= {"together"}
    with pytest.raises(SpecError, match=expected):
        Recipe.at(home.datasets / "talks")
    with pytest.raises(UserError, match=expected):
        read_ensemble(home, "together")
    view = Queue(home).get(job_id)
    assert expected in view.error and view.status == "failed" and "job.yaml of" in view.error
    assert len(Queue(home).all()) == len(JOBS_BEFORE) and contents(home.root).items() >= before.items()

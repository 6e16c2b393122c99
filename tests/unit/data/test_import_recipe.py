"""An import is a recipe like any other: the same pipeline, the same files, and it can be gone on with."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import carried
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.jobs.prepare import Prepare
from workbench.data.recipes import pipeline
from workbench.data.recipes.importing import import_dataset, import_sample
from workbench.data.recipes.recipe import Recipe
from workbench.data.store.datasets import ROWS, all_rows, dataset_table
from workbench.jobs.job import JOBS

COUNT = 40
SHORT = {"method": "pattern", "patterns": ["[05]$"], "action": "drop"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talks.jsonl"
    rows = ({"prompt": f"What is {n}?", "completion": f"It is {n}"} for n in range(COUNT))
    path.write_text("\n".join(map(json.dumps, rows)) + "\n{bad")
    return path


def texts(home: Home, split: str = "train", name: str = "talks") -> list[str]:
    return [row["messages"][-1]["content"] for row in all_rows(home, name, split)]


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix == ".parquet"}


def job(home: Home, file: Path, **settings: Any) -> Any:
    source = {"method": "files", "paths": [str(file)]}
    return carried(home, JOBS.parse({"method": "import-data", "name": "talks", "source": source, **settings}))


def test_an_import_and_its_recipe_make_the_same_dataset(home: Home, file: Path) -> None:
    imported = import_dataset(home, file, "talks", eval_fraction=0.2, seed=3)
    folder = home.datasets / "talks"
    assert Recipe.at(folder).to_dict() == imported.made_by["recipe"]
    copied = {**imported.made_by["recipe"], "name": "again"}
    copied["source"] = {**copied["source"], "paths": [str(folder / "source" / "talks.jsonl")]}
    made = pipeline.prepare(home, Recipe.parse(copied))
    assert sizes(home.datasets / "again") == sizes(folder)
    assert [texts(home, split) for split in ("train", "eval")] == [
        texts(home, split, "again") for split in ("train", "eval")
    ]
    assert made.info.keys() == imported.info.keys() and made.made_by.keys() == imported.made_by.keys()
    assert made.info["rejected"] == 1 and made.info["columns"] == imported.info["columns"]


def test_an_import_tells_what_its_split_did_and_keeps_no_second_copy_of_its_rows(home: Home, file: Path) -> None:
    import_dataset(home, file, "talks", eval_fraction=0.25)
    (record,) = pipeline.step_summaries(home, "talks")
    assert (record["step"]["method"], record["given"], record["left"]) == ("split", COUNT, COUNT)
    assert record["notes"] == ["30 rows to train on, 10 to evaluate on."]
    assert not (home.datasets / "talks" / ROWS).exists() and pipeline.history(home, "talks") == []
    cached = home.cache / "steps" / record["key"]
    assert (cached / "splits.parquet").is_file() and not (cached / "rows.parquet").exists()


def test_steps_are_added_to_an_import_and_its_split_is_not_done_again(home: Home, file: Path) -> None:
    import_dataset(home, file, "talks")
    held, key = texts(home, "eval"), pipeline.step_summaries(home, "talks")[0]["key"]
    done = home.cache / "steps" / key / "done.json"
    written = done.stat().st_mtime_ns
    split = Recipe.at(home.datasets / "talks").to_dict()["steps"]
    for _ in range(2):  # with the rows from the result, then from the file that a step that drops rows calls for
        pipeline.prepare(home, pipeline.with_steps(home, "talks", [*split, SHORT]))
        assert pipeline.step_summaries(home, "talks")[0]["key"] == key
        assert done.stat().st_mtime_ns == written
        assert len(texts(home)) + len(texts(home, "eval")) == 32 and set(texts(home, "eval")) <= set(held)
        assert dataset_table(home, "talks", "rows").num_rows == COUNT
    pipeline.undo_change(home, "talks")
    assert texts(home, "eval") == held and len(texts(home)) == COUNT - len(held)


def test_the_job_notes_the_split_and_replaces_only_what_it_may(home: Home, file: Path) -> None:
    first = job(home, file)
    assert first.state.status == "done" and first.state.result["rows"] == {"train": 36, "eval": 4}
    assert "1. Split into train and eval: 40 → 40" in first.state.notes
    pipeline.prepare(home, pipeline.with_steps(home, "talks", [SHORT]))
    with pytest.raises(UserError, match="exists already"):
        import_dataset(home, file, "talks")
    file.write_text(file.read_text().replace("It is 7", "It was 7"))
    again = job(home, file, replace=True, eval_fraction=0)
    assert again.state.status == "done", again.state.error
    assert "It was 7" in texts(home) and len(texts(home)) == COUNT
    assert pipeline.history(home, "talks") == [] and pipeline.step_summaries(home, "talks") == []


def test_a_source_that_cannot_be_read_is_told_before_its_recipe_is_queued(home: Home, tmp_path: Path) -> None:
    problems = Problems()
    source = {"method": "files", "paths": [str(tmp_path / "gone.jsonl")]}
    JOBS.parse({"method": "prepare", "recipe": {"name": "new", "source": source}}).check(home, problems)
    assert [problem.path[:2] for problem in problems.found] == [("recipe", "source")]


def test_a_recipe_without_the_source_of_its_dataset_is_told_apart_from_one_of_no_dataset(home: Home) -> None:
    import_sample(home)
    for name, words in (("field-guide", "leaves out the source"), ("nowhere", "no dataset 'nowhere'")):
        problems = Problems()
        Prepare.parse({"recipe": {"name": name, "steps": []}}).check(home, problems)
        assert words in str(problems.found[0])

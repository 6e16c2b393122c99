"""Sources: several files, folders, packed ones, the shelf, the hub, and the job that imports in the background."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.data.recipes.importing import import_dataset, preview_source, rejected, rejected_file
from workbench.data.sources.source import SOURCES, Source
from workbench.data.store import datasets
from workbench.data.store.datasets import dataset_table
from workbench.jobs.job import JOBS, JobContext, JobStopped
from workbench.rows.table import rows_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def conversation(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "a"}]}


def jsonl(path: Path, rows: list[Any]) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def recipe(home: Home, name: str) -> dict[str, Any]:
    found: dict[str, Any] = load_yaml((home.datasets / name / "recipe.yaml").read_text())
    return found


def located(home: Home, name: str) -> Source:
    """The source of a dataset's recipe, its paths counted from the recipe's folder."""
    found = recipe(home, name)["source"]
    if "paths" in found:
        found["paths"] = [str(home.datasets / name / path) for path in found["paths"]]
    return SOURCES.parse(found)


def test_several_files_keep_order_names_and_lines(home: Home, tmp_path: Path) -> None:
    first = jsonl(tmp_path / "talks-1.jsonl", [conversation(f"a{n}") for n in range(30)])
    second = jsonl(tmp_path / "talks-2.jsonl.gz", [*[conversation(f"b{n}") for n in range(16)], "{bad"])
    third = tmp_path / "c.csv"
    third.write_text("prompt,completion\nc0,a\nc1,\n")
    made = import_dataset(home, [first, second, third], "all", seed=3)
    rows = rows_of(dataset_table(home, "all", "rows"))
    assert [row["messages"][0]["content"] for row in rows] == [
        *(f"a{n}" for n in range(30)), *(f"b{n}" for n in range(16)), "c0",
    ]  # fmt: skip
    assert [(row.where, row.file) for row in rejected(home, "all")] == [
        ("talks-2.jsonl.gz line 17", "talks-2.jsonl.gz"), ("c.csv line 3", "c.csv"),
    ]  # fmt: skip
    files = made.info["source"]["files"]
    assert [(file["rows"], file["rejected"]) for file in files] == [(30, 0), (16, 1), (1, 1)]
    assert sorted(path.name for path in (home.datasets / "all" / "source").iterdir()) == sorted(
        f["file"] for f in files
    )
    paths = [f"source/{file['file']}" for file in files]
    assert recipe(home, "all") == {
        "format": 1,
        "name": "all",
        "source": {
            "method": "files", "paths": paths, "format": None, "columns": {}, "encoding": "utf-8", "header": "auto",
            "documents": "auto", "rows": "", "samples": 0, "notes": [],
        },
        "steps": [{"method": "split", "seed": 3}],
    }  # fmt: skip
    kept = datasets.all_rows(home, "all", "train") + datasets.all_rows(home, "all", "eval")
    assert sorted(map(str, kept)) == sorted(map(str, rows)) and made.info["rows"] == {"train": 42, "eval": 5}
    again = import_dataset(home, located(home, "all"), "again", seed=3)
    assert (
        datasets.all_rows(home, "again", "eval") == datasets.all_rows(home, "all", "eval")
        and again.info["rejected"] == 2
    )


def test_files_of_different_kinds_and_none(home: Home, tmp_path: Path) -> None:
    talks = jsonl(tmp_path / "talks.jsonl", [conversation("q")])
    texts = jsonl(tmp_path / "texts.jsonl", [{"text": "t"}])
    with pytest.raises(UserError, match=r"talks.jsonl is conversation, texts.jsonl is text"):
        import_dataset(home, [talks, texts], "x")
    with pytest.raises(UserError, match="paths"):
        import_dataset(home, [], "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no file"):
        import_dataset(home, tmp_path / "empty", "x")
    assert list(home.datasets.iterdir()) == []


def test_a_folder_and_equal_names(home: Home, tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        jsonl(tmp_path / place / "a.jsonl", [conversation(place)])
        (tmp_path / place / "notes.log").write_text("no data")
    import_dataset(home, [tmp_path / "two", tmp_path / "one"], "x", eval_fraction=0)
    assert [row["messages"][0]["content"] for row in datasets.rows(home, "x")] == ["two", "one"]
    assert sorted(path.name for path in (home.datasets / "x" / "source").iterdir()) == ["a.jsonl", "a.jsonl-2"]
    assert recipe(home, "x")["steps"] == [] and rejected_file(home, "x") is None and rejected(home, "x") == []


def test_preview_of_several_files(tmp_path: Path) -> None:
    paths = [jsonl(tmp_path / f"{n}.jsonl", [conversation(str(n)), "{bad"]) for n in range(3)]
    found = preview_source(paths)
    assert (found.good, found.bad, found.complete) == (3, 3, True)
    with pytest.raises(UserError, match="no preview"):
        preview_source(SOURCES.parse({"method": "hub", "dataset": "a/b"}))


def test_pasted_text_in_the_recipe(home: Home) -> None:
    long = json.dumps({"text": "x" * 30_000})
    import_dataset(home, '{"text": "short: \\u0007 é"}', "short", eval_fraction=0)
    import_dataset(home, long, "long", eval_fraction=0)
    for name in ("short", "long"):
        again = located(home, name)
        import_dataset(home, again, f"{name}-again", eval_fraction=0)
        assert datasets.all_rows(home, f"{name}-again") == datasets.all_rows(home, name)
    assert recipe(home, "long")["source"]["method"] == "files"


def test_the_shelf_as_a_source(home: Home) -> None:
    datasets.write_rows(
        home, "old", "text", [{"text": str(n)} for n in range(20)], [{"text": "e", "metadata": {"a": 1}}]
    )
    made = import_dataset(home, SOURCES.parse({"method": "shelf", "dataset": "old"}), "new", eval_fraction=0)
    assert made.parents[0].name == "old" and made.parents[0].digest and made.info["kind"] == "text"
    assert datasets.all_rows(home, "new") == [*datasets.all_rows(home, "old"), {"text": "e", "metadata": {"a": 1}}]
    part = import_dataset(
        home, SOURCES.parse({"method": "shelf", "dataset": "old", "part": "eval"}), "e", eval_fraction=0
    )
    assert part.info["rows"]["train"] == 1
    with pytest.raises(UserError, match="no dataset 'gone'"):
        import_dataset(home, SOURCES.parse({"method": "shelf", "dataset": "gone"}), "x")


def test_the_hub(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    from huggingface_hub import HfApi

    asked: list[Any] = []

    def load(*values: Any, **settings: Any) -> Any:
        asked.append((values, settings))
        return datasets.Dataset.from_list(
            [{"prompt": f"q{n}", "completion": "a" if n else "", "x": n} for n in range(30)]
        )

    class Found:
        sha = "c0ffee"

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: Found)
    source = SOURCES.parse({"method": "hub", "dataset": "owner/name", "config": "de", "split": "train[:30]"})
    made = import_dataset(home, source, "h")
    assert asked == [(("owner/name", "de"), {"split": "train[:30]", "revision": "c0ffee"})]
    assert made.info["rows"] == {"train": 26, "eval": 3} and made.info["source"]["revision"] == "c0ffee"
    assert rejected(home, "h")[0].line == 1 and made.info["format"]["method"] == "prompt_completion"


def test_the_hub_switched_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="switched off"):
        import_dataset(home, SOURCES.parse({"method": "hub", "dataset": "owner/no-such-name"}), "h")
    for name in ("../x", "/etc", "a/b/c", ""):
        with pytest.raises(UserError, match="dataset"):
            SOURCES.parse({"method": "hub", "dataset": name})
    assert list(home.datasets.iterdir()) == []


def test_a_file_type_is_no_dataset_of_the_hub(home: Home) -> None:
    with pytest.raises(UserError, match="is a file type"):
        import_dataset(home, SOURCES.parse({"method": "hub", "dataset": "json"}), "h")
    assert list(home.datasets.iterdir()) == []


def test_a_wrong_seed_is_refused_with_nothing_made(home: Home) -> None:
    for seed in (-1, 2**32):
        with pytest.raises(SpecError, match="seed"):
            import_dataset(home, '{"text": "One."}', "x", seed=seed)
    assert list(home.datasets.iterdir()) == []
    text = "\n".join(json.dumps({"text": f"Number {n}."}) for n in range(9))
    assert import_dataset(home, text, "x", seed=2**32 - 1).info["rows"] == {"train": 8, "eval": 1}


def job(name: str, *paths: Path) -> Any:
    source = {"method": "files", "paths": [str(path) for path in paths]}
    return JOBS.parse({"method": "import-data", "name": name, "source": source})


def test_the_job(home: Home, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [conversation(str(n)) for n in range(20)])
    (home.jobs / "1").mkdir()
    ctx = JobContext(home, home.jobs / "1")
    found = Problems()
    job("a", path).check(home, found)
    assert not found.found
    made = job("a", path).run(ctx)
    assert {line["column"] for line in made.pop("columns")} == {"messages", "messages.role", "messages.content"}
    assert made == {"dataset": "a", "rows": {"train": 18, "eval": 2}, "rejected": 0, "remarks": []}
    progress = [event for event in ctx.events.read()[0] if event["type"] == "progress"]
    assert progress[0]["total"] == progress[0]["done"] == path.stat().st_size
    job("a", path, tmp_path / "none.jsonl").check(home, found)
    assert {problem.field for problem in found.found} == {"name", "source"}
    (home.jobs / "1" / "stop").write_text("discard")
    with pytest.raises(JobStopped):
        job("b", path).run(ctx)
    assert [folder.name for folder in home.datasets.iterdir()] == ["a"]

"""The commands of `python -m workbench data`, and importing in all its ways."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.toys import conversations, preferences, toy_tokenizer
from workbench.__main__ import main
from workbench.cli.data import located
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, write_manifest
from workbench.core.spec import load_yaml
from workbench.data.store.datasets import all_rows, dataset_manifest, write_rows

Cli = Callable[..., tuple[int, str, str]]
RECIPE = """
name: guide
source:
  method: files
  paths: [rows/talks.jsonl]
steps:
- method: edit_rows
  deleted: [1, 2]
- method: split
  eval_fraction: 0.2
"""


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs a command in this process: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield call
    signal.signal(signal.SIGTERM, before)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe in a folder of its own, with its file in a folder beside it."""
    write_lines(tmp_path / "somewhere" / "rows" / "talks.jsonl", conversations(30))
    path = tmp_path / "somewhere" / "recipe.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def guide(recipe: Path, cli: Cli) -> str:
    code, _, err = cli("data", "run", recipe)
    assert code == 0, err
    return "guide"


# ---- run, recipe, steps ------------------------------------------------------------------------------------


def test_a_recipe_runs_from_anywhere(home: Home, recipe: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recipe.parents[1])
    code, out, err = cli("data", "run", "somewhere/recipe.yaml", "--name", "other")
    assert code == 0, err
    assert "status: done" in out and "30 → 28 (2 removed)" in out
    assert sum(dataset_manifest(home, "other").info["rows"].values()) == 28
    printed = load_yaml(cli("data", "recipe", "other")[1])
    assert printed["source"]["paths"] == [str(home.datasets / "other" / "source" / "talks.jsonl")]
    assert [step["method"] for step in printed["steps"]] == ["edit_rows", "split"]
    (recipe.parents[1] / "again.yaml").write_text(cli("data", "recipe", "other")[1])
    assert cli("data", "run", "again.yaml", "--name", "again")[0] == 0
    assert all_rows(home, "again") == all_rows(home, "other")


def test_a_wrong_recipe_is_refused_with_all_that_is_wrong(tmp_path: Path, cli: Cli) -> None:
    bad = tmp_path / "bad.yaml"
    assert "no file" in cli("data", "run", bad)[2]
    bad.write_text("- a list")
    assert "no recipe" in cli("data", "run", bad)[2]
    bad.write_text("source: {method: files, paths: [a.jsonl]}\nsteps: [{method: splitt}, {method: split, sed: 1}]")
    code, _, err = cli("data", "run", bad)
    assert code == 1 and "Did you mean split" in err and "seed" in err


def test_only_the_paths_of_the_source_are_made_absolute(tmp_path: Path) -> None:
    given = {"source": {"method": "files", "paths": ["a.jsonl", "/b.jsonl", "~/c"]}, "steps": [{"file": "d"}]}
    found = located(given, tmp_path)
    assert found["source"]["paths"] == [str(tmp_path / "a.jsonl"), "/b.jsonl", "~/c"]
    assert found["steps"] == [{"file": "d"}] and found["source"]["method"] == "files"


def test_steps_are_told_restored_and_undone(home: Home, guide: str, cli: Cli) -> None:
    told = json.loads(cli("data", "steps", guide, "--json")[1])
    assert [(one["given"], one["left"], one["removed"]) for one in told] == [(30, 28, 2), (28, 28, 0)]
    code, out, _ = cli("data", "steps", guide, "--step", 1, "--what", "removed")
    assert code == 0 and "── row 2: " in out and "number 2" in out and "2 rows removed." in out
    assert json.loads(cli("data", "steps", guide, "--step", 1, "--json")[1])["total"] == 2
    assert "there is no step 9" in cli("data", "steps", guide, "--step", 9)[2]
    assert [row["number"] for row in json.loads(cli("data", "steps", guide, "--step", 1, "--json")[1])["rows"]] == [
        2,
        3,
    ]
    code, out, err = cli("data", "restore", guide, "--step", 1, "--rows", 2)
    assert code == 0, err
    assert sum(load_yaml(out)["rows"].values()) == 29
    assert "row 2: Deleted by hand.  (restored)" in cli("data", "steps", guide, "--step", 1)[1]
    assert cli("data", "restore", guide, "--step", 1, "--rows", 2, "--again")[0] == 0
    assert sum(dataset_manifest(home, guide).info["rows"].values()) == 28
    assert sum(load_yaml(cli("data", "undo", guide)[1])["rows"].values()) == 29
    assert sum(load_yaml(cli("data", "undo", guide)[1])["rows"].values()) == 28
    assert "nothing to undo" in cli("data", "undo", guide)[2]


@pytest.mark.parametrize(("number", "says"), [(0, "counted from 1"), (1, "row 1"), (31, "row 31"), (-5, "row -5")])
def test_rows_that_a_step_left_alone_are_not_restored(number: int, says: str, guide: str, cli: Cli) -> None:
    code, _, err = cli("data", "restore", guide, "--step", 1, "--rows", number)
    assert code == 1 and says in err


def test_a_row_that_a_step_added_is_shown_and_restored_by_one_number(
    home: Home, recipe: Path, guide: str, cli: Cli
) -> None:
    added = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    made = load_yaml(cli("data", "recipe", guide)[1])
    steps = [{"method": "edit_rows", "added": [added]}, {"method": "exact_duplicates"}]
    (recipe.parent / "more.yaml").write_text(json.dumps({**made, "name": "more", "steps": [*steps, *steps]}))
    code, _, err = cli("data", "run", recipe.parent / "more.yaml")
    assert code == 0, err
    (gone,) = json.loads(cli("data", "steps", "more", "--step", 4, "--json")[1])["rows"]
    assert gone["number"] < 0 and gone["row"] == added
    assert f"(added, {gone['number']})" not in cli("data", "rows", "more", "--start", 31)[1]
    code, _, err = cli("data", "restore", "more", "--step", 4, "--rows", gone["number"])
    assert code == 0, err
    assert f"(added, {gone['number']})" in cli("data", "rows", "more", "--start", 31)[1]


# ---- looking -----------------------------------------------------------------------------------------------


def test_rows_are_listed_and_searched(guide: str, cli: Cli) -> None:
    code, out, _ = cli("data", "rows", guide, "--count", 2)
    assert code == 0 and out.count("── ") == 2 and "user: Tell me of" in out
    found = json.loads(cli("data", "rows", guide, "--start", 2, "--count", 1, "--json")[1])
    assert found[0]["number"] == 2 and found[0]["source_row"] > 0
    hits = json.loads(cli("data", "rows", guide, "--search", "RED apple", "--part", "user", "--json")[1])
    assert hits and all("red apple" in hit["row"]["messages"][0]["content"] for hit in hits)
    assert "0 rows hold it" in cli("data", "rows", guide, "--search", "RED apple", "--case")[1]
    assert "regular expression" in cli("data", "rows", guide, "--search", "(", "--regex")[2]


def test_a_row_is_shown_in_a_template(home: Home, guide: str, cli: Cli) -> None:
    code, out, _ = cli("data", "show", guide, "--template", "chatml")
    assert code == 0 and out.startswith("<|im_start|>user\n")
    assert "has no row 99" in cli("data", "show", guide, "--row", 99)[2]
    write_rows(home, "pairs", "preference", preferences(2))
    assert "── rejected\n" in cli("data", "show", "pairs")[1]
    with atomic_dir(home.models / "toy") as folder:
        toy_tokenizer(folder)
        (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
        write_manifest(folder, Manifest(kind="model", name="toy"))
    code, out, err = cli("data", "show", guide, "--model", "toy")
    assert code == 0 and "Trained on" in out, err


def test_statistics_are_printed_and_given_as_json(guide: str, cli: Cli) -> None:
    found = json.loads(cli("data", "stats", guide, "--json")[1])
    assert found["unit"] == "words" and set(found["splits"]) == {"train", "eval"}
    code, out, _ = cli("data", "stats", guide)
    assert code == 0 and "mean words" in out and "duplicates: exact" in out


def test_rejected_rows_are_listed_with_their_reasons(tmp_path: Path, cli: Cli) -> None:
    path = write_lines(tmp_path / "some.jsonl", [*conversations(5), {"messages": []}])
    assert cli("import-dataset", path, "--format", "messages")[0] == 0
    found = json.loads(cli("data", "rejected", "some", "--json")[1])
    assert len(found) == 1 and "line 6" in found[0]["where"] and found[0]["reason"]


# ---- export and import -------------------------------------------------------------------------------------


def test_a_dataset_is_exported_and_its_entry_imported(home: Home, guide: str, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out"
    code, said, err = cli("data", "export", guide, "--format", "llama_factory", "--to", out)
    assert code == 0, err
    told = load_yaml(said)
    assert [Path(file).name for file in told["files"]] == [
        "guide-train.jsonl", "guide-eval.jsonl", "dataset_info.json",
    ]  # fmt: skip
    assert told["rows"]["train"]["given"] == told["rows"]["train"]["taken"]
    code, _, err = cli(
        "import-dataset", out / "dataset_info.json", "--entry", guide, "--name", "back", "--eval-fraction", 0
    )
    assert code == 0, err
    assert all_rows(home, "back") == all_rows(home, guide)
    assert "not empty" in cli("data", "export", guide, "--format", "jsonl", "--to", out)[2]
    code, said, _ = cli(
        "data", "export", guide, "--format", "jsonl", "--to", tmp_path / "more", "--set", "layout=messages", "--json"
    )
    assert code == 0 and json.loads(said)["reads_back_as"] == {"method": "messages"}
    assert "Did you mean jsonl" in cli("data", "export", guide, "--format", "jsnl", "--to", tmp_path / "no")[2]
    assert "does not fit" in cli("data", "export", guide, "--format", "kto", "--to", tmp_path / "no")[2]


def test_the_card_is_printed(guide: str, cli: Cli) -> None:
    assert cli("data", "card", guide)[1].startswith("---\npretty_name: guide\n")


def test_several_files_become_one_dataset(home: Home, tmp_path: Path, cli: Cli) -> None:
    rows = conversations(8)
    first, second = write_lines(tmp_path / "a.jsonl", rows[:5]), write_lines(tmp_path / "b.jsonl", rows[5:])
    code, out, err = cli("import-dataset", first, second, "--name", "both", "--eval-fraction", 0)
    assert code == 0, err
    assert load_yaml(out)["rows"] == {"train": 8, "eval": 0} and all_rows(home, "both") == rows
    assert "exists already" in cli("import-dataset", first, "--name", "both")[2]
    assert cli("import-dataset", first, "--name", "both", "--replace", "--eval-fraction", 0)[0] == 0
    assert all_rows(home, "both") == rows[:5]


def test_arguments_that_contradict_each_other_are_refused(tmp_path: Path, cli: Cli) -> None:
    path = write_lines(tmp_path / "a.jsonl", conversations(3))
    assert "no 'who'" in cli("import-dataset", path, "--columns", "role=who")[2]
    assert "changes no column" in cli("import-dataset", path, "--columns", "role")[2]
    assert "no such setting" in cli("import-dataset", path, "--columns", "prompts=who")[2]
    assert "no file" in cli("import-dataset", tmp_path / "gone.json", "--entry", "x")[2]


def test_the_account_of_columns_is_printed_and_changed(home: Home, tmp_path: Path, cli: Cli) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{**row, "label": "topic", "page": 1} for row in conversations(4)])
    code, _, err = cli("import-dataset", path, "--name", "a")
    assert code == 1 and "label: " in err and "label=keep" in err
    code, out, err = cli("import-dataset", path, "--name", "a", "--columns", "label=keep", "page=leave_out")
    assert code == 0, err
    lines = {line.split()[1]: " ".join(line.split()[2:]) for line in out.splitlines() if line.startswith("# ")}
    assert lines["label"] == "kept 4 rows Under metadata." and lines["page"] == "left out 4 rows Chosen so."
    assert lines["messages.content"].startswith("used as content 4 rows") and load_yaml(out)["rows"]["train"] == 4
    code, out, _ = cli("import-dataset", path, "--name", "b", "--columns", "label=keep", "--json")
    assert {line["column"]: line["use"] for line in json.loads(out)["columns"]}["page"] == "kept"


@pytest.mark.parametrize(
    ("file", "name"),
    [("数据集", "shujuji"), ("Данные", "dannye"), ("données été", "donnees-ete"), ("ملف", "mlf"), ("a b(1)", "a-b-1"),
     ("...", "unnamed")],
)  # fmt: skip
def test_a_file_name_in_any_script_gives_a_usable_name(file: str, name: str, tmp_path: Path, cli: Cli) -> None:
    path = write_lines(tmp_path / f"{file}.jsonl", conversations(2))
    assert json.loads(cli("import-dataset", path, "--json")[1])["name"] == name
    recipe = tmp_path / f"{file}.yaml"
    recipe.write_text(json.dumps({"source": {"method": "files", "paths": [path.name]}}))
    assert cli("delete", "dataset", name)[0] == 0
    assert json.loads(cli("data", "run", recipe, "--json")[1])["dataset"] == name


@pytest.mark.parametrize(
    "command",
    [
        ["import-dataset", "gone.x"],
        ["run", "gone.x"],
        ["submit", "gone.x"],
        ["merge", "gone.x"],
        ["data", "run", "gone.x"],
        ["import-model", "gone.x"],
        ["import-model", "gone.yaml"],
        ["tokens", "guide", "--model", "m", "--template-file", "gone.x"],
        ["data", "show", "guide", "--template-file", "gone.x"],
    ],
)
def test_a_missing_file_is_told_by_its_name(command: list[str], guide: str, cli: Cli) -> None:
    code, out, err = cli(*command)
    assert code == 1 and out == "" and "gone." in err and "log" not in err and "Traceback" not in err

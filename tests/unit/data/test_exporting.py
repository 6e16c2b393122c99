"""Exports: what is left out and why, the order of lines, what spreadsheets are spared; the card, and the hub."""

import csv
import json
import runpy
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.toys import conversations, preferences
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.data.exports.export import EXPORTS, Export, preview_export, write_export
from workbench.data.exports.formats.csv import GUARDED
from workbench.data.exports.json_lines_writer import write_lines
from workbench.data.recipes.importing import import_dataset
from workbench.data.recipes.pipeline import edit_rows, resplit
from workbench.data.recipes.recipe import Recipe
from workbench.data.sources.external import entries, source_of_entry
from workbench.data.statistics.dataset_statistics import statistics
from workbench.data.store.datasets import all_rows, write_rows
from workbench.family.dataset_card import dataset_card, shareable, size_category
from workbench.family.front_matter import declared
from workbench.jobs.job import JOBS, Job, JobContext

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


def form(name: str, **settings: Any) -> Export:
    return EXPORTS.parse({"method": name, **settings})


def talk(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# ---- what is left out --------------------------------------------------------------------------------------


def test_rows_left_out_are_counted_under_their_reason(home: Home, tmp_path: Path) -> None:
    asked = ("user", "Why?")
    odd = [
        talk(asked, ("assistant", "So."), asked, ("assistant", "Again.")),
        talk(asked, ("assistant", "So."), asked),
        talk(("system", "Be kind."), ("assistant", "Hello!")),
        {**talk(asked, ("assistant", "21.")), "tools": [TOOL]},
    ]
    write_rows(home, "odd", "conversation", [*conversations(3), *odd])
    made = write_export(home, "odd", form("alpaca"), tmp_path / "out")
    count = made.counts["train"]
    assert (count.given, count.taken, count.written) == (7, 3, 3)
    assert count.left_out == {"It has several turns.": 2, "It asks nothing.": 1, "It uses tools.": 1}
    seen = preview_export(home, "odd", form("alpaca"))
    assert seen["rows"] == lines(made.data["train"]) and seen["count"]["left_out"] == count.left_out


def test_nothing_is_written_when_no_row_fits(home: Home, tmp_path: Path) -> None:
    asked = ("user", "Why?")
    write_rows(home, "long", "conversation", [talk(asked, ("assistant", "So."), asked, ("assistant", "Yes."))])
    with pytest.raises(UserError, match=r"No row can be written as Alpaca\. 1: It has several turns\."):
        write_export(home, "long", form("alpaca"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_split_of_which_no_row_fits_has_no_file(home: Home, tmp_path: Path) -> None:
    asked = ("user", "Why?")
    long = talk(asked, ("assistant", "So."), asked, ("assistant", "Yes."))
    write_rows(home, "some", "conversation", conversations(3), [long])
    made = write_export(home, "some", form("sharegpt"), tmp_path / "both")
    assert {*made.data} == {"train", "eval"}
    made = write_export(home, "some", form("alpaca"), tmp_path / "out")
    assert {*made.data} == {"train"} and made.counts["eval"].left_out == {"It has several turns.": 1}
    assert "eval" not in (tmp_path / "out" / "load.py").read_text()


@pytest.mark.parametrize("kind", ["conversation", "unpaired"])
def test_pandas_reads_a_table_back_by_the_script_beside_it(
    home: Home, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["None", "NA", "null", "007", "1e3"]
    talks = [talk(("user", "q"), ("assistant", text))["messages"] for text in answers]
    unpaired = [
        {"prompt": turns[:1], "completion": turns[1:], "label": index == 0} for index, turns in enumerate(talks)
    ]
    write_rows(home, "odd", kind, unpaired if kind == "unpaired" else [{"messages": turns} for turns in talks])
    write_export(home, "odd", form("csv"), tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    table = runpy.run_path("load.py")["data"]["train"]
    assert table["completion"].tolist() == answers and set(table["system"]) == {""}
    assert "label" not in table or table["label"].tolist() == [True] + [False] * 4


def test_llama_factory_is_spared_what_it_would_skip(home: Home, tmp_path: Path) -> None:
    """https://github.com/hiyouga/LLaMA-Factory/blob/main/src/llamafactory/data/converter.py"""
    bad = [
        talk(("user", "One?"), ("user", "Two?"), ("assistant", "Three.")),
        talk(("user", "One?"), ("assistant", "Two."), ("user", "Three?")),
    ]
    write_rows(home, "some", "conversation", [*conversations(2), *bad])
    made = write_export(home, "some", form("llama_factory"), tmp_path / "out")
    assert made.counts["train"].left_out == {
        "Question and answer do not alternate, beginning with a question.": 1,
        "It does not end with an answer.": 1,
    }


def test_what_a_format_does_not_carry_is_said(home: Home, tmp_path: Path) -> None:
    rows = [{**row, "metadata": {"from": "here"}} for row in conversations(3)]
    write_rows(home, "told", "conversation", rows)
    assert write_export(home, "told", form("jsonl"), tmp_path / "whole").notes == []
    assert lines(tmp_path / "whole" / "told-train.jsonl") == rows
    made = write_export(home, "told", form("jsonl", layout="messages"), tmp_path / "bare")
    assert made.notes == ["This format does not carry metadata."]
    back = form("jsonl").format("conversation", frozenset({"metadata"}))
    import_dataset(home, tmp_path / "whole" / "told-train.jsonl", "back", format=back, eval_fraction=0)
    assert all_rows(home, "back") == rows


# ---- where it is written -----------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_left_alone(home: Home, tmp_path: Path) -> None:
    write_rows(home, "talks", "conversation", conversations(3))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("mine")
    for target in ("mine", "mine/work.txt"):
        with pytest.raises(UserError, match="not empty"):
            write_export(home, "talks", form("jsonl"), tmp_path / target)
    assert (tmp_path / "mine" / "work.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert write_export(home, "talks", form("jsonl"), tmp_path / "empty").data["train"].is_file()


def test_one_split_or_one_that_is_not_there(home: Home, tmp_path: Path) -> None:
    write_rows(home, "talks", "conversation", conversations(3))
    assert [*write_export(home, "talks", form("jsonl"), tmp_path / "out", "train").data] == ["train"]
    for split in ("eval", "test"):
        with pytest.raises(UserError):
            write_export(home, "talks", form("jsonl"), tmp_path / split, split)


# ---- spreadsheets ------------------------------------------------------------------------------------------


def test_a_cell_is_never_a_formula_where_that_is_asked_for(home: Home, tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain = text", "'quoted"]
    write_rows(home, "cells", "text", [{"text": text} for text in texts])
    made = write_export(home, "cells", form("csv", formula_guard=True), tmp_path / "out")
    assert made.counts["train"].lost == {GUARDED: 6}
    with made.data["train"].open(encoding="utf-8", newline="") as file:
        cells = [row["text"] for row in csv.DictReader(file)]
    assert cells == [*(f"'{text}" for text in texts[:6]), *texts[6:]]


def test_excel_gets_a_byte_order_mark_only_if_asked(home: Home, tmp_path: Path) -> None:
    write_rows(home, "cells", "text", [{"text": "Grün"}])
    for mark in (True, False):
        made = write_export(home, "cells", form("csv", byte_order_mark=mark), tmp_path / str(mark))
        assert made.data["train"].read_bytes().startswith(b"\xef\xbb\xbf") is mark


# ---- the order of lines ------------------------------------------------------------------------------------


def test_pairs_become_shuffled_rows_for_kto(home: Home, tmp_path: Path) -> None:
    write_rows(home, "pairs", "preference", preferences(60))
    found = {}
    for seed in (0, 0, 1):
        made = write_export(home, "pairs", form("kto", seed=seed), tmp_path / f"{len(list(tmp_path.iterdir()))}")
        labels = [row["label"] for row in lines(made.data["train"])]
        assert len(labels) == 120 and sum(labels) == 60
        assert found.setdefault(seed, labels) == labels
        assert 20 < sum(labels[:60]) < 40  # not all wanted ones first
    assert found[0] != found[1]


def test_lines_are_reordered_without_loss(tmp_path: Path) -> None:
    rows = [{"text": f"{n} {'ö' * (n % 7)}"} for n in range(500)]
    write_lines(tmp_path / "kept", rows)
    write_lines(tmp_path / "shuffled", rows, seed=3)
    assert lines(tmp_path / "kept") == rows
    assert lines(tmp_path / "shuffled") != rows
    assert sorted(lines(tmp_path / "shuffled"), key=lambda row: int(row["text"].split()[0])) == rows
    write_lines(tmp_path / "none", [], seed=3)
    assert (tmp_path / "none").read_bytes() == b""


def test_a_late_row_with_tools_comes_first_and_datasets_reads_all(home: Home, tmp_path: Path) -> None:
    """The library settles the types on the first 10 MB; a tool after that makes it fail."""
    plain = [talk(("user", f"{n}" + "x" * 2000), ("assistant", "y" * 2000)) for n in range(4000)]
    turns = [*talk(("user", "Warm?"))["messages"], {"role": "assistant", "content": "", "tool_calls": [CALL]}]
    write_rows(home, "late", "conversation", [*plain, {"messages": turns, "tools": [TOOL]}])
    made = write_export(home, "late", form("jsonl", layout="messages"), tmp_path / "out")
    assert made.data["train"].stat().st_size > 12_000_000
    import datasets

    data = datasets.load_dataset(
        "json", data_files=str(made.data["train"]), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(data) == 4001
    assert json.loads(data[0]["tools"]) == [TOOL] and data[0]["messages"] == turns
    assert data[1]["messages"] == plain[0]["messages"] and data[1]["tools"] is None
    canonical = write_export(home, "late", form("jsonl"), tmp_path / "canonical").data["train"]
    assert lines(canonical) == [*plain, {"messages": turns, "tools": [TOOL]}]


# ---- the settings beside -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["conversation", "preference"])
def test_our_own_reader_of_dataset_info_reads_it_back(home: Home, kind: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = {
        "conversation": [{**row, "tools": [TOOL]} for row in conversations(4)],
        "preference": preferences(4),
    }[kind]
    write_rows(home, "mine", kind, rows[1:], rows[:1])
    made = write_export(home, "mine", form("llama_factory"), tmp_path / "out")
    text = made.settings[0].read_text()
    assert made.settings[0].name == "dataset_info.json" and entries(text) == ["mine", "mine-eval"]
    source = source_of_entry(text, "mine", tmp_path / "out")
    import_dataset(home, source, "back", eval_fraction=0)
    assert all_rows(home, "back") == rows[1:]


def test_axolotl_is_told_of_both_splits_and_of_tools(home: Home, tmp_path: Path) -> None:
    rows = [{**row, "tools": [TOOL]} for row in conversations(4)]
    write_rows(home, "mine", "conversation", rows[1:], rows[:1])
    made = write_export(home, "mine", form("axolotl"), tmp_path / "out")
    told = load_yaml(made.settings[0].read_text())
    assert told["test_datasets"][0]["path"] == "mine-eval.jsonl"
    assert told["datasets"][0] == {
        "path": "mine-train.jsonl", "ds_type": "json", "split": "train",
        "type": "chat_template", "field_messages": "messages", "field_tools": "tools",
    }  # fmt: skip
    assert lines(made.data["train"])[0]["tools"][0]["function"]["parameters"] == '{"type": "object"}'
    write_rows(home, "pairs", "preference", preferences(4))
    made = write_export(home, "pairs", form("axolotl"), tmp_path / "pairs")
    assert load_yaml(made.settings[0].read_text())["rl"] == "dpo"


def test_both_parquet_files_have_the_same_columns_and_no_numbers(home: Home, tmp_path: Path) -> None:
    rows = conversations(6)
    write_rows(home, "mine", "conversation", [{**row, "tools": [TOOL]} for row in rows[2:]], rows[:2])
    resplit(home, "mine", 0.4)
    made = write_export(home, "mine", form("parquet"), tmp_path / "out")
    train, held = (pq.read_schema(path) for path in made.data.values())
    assert train.names == ["messages", "tools"] and train.equals(held)


# ---- the card and the hub ----------------------------------------------------------------------------------


@pytest.fixture
def guide(home: Home, tmp_path: Path) -> str:
    (tmp_path / "guide.jsonl").write_text("\n".join(json.dumps(row) for row in conversations(40)))
    import_dataset(home, tmp_path / "guide.jsonl", "guide")
    edit_rows(home, "guide", deleted=[3], changed={4: conversations(1)[0]})
    return "guide"


def test_the_card_tells_what_was_done_and_hides_this_machine(home: Home, guide: str, tmp_path: Path) -> None:
    card = dataset_card(home, guide, "me/guide", "mit")
    (tmp_path / "README.md").write_text(card)
    front = load_yaml(card.split("---\n")[1])
    assert declared(tmp_path).license == "mit" and front["size_categories"] == ["n<1K"]
    assert front["configs"][0]["data_files"][1] == {"split": "eval", "path": "data/eval.parquet"}
    assert 'load_dataset("me/guide")' in card
    assert "| 2 | Edited by hand | 40 | 39 | 1 | 1 |" in card or "| 40 | 39 | 1 | 1 |" in card
    assert "guide.jsonl" in card and str(tmp_path) not in card
    assert "Tell me of" not in card and "rows, left out here" in card
    assert "Figures" not in card
    statistics(home, guide)
    assert "Mean words" in dataset_card(home, guide)


def test_a_shared_recipe_is_one_still(home: Home, guide: str) -> None:
    recipe = Recipe.at(home.datasets / guide).to_dict()
    shared = shareable(recipe)
    assert shared["source"]["paths"] == ["guide.jsonl"] and [step["method"] for step in shared["steps"]] == [
        step["method"] for step in recipe["steps"]
    ]
    assert shareable({"source": {"method": "pasted", "text": "x" * 900}})["source"]["text"].startswith("(900 ")


@pytest.mark.parametrize(
    ("rows", "name"), [(0, "n<1K"), (1000, "1K<n<10K"), (200_000, "100K<n<1M"), (10**6, "1M<n<10M")]
)
def test_sizes_have_the_hubs_names(rows: int, name: str) -> None:
    assert size_category(rows) == name


class Hub:
    """Stands in for `HfApi` and remembers what it was sent."""

    asked: dict[str, Any]
    sent: dict[str, bytes]

    def create_repo(self, repo: str, repo_type: str, private: bool, exist_ok: bool) -> str:
        Hub.asked = {"repo": repo, "type": repo_type, "private": private}
        return f"https://hub/datasets/{repo}"

    def upload_folder(self, folder_path: Path, **settings: Any) -> None:
        Hub.asked |= settings
        files = [path for path in Path(folder_path).rglob("*") if path.is_file()]
        Hub.sent = {path.relative_to(folder_path).as_posix(): path.read_bytes() for path in files}


def push(**settings: Any) -> Job:
    return JOBS.parse({"method": "push-dataset", "repo": "me/guide", "dataset": "guide", **settings})


def problems(job: Job, home: Home) -> list[str]:
    found = Problems()
    job.check(home, found)
    return [str(problem) for problem in found.found]


def test_parquet_and_card_are_sent_in_one_commit(
    home: Home, guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    ctx = JobContext(home, tmp_path / "job")
    ctx.folder.mkdir()
    result = push(license="mit").run(ctx)
    assert {*Hub.sent} == {"README.md", "data/train.parquet", "data/eval.parquet"} == {*result["files"]}
    assert result["repository"] == "https://hub/datasets/me/guide"
    assert Hub.asked["private"] is True and Hub.asked["type"] == Hub.asked["repo_type"] == "dataset"
    assert Hub.asked["delete_patterns"] == ["data/*"]
    assert b"license: mit" in Hub.sent["README.md"]
    (tmp_path / "sent.parquet").write_bytes(Hub.sent["data/train.parquet"])
    assert pq.read_table(tmp_path / "sent.parquet").to_pylist() == all_rows(home, guide)
    assert not (ctx.folder / "upload").exists()


def test_no_login_or_no_dataset_is_told_before_it_starts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems(push(), home)
    assert len(found) == 2 and "HF_HUB_OFFLINE" in found[1] and "no dataset" in found[0]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert "hf auth login" in problems(push(), home)[1]
    assert "token" not in type(push()).model_fields


def test_a_hub_that_is_not_reached_says_so_and_leaves_nothing(
    home: Home, guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unplugged(Hub):
        def create_repo(self, repo: str, repo_type: str, private: bool, exist_ok: bool) -> str:
            raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi", Unplugged)
    with pytest.raises(UserError, match="not reached"):
        push().run(JobContext(home, tmp_path))
    assert not (tmp_path / "upload").exists()

"""Datasets on the shelf: imported whole or not at all, split for good, read by pages."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Parent, digest_of
from workbench.data.reading.format import FORMATS
from workbench.data.recipes import importing, pipeline
from workbench.data.sources import source as source_module
from workbench.data.store import datasets
from workbench.rows.split import eval_mask


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def conversation(number: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]}


def as_jsonl(rows: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def names(home: Home) -> list[str]:
    return sorted(path.name for path in home.datasets.glob("[!.]*"))


def test_import_of_a_file(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "My data.jsonl"
    source.write_text(as_jsonl([conversation(n) for n in range(20)]) + "\n{bad\n" + '{"messages": []}\n')
    manifest = importing.import_dataset(home, source, "mine")
    folder = home.datasets / "mine"
    assert manifest.info["kind"] == "conversation" and manifest.info["rows"] == {"train": 18, "eval": 2}
    assert manifest.info["rejected"] == 2 and manifest.info["format"]["method"] == "messages"
    assert (folder / "source" / "my-data.jsonl").read_bytes() == source.read_bytes()
    rejected = [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rejected] == [21, 22] and all(row["reason"] and row["raw"] for row in rejected)
    assert manifest.digest == digest_of(folder) and datasets.dataset_kind(home, "mine") == "conversation"
    both = datasets.all_rows(home, "mine", "train") + datasets.all_rows(home, "mine", "eval")
    assert sorted(map(str, both)) == sorted(str(conversation(n)) for n in range(20))


def test_import_of_pasted_text_with_a_chosen_format(home: Home) -> None:
    form = FORMATS.parse({"method": "prompt_completion", "prompt": "q", "completion": "a"})
    manifest = importing.import_dataset(home, "[" + '{"q": "x", "a": "y"}' + "]", "p", format=form)
    assert manifest.info["source"] == {"file": "pasted.json", "pasted": True, "bytes": 22, "copied": True}
    assert datasets.rows(home, "p") == [
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    ]
    assert not (home.datasets / "p" / "eval.parquet").exists() and datasets.rows(home, "p", "eval") == []


def test_nothing_readable_shows_the_first_reasons_and_leaves_nothing(home: Home) -> None:
    with pytest.raises(UserError) as caught:
        importing.import_dataset(home, as_jsonl([{"text": ""}] * 5), "x")
    assert "None of the 5 rows" in str(caught.value) and str(caught.value).count("line ") == 3
    with pytest.raises(UserError, match="No format knows these columns: foo"):
        importing.import_dataset(home, '{"foo": 1}', "x")
    assert names(home) == []


def test_a_crash_in_the_middle_leaves_nothing_and_the_old_version(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    importing.import_dataset(home, as_jsonl([conversation(1)]), "kept")
    before = digest_of(home.datasets / "kept")

    def fail(*_: object) -> None:
        raise OSError("disk gone")

    monkeypatch.setattr(pipeline, "write_splits", fail)
    with pytest.raises(OSError, match="disk gone"):
        importing.import_dataset(home, as_jsonl([conversation(2)]), "kept", replace=True)
    with pytest.raises(OSError, match="disk gone"):
        importing.import_dataset(home, as_jsonl([conversation(2)]), "new")
    with pytest.raises(OSError, match="disk gone"):
        pipeline.resplit(home, "kept", 0.5)
    assert names(home) == ["kept"] and digest_of(home.datasets / "kept") == before


def test_a_taken_name_and_bad_names(home: Home) -> None:
    importing.import_dataset(home, as_jsonl([conversation(1)]), "a")
    with pytest.raises(UserError, match="exists already"):
        importing.import_dataset(home, as_jsonl([conversation(2)]), "a")
    importing.import_dataset(home, as_jsonl([conversation(2)]), "a", replace=True)
    assert datasets.rows(home, "a") == [conversation(2)]
    for name in ("../x", ".hidden", "", "a/b"):
        with pytest.raises(UserError, match="name"):
            importing.import_dataset(home, as_jsonl([conversation(2)]), name)
    with pytest.raises(UserError, match="eval_fraction"):
        importing.import_dataset(home, as_jsonl([conversation(2)]), "b", eval_fraction=1.0)


def test_the_split_depends_on_the_seed_alone(home: Home) -> None:
    rows = [conversation(n) for n in range(100)]
    importing.import_dataset(home, as_jsonl(rows), "a", seed=3)
    importing.import_dataset(home, as_jsonl(rows[::-1]), "b", seed=3)
    importing.import_dataset(home, as_jsonl(rows), "c", seed=4)
    held = {name: {str(row) for row in datasets.all_rows(home, name, "eval")} for name in "abc"}
    assert held["a"] == held["b"] != held["c"] and len(held["a"]) == 10


def test_equal_rows_never_straddle_the_split() -> None:
    digests = [bytes([n % 7]) for n in range(70)]
    for seed in range(20):
        mask = eval_mask(digests, 0.3, seed)
        assert not {d for d, held in zip(digests, mask, strict=True) if held} & {
            d for d, held in zip(digests, mask, strict=True) if not held
        }
        assert 0 < sum(mask) <= 21


@pytest.mark.parametrize(
    ("total", "fraction", "held"), [(4, 0.1, 0), (5, 0.1, 1), (9, 0.01, 1), (50, 0.0, 0), (2, 0.9, 1)]
)
def test_small_sets(total: int, fraction: float, held: int) -> None:
    assert sum(eval_mask([bytes([n]) for n in range(total)], fraction, 0)) == held
    assert not any(eval_mask([b"same"] * total, fraction, 0))


def test_resplit(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text(as_jsonl([conversation(n) for n in range(30)]) + "\n{bad")
    importing.import_dataset(home, source, "a")
    first = {str(row) for row in datasets.all_rows(home, "a", "eval")}
    assert pipeline.resplit(home, "a", 0.5, 1).info["rows"] == {"train": 15, "eval": 15}
    assert pipeline.resplit(home, "a", 0.0).info["rows"] == {"train": 30, "eval": 0}
    assert datasets.count(home, "a", "eval") == 0
    again = pipeline.resplit(home, "a", 0.1, 0)
    assert {str(row) for row in datasets.all_rows(home, "a", "eval")} == first and again.info["rejected"] == 1
    assert sorted(path.name for path in (home.datasets / "a").iterdir()) == [
        "eval.parquet", "history.json", "manifest.yaml", "recipe.yaml", "rejected.jsonl", "source", "steps.json",
        "train.parquet",
    ]  # fmt: skip


def test_pages_across_row_groups(home: Home) -> None:
    datasets.write_rows(home, "big", "text", [{"text": str(n)} for n in range(2500)])
    assert datasets.count(home, "big") == 2500
    assert [row["text"] for row in datasets.rows(home, "big", start=998, count=4)] == ["998", "999", "1000", "1001"]
    assert [row["text"] for row in datasets.rows(home, "big", start=2498)] == ["2498", "2499"]
    assert datasets.rows(home, "big", start=5000) == [] and len(datasets.rows(home, "big", start=-5, count=2)) == 2
    with pytest.raises(UserError, match="split"):
        datasets.rows(home, "big", "test")


def test_rows_made_by_the_engine(home: Home) -> None:
    pair = {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "a"}],
        "rejected": [{"role": "assistant", "content": "b"}],
    }
    parents = [Parent(kind="session", name="s", role="labels")]
    manifest = datasets.write_rows(home, "p", "preference", [pair], [pair], parents=parents, info={"note": "n"})
    assert manifest.info == {"note": "n", "kind": "preference", "rows": {"train": 1, "eval": 1}, "rejected": 0}
    assert datasets.rows(home, "p") == [pair] and manifest.parents == parents
    with pytest.raises(UserError, match="Row 2 of train"):
        datasets.write_rows(home, "q", "preference", [pair, {"prompt": []}])
    with pytest.raises(UserError, match="no rows"):
        datasets.write_rows(home, "q", "preference", [])
    assert names(home) == ["p"]


def test_the_list_survives_damage(home: Home) -> None:
    for name in ("a", "b", "c", "d"):
        datasets.write_rows(home, name, "text", [{"text": "x"}])
    (home.datasets / "a" / "manifest.yaml").write_bytes(b"\xff\xfe: [")
    (home.datasets / "b" / "train.parquet").write_bytes(b"PAR1")
    (home.datasets / "c" / "train.parquet").unlink()
    listed = {manifest.name: manifest.info.get("error", "") for manifest in datasets.list_datasets(home)}
    assert listed["a"] and "damaged" in listed["b"] and "missing" in listed["c"] and listed["d"] == ""
    for name in ("a", "b", "c", "d"):
        datasets.delete_dataset(home, name)
    assert names(home) == []
    with pytest.raises(UserError, match=r"no dataset 'a'.*none yet"):
        datasets.delete_dataset(home, "a")


def test_links_out_of_the_home_are_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (home.datasets / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="outside"):
        datasets.rows(home, "link")
    assert "outside" in datasets.list_datasets(home)[0].info["error"]
    datasets.delete_dataset(home, "link")
    assert names(home) == [] and (tmp_path / "outside").is_dir()


def test_preview_shows_what_would_come_and_writes_nothing(home: Home) -> None:
    preview = importing.preview_source('{"prompt": "a", "answer": "b"}\n{"prompt": ""}\n{bad\n')
    assert preview.format is not None and preview.format.method == "prompt_completion" and preview.complete
    assert (preview.good, preview.bad) == (1, 2) and [bad.line for bad in preview.rejected] == [2, 3]
    assert preview.columns == ["prompt", "answer"] and preview.rows[0]["messages"][1]["content"] == "b"
    unknown = importing.preview_source('{"foo": 1}')
    assert unknown.format is None and unknown.raw == [{"foo": 1}] and "foo" in unknown.reason
    chosen = importing.preview_source('{"foo": "x"}', FORMATS.parse({"method": "plain_text", "text": "foo"}))
    assert chosen.rows == [{"text": "x"}] and names(home) == []


def test_large_originals_are_noted_and_not_copied(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "COPY_LIMIT_BYTES", 10)
    source = tmp_path / "a.txt"
    source.write_text("A paragraph longer than ten bytes.")
    manifest = importing.import_dataset(home, source, "a")
    assert manifest.info["source"]["copied"] is False and not list((home.datasets / "a" / "source").iterdir())


def test_samples(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "field_guide.jsonl").write_text(as_jsonl([conversation(n) for n in range(10)]))
    (tmp_path / "prompts.jsonl").write_text(
        as_jsonl([{"messages": conversation(n)["messages"][:1]} for n in range(10)])
    )
    monkeypatch.setattr(importing, "SAMPLES_FOLDER", tmp_path)
    assert importing.import_sample(home).info["rows"] == {"train": 9, "eval": 1}
    assert datasets.dataset_kind(home, "field-guide-prompts") == "prompts"
    assert datasets.count(home, "field-guide-prompts") == 10
    assert importing.import_sample(home).digest == datasets.dataset_manifest(home, "field-guide").digest

"""What a file unpacks to is bounded before it is made, in every format: short sentences, bounded memory and time."""

import gzip
import io
import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.greedy import greedy
from workbench.core import limited
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.reading import compressed, format, lines
from workbench.data.reading.column_account import ColumnEntry, listed
from workbench.data.reading.detection import detect
from workbench.data.reading.parquet_batches import MOST_BYTES, bounded_batches
from workbench.data.reading.readers import read_all
from workbench.data.recipes.brief_preview import MOST_CHARACTERS, brief_preview, is_large
from workbench.data.recipes.importing import import_dataset, source_of
from workbench.rows.bounds import MOST_COLUMNS, too_many_values


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def parquet(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **{"compression": "zstd", **options})
    return path


def repeated(text: str, count: int) -> pa.DictionaryArray:
    """A text written once and meant `count` times."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))


def refused(path: Path, says: str, seconds: float = 2.0) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=says) as caught:
        read_all(path)
    assert time.monotonic() - start < seconds and len(str(caught.value)) < 300


# ---- Parquet -------------------------------------------------------------------------------------------------


def test_a_text_meant_millions_of_times_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", pa.table({"text": repeated("x" * 1000, 400_000)}))
    assert path.stat().st_size < 100_000
    refused(path, "unpacks to more than 200 times its size")


def test_a_long_text_meant_often_comes_in_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CALM_BYTES", 10**9)
    table = pa.table({"text": repeated("x" * 5_000_000, 20), "n": range(20)})
    pieces = list(bounded_batches(parquet(tmp_path / "a.parquet", table)))
    assert [piece.num_rows for piece in pieces] and sum(piece.num_rows for piece in pieces) == 20
    assert all(piece.num_rows * 5_000_000 <= MOST_BYTES for piece in pieces)
    assert [row["n"] for piece in pieces for row in piece.to_pylist()] == list(range(20))


def test_a_long_text_meant_often_within_messages_comes_in_few_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "CALM_BYTES", 10**9)
    rows = [{"messages": [{"role": "user", "content": "x" * 4_000_000}, {"role": "assistant", "content": "a"}]}] * 40
    path = parquet(tmp_path / "a.parquet", pa.Table.from_pylist(rows), dictionary_pagesize_limit=10**8)
    pieces = list(bounded_batches(path))
    assert sum(piece.num_rows for piece in pieces) == 40
    assert max(piece.num_rows for piece in pieces) * 4_000_000 <= lines.MAX_LINE_BYTES


def test_usual_messages_are_read_many_rows_at_once(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": f"question {n}"}]} for n in range(5000)]
    path = parquet(tmp_path / "a.parquet", pa.Table.from_pylist(rows), row_group_size=2000)
    assert max(piece.num_rows for piece in bounded_batches(path)) > 200
    assert [row.data for row in read_all(path)[0]] == rows


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_other_encodings_are_read_as_they_are(encoding: str, tmp_path: Path) -> None:
    table = pa.table({"text": [f"text {n}" for n in range(2500)]})
    path = parquet(tmp_path / "a.parquet", table, use_dictionary=False, column_encoding={"text": encoding})
    assert [row.data["text"] for row in read_all(path)[0]] == table.column("text").to_pylist()


def test_every_type_comes_out_as_it_went_in(tmp_path: Path) -> None:
    rows = [
        {
            "messages": [{"role": "user", "content": "same"}, {"role": "assistant", "content": f"a{n}"}],
            "tags": ["x", "y"] if n % 2 else [],
            "text": None if n % 3 else "same",
            "map": [("key", "same")],
            "bytes": b"same",
            "number": n,
            "flag": True,
        }
        for n in range(1500)
    ]
    kinds = {
        "messages": pa.list_(pa.struct([("role", pa.large_string()), ("content", pa.string())])),
        "tags": pa.large_list(pa.string()),
        "text": pa.dictionary(pa.int32(), pa.string()),
        "map": pa.map_(pa.string(), pa.string()),
        "bytes": pa.binary(4),
        "number": pa.int64(),
        "flag": pa.bool_(),
    }
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})
    read, bad = read_all(parquet(tmp_path / "a.parquet", table, row_group_size=400))
    assert [row.data for row in read] == rows and not bad


def test_rows_of_nothing_and_very_many_columns_are_refused(tmp_path: Path) -> None:
    refused(parquet(tmp_path / "a.parquet", pa.table({"text": pa.nulls(5_000_000, pa.string())})), "200 times its size")
    wide = pa.table({f"c{number}": pa.nulls(1) for number in range(MOST_COLUMNS + 1)})
    refused(parquet(tmp_path / "b.parquet", wide), "10,001 columns, more than 10,000", 5)


def test_a_row_over_its_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 17 * 1024**2)
    refused(parquet(tmp_path / "a.parquet", pa.table({"text": ["x" * 18 * 1024**2]})), "rows of more than 64 MB")


# ---- text ----------------------------------------------------------------------------------------------------


def test_very_many_columns_of_a_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{n}" for n in range(100_000)) + "\n" + ",".join("v" * 100_000) + "\n")
    refused(path, "100,000 columns, more than 10,000", 1)
    path.write_text("a,b\n1,2\n" + "," * 1_000_001 + "\n")
    refused(path, "Line 3 has more than 1,000,000 cells", 1)


def test_very_many_damaged_records_are_each_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + '"x"y,1\n' * 50_000 + "1,2\n")
    start = time.monotonic()
    read, bad = read_all(path)
    assert len(read) == 1 and len(bad) == 50_000 and time.monotonic() - start < 10


def test_a_record_of_very_many_lines_is_kept_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.reading.tabular.MAX_LINE_BYTES", 10_000)
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n3,"' + "open\n" * 5000 + "4,5\n")
    read, bad = read_all(path)
    assert [row.data for row in read if row.data["b"]] == [{"a": "1", "b": "2"}, {"a": "4", "b": "5"}]
    assert "the record is longer than 64 MB" in bad[0].reason or "field larger" in bad[0].reason


@pytest.mark.parametrize("named", ["#separator:abc", '#separator:"'])
def test_a_separator_that_is_none_is_refused(named: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{named}\n1,2\n")
    refused(tmp_path / "a.txt", "as its separator")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (json.dumps({"text": "x", **{f"k{n}": n for n in range(300_000)}}), "300,001 columns, more than 10,000"),
        ('{"text": [' + "[]," * 1_000_001 + "[]]}", "more than 1,000,000 values"),
        ('{"text": ' + '{"a":' * 150 + "1" + "}" * 151, "nested more than 100 deep"),
        ('{"text": ' + '{"a":' * 50_000 + "1" + "}" * 50_001, "not usable JSON"),
        ('{"text": ' + "9" * 100_000 + "}", "not usable JSON"),
    ],
)
def test_a_row_of_odd_shape_is_kept_aside_and_the_others_are_read(
    row: str, says: str, home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "first", "more": 1}}\n{row}\n{{"text": "last"}}\n')
    start = time.monotonic()
    read, bad = read_all(path)
    assert time.monotonic() - start < 2 and len(read) == 2
    assert [one.line for one in bad] == [2] and says in bad[0].reason and len(bad[0].raw) <= lines.RAW_CHARACTERS
    made = import_dataset(home, path, "a", eval_fraction=0)
    assert made.info["rows"] == {"train": 2, "eval": 0} and made.info["rejected"] == 1


def test_commas_within_texts_are_no_values() -> None:
    text = json.dumps({"text": ', [{ "\\ ' * 5000})
    assert not too_many_values(text, 10) and too_many_values("[" + "1," * 20 + "1]", 10)


def test_a_json_file_of_very_many_values_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.data.reading.readers.MOST_JSON_VALUES", 1000)
    path = tmp_path / "a.json"
    path.write_text("[" + "[]," * 2000 + "[]]")
    refused(path, "more than 1,000 values")


# ---- previews ------------------------------------------------------------------------------------------------


def test_a_preview_shows_the_beginnings_of_long_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"prompt": "p" * 50_000, "completion": "c", "more": ["x" * 9999] * 500}) + "\n")
    found = brief_preview(source_of(path))
    assert len(found.raw[0]["prompt"]) == MOST_CHARACTERS and len(found.raw[0]["more"]) == 100
    assert len(json.dumps(found.rows)) < 300_000


def test_what_is_large_is_looked_at_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"prompt": "p" * 1000, "completion": "c"}
    path.write_text((json.dumps(row) + "\n") * 5000)
    source = source_of(path)
    assert is_large(source)
    found = brief_preview(source)
    assert found.format is not None and found.format.method == "prompt_completion" and found.good == 5000
    bad = tmp_path / "b.parquet"
    bad.write_bytes(b"PAR1" + b"\xff" * 300_000)
    with pytest.raises(UserError, match=r"b\.parquet is not a readable Parquet file"):
        brief_preview(source_of(bad))


@pytest.mark.parametrize(("name", "is_read_apart"), [("a.txt.gz", True), ("a.txt", False)])
def test_a_packed_file_is_looked_at_by_another_process_however_small(
    tmp_path: Path, name: str, is_read_apart: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"\n" * 20_000_000) if is_read_apart else b"\n" * 63_000)
    assert path.stat().st_size < 64_000 and is_large(source_of(path)) is is_read_apart


@pytest.mark.parametrize(
    ("what", "says"),
    [("memory", "more memory than it may"), ("time", "longer than 2 seconds"), ("death", "exit code 7")],
)
def test_work_that_takes_too_much_ends_alone(what: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        limited.call(greedy, what, seconds=2 if what == "time" else 60)


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("exit 1",)


@pytest.mark.parametrize("outcome", [Evil(), [os.system], limited.call, UserError])
def test_an_outcome_calls_nothing(outcome: Any) -> None:
    with pytest.raises(UserError, match="gave something unexpected"):
        limited._Outcome(io.BytesIO(pickle.dumps((outcome, None)))).load()


def test_what_another_process_returns_comes_back() -> None:
    assert limited.call(greedy, "nothing") == 5


PEAK = """
import resource, sys
from pathlib import Path
from workbench.data.recipes.brief_preview import brief_preview
from workbench.data.recipes.importing import source_of
from workbench.core.errors import UserError
brief_preview(source_of('{"text": "a"}'))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    try:
        brief_preview(source_of(Path(name)))
    except UserError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_the_process_that_looks_at_a_bomb_grows_by_less_than_200_mb(tmp_path: Path) -> None:
    bomb = parquet(tmp_path / "a.parquet", pa.table({"text": repeated("x" * 1000, 3_000_000)}))
    crowded = tmp_path / "b.jsonl"
    crowded.write_text('{"text": [' + "[]," * 3_000_000 + "[]]}\n")
    long = tmp_path / "c.csv"
    long.write_text("text\n" + "x" * 60_000_000 + "\n")
    command = [sys.executable, "-c", PEAK, str(bomb), str(crowded), str(long)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert int(done.stdout.split()[-1]) < 200, done.stdout


@pytest.mark.parametrize(
    ("name", "rows", "says"),
    [
        (
            "a.jsonl",
            [{"prompt": "a", "completion": "b", f"k{n}": 1} for n in range(MOST_COLUMNS + 1)],
            "columns and keys",
        ),
        (
            "a.json",
            [{"prompt": "a", "completion": "b", f"k{n}": 1} for n in range(MOST_COLUMNS + 1)],
            "columns and keys",
        ),
        ("a.jsonl", [{"prompt": "a", "completion": "b", "k" * 2000: 1}], "name has 2,000 characters, more than 1,000"),
        (
            "a.jsonl",
            [{"text": "a", "meta": {f"k{n}": n for n in range(MOST_COLUMNS + 1)}}],
            "an object in the row has 10,001",
        ),
    ],
)
def test_the_names_in_a_source_are_bounded(home: Home, tmp_path: Path, name: str, rows: list[Any], says: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=says) as caught:
        import_dataset(home, path, "a")
    assert len(str(caught.value)) < 300


def test_formats_compare_the_names_of_many_columns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Counter[str]()
    monkeypatch.setattr(format, "plain_name", lambda name: compared.update([name]) or name)
    row = {"prompt": "a", "completion": "b", **{f"column_of_{n}": 1 for n in range(300)}}
    assert detect([row, row]).format is not None
    assert compared["column_of_0"] <= 4


def test_a_long_account_is_kept_short() -> None:
    account = [ColumnEntry(f"k{n}" * 100, "kept", "Under metadata.", rows=1) for n in range(3000)]
    listing = listed(account)
    assert len(listing) == 1001 and listing[-1]["column"] == "2,000 more" and len(listing[0]["column"]) <= 201

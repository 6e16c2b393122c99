"""Reading rows from files and pasted text, hostile ones included."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import UserError
from workbench.data.reading import lines
from workbench.data.reading.readers import ReadingOptions, form_of, read_all


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def found(source: Path | str, **options: Any) -> tuple[list[tuple[int, dict[str, object]]], list[tuple[int, str]]]:
    rows, rejected = read_all(source, ReadingOptions(**options))
    return [(row.line, row.data) for row in rows], [(bad.line, bad.reason) for bad in rejected]


def test_jsonl_keeps_bad_lines_aside(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\n{bad\n[1]\n{"b": "\x00"}\n{"c": 2}')
    rows, rejected = found(path)
    assert rows == [(1, {"a": 1}), (6, {"c": 2})]
    assert [line for line, _ in rejected] == [3, 4, 5]
    assert "column 2" in rejected[0][1] and "not an object" in rejected[1][1] and "NUL" in rejected[2][1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '[{"x": 1}, {"x": 2}]'),
        ("a.json", '{"data": [{"x": 1}, {"x": 2}], "version": [1]}'),
        ("a.json", '{"questions": [{"x": 1}, {"x": 2}]}'),
        ("a.json", '{"x": 1}\n{"x": 2}\n'),
        ("a.jsonl", '[{"x": 1},\n {"x": 2}]'),
        ("a.ndjson", '{"x": 1}\n{"x": 2}\n'),
    ],
)
def test_json_of_every_shape(tmp_path: Path, name: str, content: str) -> None:
    rows, rejected = found(write(tmp_path, name, content))
    assert [data for _, data in rows] == [{"x": 1}, {"x": 2}] and not rejected


def test_an_object_with_messages_is_one_row() -> None:
    rows, _ = found('{"messages": [{"role": "user", "content": "a"}]}')
    assert rows == [(1, {"messages": [{"role": "user", "content": "a"}]})]


def test_utf16_and_latin1(tmp_path: Path) -> None:
    assert found(write(tmp_path, "a.jsonl", '{"a": "é"}\n'.encode("utf-16")))[0] == [(1, {"a": "é"})]
    path = write(tmp_path, "b.jsonl", '{"a": "é"}\n'.encode("latin-1"))
    assert found(path, encoding="latin-1")[0] == [(1, {"a": "é"})]
    with pytest.raises(UserError, match=r"byte 7 cannot be decoded.*latin-1"):
        read_all(path)
    with pytest.raises(UserError, match="encoding"):
        read_all(path, ReadingOptions("rot13"))


def test_the_bad_byte_is_found_far_into_the_file(tmp_path: Path) -> None:
    start = b"\xef\xbb\xbf" + b'{"a": "' + "é".encode() * 1_000_000
    with pytest.raises(UserError, match=f"byte {len(start):,} "):
        read_all(write(tmp_path, "a.jsonl", start + b'\xff"}\n'))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.csv", "a,b\n", "holds no rows"),
        ("a.json", "[]", "holds no rows"),
        ("a.jsonl", "\n \n", "holds no rows"),
        ("a.json", '[{"x": 1},\n 2', "line 2, column 3"),
        ("a.json", "[" * 100_000, "nesting"),
        ("a.json", "5", "not a list of rows"),
        ("a.json", '{"a": [{"x": 1}], "b": [{"x": 2}]}', "several lists: 'a', 'b'"),
        ("a.csv", "a,b,a\n1,2,3\n", "'a' more than once"),
        ("a.parquet", b"PAR1 not really", "not a readable Parquet"),
        ("a.exe", "x", "unknown type"),
        ("a.zip", "PK", "is an archive"),
        ("a.tar.gz", "x", "unknown type"),
        ("a.parquet.gz", "x", "unknown type"),
    ],
)
def test_unusable_sources_are_refused(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        read_all(write(tmp_path, name, content))


def test_no_such_file_and_folders(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for path in (tmp_path / "none.jsonl", tmp_path / "folder.jsonl"):
        with pytest.raises(UserError, match="no file"):
            read_all(path)


def test_csv_with_ragged_damaged_and_multiline_records(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'a,b\n1,2\n3\n"x\ny",4\n"bad"q,1\n5,"\0"\n\n6,7\n')
    rows, rejected = found(path)
    assert rows == [(2, {"a": "1", "b": "2"}), (4, {"a": "x\ny", "b": "4"}), (9, {"a": "6", "b": "7"})]
    assert [line for line, _ in rejected] == [3, 6, 7]
    assert "1 cells where the header has 2" in rejected[0][1]
    assert read_all(path)[1][1].raw == '"bad"q,1\n'


def test_semicolons_and_tabs(tmp_path: Path) -> None:
    assert found(write(tmp_path, "a.csv", "a;b\n1,5;2\n"))[0] == [(2, {"a": "1,5", "b": "2"})]
    assert found(write(tmp_path, "a.tsv", "a\tb\n1\t2\n"))[0] == [(2, {"a": "1", "b": "2"})]


def test_an_unclosed_quote_costs_its_own_line_alone(tmp_path: Path) -> None:
    rows, rejected = found(write(tmp_path, "a.csv", 'a,b\n1,2\n3,"open\n4,5\n6,"closed"\n7,8\n9,"open\n'))
    assert rows == [
        (line, {"a": a, "b": b}) for line, a, b in ((2, "1", "2"), (4, "4", "5"), (5, "6", "closed"), (6, "7", "8"))
    ]
    assert [line for line, _ in rejected] == [3, 7] and "quotes" in rejected[0][1]


def test_huge_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    long = '{"a": "' + "x" * 5000 + '"}'
    rows, rejected = found(write(tmp_path, "a.jsonl", f'{{"a": 1}}\n{long}\n{{"a": 2}}\n'))
    assert rows == [(1, {"a": 1}), (3, {"a": 2})] and rejected == [(2, "the line is longer than 64 MB.")]
    with pytest.raises(UserError, match="Line 2 is longer"):
        read_all(write(tmp_path, "a.csv", f"a\n{'x' * 5000}\n"))


def test_paragraphs(tmp_path: Path) -> None:
    rows, _ = found(write(tmp_path, "a.txt", "\none\r\ntwo\r\n \r\n\r\nthree\n"))
    assert rows == [(2, {"text": "one\ntwo"}), (6, {"text": "three"})]


def test_parquet(tmp_path: Path) -> None:
    data = [{"messages": [{"role": "user", "content": str(n)}]} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(data), tmp_path / "a.parquet")
    rows, _ = found(tmp_path / "a.parquet")
    assert rows == [(index, row) for index, row in enumerate(data, start=1)]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('[{"a": 1}]', "json"),
        ('{"a": 1}\n{"a": 2}', "jsonl"),
        ('{\n"a": 1\n}', "json"),
        ("prompt,completion\na,b", "csv"),
        ("question\tanswer\na\tb", "tsv"),
        ("Hello, world.\n\nA second paragraph.", "txt"),
    ],
)
def test_pasted_text_is_sniffed(text: str, form: str) -> None:
    assert form_of(text) == form


def test_pasted_nothing() -> None:
    with pytest.raises(UserError, match="empty"):
        read_all(" \n")


def test_raw_text_of_a_rejected_row_is_short_and_writable() -> None:
    bad = lines.reject(1, "why", {"a": "\ud83d" + "x" * 9999})
    assert len(bad.raw) <= lines.RAW_CHARACTERS and json.dumps(bad.raw).encode()
